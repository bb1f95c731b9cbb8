/* chain.c - see chain.h. */
#define _GNU_SOURCE
#include "chain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#define HEAD_SIZE 256            /* PATH.chain: one sector, so that it is written whole or not at all */
#define LINE_MAX_SIZE (16 << 20) /* of the last line, as it is read again */
#define PREFIX_SIZE 160          /* what is put before an event */

static void hash_line(const char *line, size_t size, char hash[CHAIN_HASH])
{
	unsigned char raw[32];

	crypto_generichash(raw, sizeof(raw), (const unsigned char *)line, size, NULL, 0);
	sodium_bin2hex(hash, CHAIN_HASH, raw, sizeof(raw));
}

/* ---------------------------------------------------------------------------------- where it is */

/* The last whole line of a file, without its end; NULL: none. The caller's. */
static char *last_line(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *data = NULL, *end, *start;
	struct stat st;
	off_t window = 65536;

	*size = 0;
	if (fd < 0 || fstat(fd, &st) || !st.st_size)
		goto out;
	for (;; window *= 16) {
		off_t from = st.st_size > window ? st.st_size - window : 0;

		free(data);
		data = malloc((size_t)(st.st_size - from));
		if (!data || pread(fd, data, (size_t)(st.st_size - from), from) != st.st_size - from)
			goto failed;
		end = memrchr(data, '\n', (size_t)(st.st_size - from));
		start = end ? memrchr(data, '\n', (size_t)(end - data)) : NULL;
		if (end && (start || !from))
			break;
		if (!from || window > LINE_MAX_SIZE)
			goto failed;
	}
	start = start ? start + 1 : data;
	*size = (size_t)(end - start);
	memmove(data, start, *size);
	goto out;
failed:
	free(data);
	data = NULL;
out:
	if (fd >= 0)
		close(fd);
	return data;
}

static bool place_of_file(const char *path, struct chain_place *place)
{
	size_t size;
	char *line = last_line(path, &size), text[PREFIX_SIZE];
	long long n, seq;
	bool found = false;

	if (line) {
		snprintf(text, sizeof(text), "%.*s", (int)(size < sizeof(text) ? size : sizeof(text) - 1), line);
		found = sscanf(text, "{\"n\":%lld,\"prev\":\"%*64[0-9a-f]\",\"seq\":%lld", &n, &seq) == 2;
		if (found) {
			*place = (struct chain_place){ .n = n, .seq = seq };
			hash_line(line, size, place->hash);
		} else {
			drover_log(DROVER_LOG_ERROR, "the last line of %s is not of a chain", path);
		}
	}
	free(line);
	return found;
}

static bool place_of_head(int fd, struct chain_place *place)
{
	char text[HEAD_SIZE + 1] = "";
	long long n, seq;

	if (fd < 0 || pread(fd, text, HEAD_SIZE, 0) <= 0)
		return false;
	if (sscanf(text, "{\"n\":%lld,\"seq\":%lld,\"hash\":\"%64[0-9a-f]\"}", &n, &seq, place->hash) != 3)
		return false;
	place->n = n;
	place->seq = seq;
	return true;
}

int chain_open(struct chain *chain, const char *path, struct drover_error *err)
{
	struct chain_place written = { 0 }, head = { 0 };
	char name[PATH_MAX];
	bool in_file;

	if (sodium_init() < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot set up libsodium");
	snprintf(name, sizeof(name), "%s.chain", path);
	chain->head = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	if (chain->head < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot open %s: %s", name, strerror(errno));
	in_file = place_of_file(path, &written);
	snprintf(name, sizeof(name), "%s.1", path);
	if (!in_file)
		in_file = place_of_file(name, &written);
	memset(chain->place.hash, '0', CHAIN_HASH - 1);
	if (place_of_head(chain->head, &head) && head.n > written.n) {
		/* The next line shows the gap to whoever verifies; going on from the file would hide it. */
		if (in_file)
			drover_log(DROVER_LOG_ERROR,
				   "%s ends with line %lld, but line %lld was written: its end is missing", path,
				   (long long)written.n, (long long)head.n);
		else
			drover_log(DROVER_LOG_INFO, "%s begins after line %lld, which is in another file", path,
				   (long long)head.n);
		chain->place = head;
	} else if (in_file) {
		chain->place = written;
	}
	return 0;
}

void chain_close(struct chain *chain)
{
	if (chain->head >= 0)
		close(chain->head);
	chain->head = -1;
}

/* ------------------------------------------------------------------------------------- writing */

static size_t add_line(char *to, struct chain_place *place, const struct drover_event *event)
{
	int prefix = sprintf(to, "{\"n\":%lld,\"prev\":\"%s\",", (long long)place->n + 1, place->hash);
	size_t size = (size_t)prefix + event->json_size - 1;

	memcpy(to + prefix, event->json + 1, event->json_size - 1); /* its `{` is there already */
	place->n++;
	place->seq = event->seq;
	hash_line(to, size, place->hash);
	to[size++] = '\n';
	return size;
}

char *chain_lines(struct chain_place *place, const struct drover_event *events, size_t count, size_t *size)
{
	size_t room = 1, skipped = 0;
	char *lines;

	for (size_t i = 0; i < count; i++)
		room += events[i].json_size + PREFIX_SIZE;
	lines = malloc(room);
	*size = 0;
	for (size_t i = 0; lines && i < count; i++) {
		if (events[i].seq > place->seq)
			*size += add_line(lines + *size, place, &events[i]);
		else
			skipped++;
	}
	if (skipped)
		drover_log(DROVER_LOG_INFO, "%zu events were written already, before a restart", skipped);
	return lines;
}

void chain_moved(struct chain *chain, const struct chain_place *place, bool sync)
{
	char text[HEAD_SIZE + 1];
	int size;

	chain->place = *place;
	size = snprintf(text, sizeof(text), "{\"n\":%lld,\"seq\":%lld,\"hash\":\"%s\"}", (long long)place->n,
			(long long)place->seq, place->hash);
	memset(text + size, ' ', (size_t)(HEAD_SIZE - size));
	text[HEAD_SIZE - 1] = '\n';
	/* Not fatal: the file itself says where the chain is. */
	if (pwrite(chain->head, text, HEAD_SIZE, 0) != HEAD_SIZE || (sync && fdatasync(chain->head)))
		drover_log(DROVER_LOG_WARNING, "cannot write where the chain is: %s", strerror(errno));
}
