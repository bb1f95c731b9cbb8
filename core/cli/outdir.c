/* outdir.c - see outdir.h. */
#include "cli/outdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/cli.h"
#include "cli/field.h"
#include "cli/rows.h"

#define HASH_BYTES 16

/* Is there anything in it? -1: it cannot be read. */
static int is_empty(int fd)
{
	int copy = dup(fd);
	DIR *folder = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	int empty = 1;

	if (!folder)
		return -1;
	while ((entry = readdir(folder)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			empty = 0;
	closedir(folder);
	return empty;
}

int outdir_open(struct outdir *outdir, const char *path)
{
	*outdir = (struct outdir){ .path = path, .fd = -1 };
	if (!path)
		return CLI_OK;
	if (mkdir(path, 0777) && errno != EEXIST) {
		cli_say("--outdir: cannot make the folder %s: %s", path, strerror(errno));
		return CLI_ERROR;
	}
	outdir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	switch (outdir->fd < 0 ? -1 : is_empty(outdir->fd)) {
	case -1:
		cli_say("--outdir: cannot read the folder %s: %s", path, strerror(errno));
		break;
	case 0:
		cli_say("--outdir: %s is not empty: files of another run would be among the new ones; name a new "
			"folder, or empty this one",
			path);
		break;
	default:
		return CLI_OK;
	}
	outdir_close(outdir);
	return CLI_ERROR;
}

void outdir_close(struct outdir *outdir)
{
	if (outdir->path && outdir->fd >= 0)
		close(outdir->fd);
	*outdir = (struct outdir){ .fd = -1 };
}

/* Writes as much of the host as fits into `size`; is that all of it? */
static bool write_name(const char *host, char *name, size_t size)
{
	size_t at = 0;

	for (; *host; host++) {
		unsigned char c = (unsigned char)*host;
		bool usual = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == ':' ||
			     (c == '.' && at);
		size_t length = usual ? 1 : 3;

		if (at + length >= size)
			break;
		at += (size_t)snprintf(name + at, size - at, usual ? "%c" : "%%%02x", c);
	}
	name[at] = '\0';
	return !*host;
}

void outdir_name(const char *host, const char *suffix, char name[OUTDIR_NAME_SIZE])
{
	unsigned char hash[HASH_BYTES];
	char hex[2 * HASH_BYTES + 1];
	size_t room = OUTDIR_NAME_SIZE - strlen(suffix);

	if (write_name(host, name, room)) {
		strcat(name, suffix);
		return;
	}
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)host, strlen(host), NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	write_name(host, name, room - sizeof(hex));
	strcat(name, "~");
	strcat(name, hex);
	strcat(name, suffix);
}

static int write_file(const struct outdir *outdir, const char *host, const char *suffix, const struct buf *bytes)
{
	char name[OUTDIR_NAME_SIZE];
	FILE *file;
	int fd;

	outdir_name(host, suffix, name);
	fd = openat(outdir->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file || fwrite(bytes->data, 1, bytes->size, file) != bytes->size || fflush(file)) {
		cli_say("--outdir: cannot write %s/%s: %s", outdir->path, name, strerror(errno));
		if (file)
			fclose(file);
		return CLI_ERROR;
	}
	fclose(file);
	return CLI_OK;
}

int outdir_write(const struct outdir *outdir, struct json_object *row)
{
	static const char *const streams[] = { "stdout", "stderr" };
	int code = CLI_OK;

	for (int i = 0; i < 2 && !code; i++) {
		struct buf bytes = rows_bytes(row, streams[i]);
		char suffix[16];

		snprintf(suffix, sizeof(suffix), ".%s", streams[i]);
		code = write_file(outdir, field_text(row, "host"), suffix, &bytes);
		buf_dispose(&bytes);
	}
	return code;
}
