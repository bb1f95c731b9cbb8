/* run.c - which hosts of its unit may be worked on now, batch by batch. */
#include <poll.h>
#include <stdlib.h>

#include "ansible.h"

struct batches {
	struct drover_unit *unit;
	const struct drover_unit_info *info;
	bool *done;    /* by index: given to a batch, or refused */
	size_t wanted; /* the first so many were asked for */
};

/* Those that were granted and are in no batch yet. Takes note of the refused ones. */
static size_t collect(struct batches *b, struct ansible_batch *batch)
{
	batch->count = 0;
	for (size_t i = 0; i < b->wanted; i++) {
		enum drover_grant grant = b->done[i] ? DROVER_GRANT_NONE : drover_unit_grant(b->unit, i);

		if (grant == DROVER_GRANT_GIVEN)
			batch->index[batch->count++] = i;
		if (grant == DROVER_GRANT_GIVEN || grant == DROVER_GRANT_REFUSED)
			b->done[i] = true;
	}
	return batch->count;
}

static size_t count_open(const struct batches *b)
{
	size_t open = 0;

	for (size_t i = 0; i < b->wanted; i++)
		open += !b->done[i];
	return open;
}

/*
 * Asks for as many as may run at once and waits until some were granted. A host counts as running from
 * then on, so no more are asked for than the batch can take. False: no host is left, or the unit is to stop.
 */
static bool next(struct batches *b, struct ansible_batch *batch)
{
	for (;;) {
		size_t left = b->info->count - b->wanted, open = count_open(b);
		size_t most = b->info->fanout > 0 ? (size_t)b->info->fanout : b->info->count;
		struct pollfd event = { .fd = drover_unit_event_fd(b->unit), .events = POLLIN };

		if (drover_unit_stopping(b->unit))
			return false;
		if (open < most && left) {
			size_t more = most - open < left ? most - open : left;

			if (drover_unit_want(b->unit, b->wanted, more, NULL))
				return false;
			b->wanted += more;
		}
		if (collect(b, batch))
			return true;
		if (!count_open(b) && b->wanted == b->info->count)
			return false;
		if (count_open(b))
			poll(&event, 1, -1);
	}
}

int ansible_run(struct drover_unit *unit, struct ansible *self, struct drover_error *err)
{
	const struct drover_unit_info *info = drover_unit_info(unit);
	struct batches b = { .unit = unit, .info = info, .done = calloc(info->count, sizeof(bool)) };
	struct ansible_batch batch = { .index = calloc(info->count, sizeof(size_t)) };
	int rc = b.done && batch.index ? 0 : drover_error_set(err, DROVER_ENOMEM, "no memory for a unit's hosts");

	while (!rc && next(&b, &batch))
		rc = ansible_session(unit, self, &batch, err);
	free(b.done);
	free(batch.index);
	return rc;
}
