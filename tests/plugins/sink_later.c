/* sink_later.c - a sink that refuses events while the file that `until` names is missing: a full disk, or a
 * peer that is away. Then it appends each event's number as a line to `path`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <drover/sink.h>

struct later {
	char *until;
	char *path;
};

static const struct drover_option options[] = {
	DROVER_OPT_STRING(struct later, until, NULL, "file whose being there ends the refusals",
			  .flags = DROVER_REQUIRED),
	DROVER_OPT_STRING(struct later, path, NULL, "file of what came", .flags = DROVER_REQUIRED), DROVER_OPT_END
};

static int write_later(void *self, const struct drover_event *events, size_t count, struct drover_error *err)
{
	const struct later *later = self;
	FILE *file;

	if (access(later->until, F_OK))
		return drover_error_set(err, DROVER_ERETRY, "not before %s is there", later->until);
	file = fopen(later->path, "ae");
	if (!file)
		return drover_error_set(err, DROVER_EFAULT, "cannot open %s: %s", later->path, strerror(errno));
	for (size_t i = 0; i < count; i++)
		fprintf(file, "%lld\n", (long long)events[i].seq);
	fclose(file);
	return 0;
}

DROVER_SINK(.name = "sink_later", .version = "1.0.0", .summary = "takes events later",
	    .self_size = sizeof(struct later), .options = options, .write = write_later);
