/* signed_parent.c - see signed_parent.h. */
#include "daemon/signed_parent.h"

#include <stdlib.h>
#include <string.h>

#include "util/buf.h"

#define PAGE 200 /* envelopes in one query */

struct ending {
	unsigned char status, remote;
	bool known;
};

struct signed_parent {
	const struct signing_keys *keys;
	struct retry *retry;
	struct ending *endings; /* by index */
	int64_t room;
	const char *id;        /* of the task */
	struct envelope first; /* of its unit 0; what the other units say is held against it */
	int64_t units, hosts;  /* that were read */
	bool forged;
	struct drover_error *err; /* of the query under way */
};

struct signed_parent *signed_parent_new(const struct signing_keys *keys, struct retry *retry)
{
	struct signed_parent *p = xcalloc(1, sizeof(*p));

	p->keys = keys;
	p->retry = retry;
	return p;
}

void signed_parent_free(struct signed_parent *p)
{
	if (!p)
		return;
	envelope_dispose(&p->first);
	free(p->endings);
	free(p);
}

bool signed_parent_is_forged(const struct signed_parent *p)
{
	return p && p->forged;
}

void signed_parent_status(struct signed_parent *p, int64_t index, enum drover_status status, enum drover_remote remote)
{
	int64_t room = p->room;

	if (index < 0)
		return;
	while (index >= room)
		room = room ? room * 2 : 1024;
	if (room != p->room) {
		p->endings = xrealloc(p->endings, (size_t)room * sizeof(*p->endings));
		memset(p->endings + p->room, 0, (size_t)(room - p->room) * sizeof(*p->endings));
		p->room = room;
	}
	p->endings[index] = (struct ending){ (unsigned char)status, (unsigned char)remote, true };
}

static int forged(struct signed_parent *p, int64_t unit, const char *why)
{
	p->forged = true;
	return drover_error_set(p->err, DROVER_ECONFLICT,
				"the task cannot be done again, since it is not as it was signed: unit %lld: %s",
				(long long)unit, why);
}

/* Expired ones are good enough: the child is a new task, which somebody wants now. */
static int open_unit(struct signed_parent *p, int64_t unit, struct drover_bytes message, struct envelope *envelope)
{
	struct drover_error why = { 0 };

	if (envelope_open(p->keys, message.data, message.size, 0, envelope, &why))
		return envelope->newer
			       ? drover_error_set(p->err, DROVER_ERETRY,
						  "the task was signed by a node of a newer version: ask one of "
						  "these, or again when this one is upgraded: %s",
						  why.message)
			       : forged(p, unit, why.message);
	if (envelope->unit != unit || strcmp(envelope->task.id, p->id) != 0)
		return forged(p, unit, "its envelope is another unit's");
	return 0;
}

static int take_first(void *context, int64_t unit, struct drover_bytes message)
{
	struct signed_parent *p = context;

	p->units = 1;
	return open_unit(p, unit, message, &p->first);
}

/* The row, with its payload, is what was signed, so the child can be made of it. */
static int take_row(void *context, const struct drover_task *task)
{
	struct signed_parent *p = context;
	struct drover_error why = { 0 };

	if (envelope_check_task(&p->first, task, &why))
		return forged(p, 0, why.message);
	retry_begin(p->retry, task);
	return 0;
}

static void offer_hosts(struct signed_parent *p, const struct envelope *envelope)
{
	for (int64_t i = 0; i < envelope->count; i++) {
		int64_t index = envelope->first + i;

		if (index < p->room && p->endings[index].known)
			retry_offer(p->retry, index, (enum drover_status)p->endings[index].status,
				    (enum drover_remote)p->endings[index].remote, &envelope->hosts[i]);
	}
}

static int take_unit(void *context, int64_t unit, struct drover_bytes message)
{
	struct signed_parent *p = context;
	struct envelope envelope;
	struct drover_error why = { 0 };
	int code = open_unit(p, unit, message, &envelope);

	if (!code && unit != p->units)
		code = forged(p, unit, "units before it are missing");
	if (!code && envelope.first != p->hosts)
		code = forged(p, unit, "its hosts do not follow those of the unit before it");
	if (!code && envelope_check_same(&p->first, &envelope, &why))
		code = forged(p, unit, why.message);
	if (!code) {
		offer_hosts(p, &envelope);
		p->units++;
		p->hosts += envelope.count;
	}
	envelope_dispose(&envelope);
	return code;
}

int signed_parent_read(struct signed_parent *p, const struct drover_store_ops *ops, struct drover_session *session,
		       const struct drover_task *task, struct drover_error *err)
{
	int64_t before = -1;
	int code;

	p->err = err;
	p->id = task->id;
	code = ops->envelopes(session, task->key, 0, 1, take_first, p, err);
	if (!code && !p->units)
		code = forged(p, 0, "there is none");
	if (!code)
		code = ops->task(session, NULL, task->key, take_row, p, err);
	for (p->units = 0; !code && p->units != before;) {
		before = p->units;
		code = ops->envelopes(session, task->key, p->units, PAGE, take_unit, p, err);
	}
	if (!code && p->hosts != task->hosts)
		code = forged(p, p->units, "it is missing");
	p->err = NULL;
	return code;
}
