/* audit_chain.c - see audit_chain.h. */
#define _GNU_SOURCE /* getline */
#include "cli/audit_chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drover/error.h>
#include <sodium.h>

#include "util/buf.h"

#define ROTATED_MAX 1000 /* as many as the file sink can keep */

struct walk {
	struct audit_report *report;
	int64_t noted; /* a line's number, 0: none is asked about */
	char noted_hash[AUDIT_HASH];
};

static int broken(struct drover_error *err, const char *path, int64_t line, const char *what)
{
	return drover_error_set(err, DROVER_EINVALID, "%s:%lld: %s", path, (long long)line, what);
}

static int take_line(struct walk *w, const char *path, int64_t number, const char *line, size_t size,
		     struct drover_error *err)
{
	struct audit_report *r = w->report;
	unsigned char raw[crypto_generichash_BYTES];
	char prev[AUDIT_HASH];
	long long n;
	int used = 0;

	if (memchr(line, '\0', size) || sscanf(line, "{\"n\":%lld,\"prev\":\"%64[0-9a-f]\",%n", &n, prev, &used) != 2 ||
	    !used || strlen(prev) != AUDIT_HASH - 1 || n < 1)
		return broken(err, path, number, "this is no line of a chain");
	if (r->last && n != r->last + 1)
		return drover_error_set(err, DROVER_EINVALID, "%s:%lld: line %lld of the chain comes after line %lld",
					path, (long long)number, n, (long long)r->last);
	if (r->last && strcmp(prev, r->last_hash))
		return broken(err, path, number, "the line before it is not the one that was written before it");
	if (n == 1 && strspn(prev, "0") != AUDIT_HASH - 1)
		return broken(err, path, number, "the chain's first line names a line before it");
	crypto_generichash(raw, sizeof(raw), (const unsigned char *)line, size, NULL, 0);
	sodium_bin2hex(r->last_hash, sizeof(r->last_hash), raw, sizeof(raw));
	r->first = r->first ? r->first : n;
	r->last = n;
	r->lines++;
	if (n == w->noted && strcmp(r->last_hash, w->noted_hash))
		return broken(err, path, number, "this line had another hash when it was noted");
	r->noted = r->noted || n == w->noted;
	return 0;
}

static int take_file(struct walk *w, const char *path, struct drover_error *err)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int64_t number = 0;
	ssize_t size;
	int code = 0;

	if (!file)
		return drover_error_set(err, DROVER_EFAULT, "cannot read %s: %s", path, strerror(errno));
	w->report->files++;
	while (!code && (size = getline(&line, &room, file)) > 0) {
		number++;
		if (line[size - 1] != '\n') {
			code = broken(err, path, number, "the line has no end: it is being written, or was cut");
			break;
		}
		line[size - 1] = '\0';
		code = take_line(w, path, number, line, (size_t)size - 1, err);
	}
	if (!code && ferror(file))
		code = drover_error_set(err, DROVER_EFAULT, "cannot read %s: %s", path, strerror(errno));
	free(line);
	fclose(file);
	return code;
}

/* PATH.chain, which the sink writes after the lines, so it can be behind by what was being written, but never ahead. */
static int check_head(const struct walk *w, const char *path, struct drover_error *err)
{
	struct buf name = BUF_INIT;
	char hash[AUDIT_HASH] = "";
	long long n = 0;
	FILE *file;
	int code = 0;

	buf_printf(&name, "%s.chain", path);
	file = fopen(name.data, "re");
	if (file && fscanf(file, "{\"n\":%lld,\"seq\":%*d,\"hash\":\"%64[0-9a-f]\"}", &n, hash) == 2) {
		if (n > w->report->last)
			code = drover_error_set(
				err, DROVER_EINVALID,
				"%s: the end is missing: line %lld was written, the last one here is %lld", path, n,
				(long long)w->report->last);
		else if (n == w->report->last && strcmp(hash, w->report->last_hash))
			code = drover_error_set(err, DROVER_EINVALID, "%s: line %lld was another when it was written",
						path, n);
	}
	if (file)
		fclose(file);
	buf_dispose(&name);
	return code;
}

static int read_note(struct walk *w, const char *note, struct drover_error *err)
{
	long long n;

	if (!note)
		return 0;
	if (sscanf(note, "%lld:%64[0-9a-f]", &n, w->noted_hash) != 2 || n < 1 ||
	    strlen(w->noted_hash) != AUDIT_HASH - 1)
		return drover_error_set(err, DROVER_EINVALID,
					"\"%s\" is no N:HASH of a line, as an earlier verification printed it", note);
	w->noted = n;
	return 0;
}

int audit_verify(const char *path, const char *note, struct audit_report *report, struct drover_error *err)
{
	struct walk w = { .report = report };
	struct buf name = BUF_INIT;
	int code;

	*report = (struct audit_report){ 0 };
	if (sodium_init() < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot set up libsodium");
	code = read_note(&w, note, err);
	for (int i = ROTATED_MAX; i > 0 && !code; i--) {
		name.size = 0;
		buf_printf(&name, "%s.%d", path, i);
		if (!access(name.data, F_OK))
			code = take_file(&w, name.data, err);
	}
	if (!code)
		code = take_file(&w, path, err);
	if (!code)
		code = check_head(&w, path, err);
	if (!code && w.noted && !report->noted)
		code = drover_error_set(err, DROVER_EINVALID, "%s: line %lld is not here", path, (long long)w.noted);
	buf_dispose(&name);
	return code;
}
