/* tokens_file.c - see tokens_file.h. */
#include "cli/tokens_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drover/error.h>
#include <sodium.h>

#include "task/json.h"
#include "util/buf.h"
#include "util/clock.h"

#define FILE_MAX (16 << 20)
#define ID_SIZE 10
#define SECRET_BYTES 32

/* ------------------------------------------------------------------------------------- reading */

static int add_line(struct tokens_file *file, int number, const char *line, size_t size, struct drover_error *err)
{
	struct drover_error why = { 0 };
	struct json_object *token = NULL;

	if (json_read(line, size, &token, &why) || !json_object_is_type(token, json_type_object)) {
		json_object_put(token);
		return drover_error_set(err, DROVER_EINVALID, "%s:%d: this is no token%s%s", file->path, number,
					*why.message ? ": " : "", why.message);
	}
	json_object_array_add(file->tokens, token);
	return 0;
}

static int parse(struct tokens_file *file, const struct buf *data, struct drover_error *err)
{
	int number = 1, code = 0;

	for (size_t at = 0; at < data->size && !code; number++) {
		const char *end = memchr(data->data + at, '\n', data->size - at);
		size_t size = end ? (size_t)(end - data->data) - at : data->size - at;

		if (size)
			code = add_line(file, number, data->data + at, size, err);
		at += size + 1;
	}
	return code;
}

static int read_all(struct tokens_file *file, bool may_be_missing, struct drover_error *err)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY), code = 0;
	struct buf data = BUF_INIT;
	char bytes[16384];
	ssize_t n = 1;

	if (fd < 0 && errno == ENOENT && may_be_missing)
		return 0;
	if (fd < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot read %s: %s", file->path, strerror(errno));
	while (n > 0 && data.size <= FILE_MAX) {
		n = read(fd, bytes, sizeof(bytes));
		if (n > 0)
			buf_append(&data, bytes, (size_t)n);
	}
	if (n)
		code = drover_error_set(err, DROVER_EFAULT, "cannot read %s: %s", file->path,
					n < 0 ? strerror(errno) : "it is too large");
	close(fd);
	if (!code)
		code = parse(file, &data, err);
	buf_dispose(&data);
	return code;
}

/* A file of its own: the other is replaced by each edit. */
static int take_lock(struct tokens_file *file, struct drover_error *err)
{
	struct buf path = BUF_INIT;
	int code = 0;

	buf_printf(&path, "%s.lock", file->path);
	file->lock = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
	while (file->lock >= 0 && (code = flock(file->lock, LOCK_EX)) && errno == EINTR)
		;
	if (file->lock < 0 || code)
		code = drover_error_set(err, DROVER_EFAULT, "cannot lock %s: %s", path.data, strerror(errno));
	buf_dispose(&path);
	return code;
}

int tokens_file_open(struct tokens_file *file, const char *path, bool edit, struct drover_error *err)
{
	int code = 0;

	*file = (struct tokens_file){ .path = path, .tokens = json_object_new_array(), .lock = -1 };
	if (sodium_init() < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot set up libsodium");
	if (edit)
		code = take_lock(file, err);
	return code ? code : read_all(file, edit, err);
}

void tokens_file_close(struct tokens_file *file)
{
	json_object_put(file->tokens);
	if (file->lock >= 0)
		close(file->lock);
	*file = (struct tokens_file){ .lock = -1 };
}

/* ------------------------------------------------------------------------------------- writing */

static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct buf folder = BUF_INIT;
	int fd, bad;

	if (slash)
		buf_append(&folder, path, (size_t)(slash - path) + 1);
	else
		buf_string(&folder, ".");
	fd = open(folder.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bad = fd < 0 || fsync(fd);
	if (fd >= 0)
		close(fd);
	buf_dispose(&folder);
	return bad;
}

/* The daemon reads it as its own user: who owned the file before goes on to. */
static int write_new(const struct tokens_file *file, const char *path)
{
	struct buf lines = BUF_INIT;
	struct stat st;
	int fd, bad;

	for (size_t i = 0; i < json_object_array_length(file->tokens); i++)
		buf_printf(&lines, "%s\n",
			   json_object_to_json_string_ext(json_object_array_get_idx(file->tokens, i),
							  JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		buf_dispose(&lines);
		return -1;
	}
	bad = !stat(file->path, &st) && st.st_uid != geteuid() && fchown(fd, st.st_uid, st.st_gid);
	for (size_t done = 0; !bad && done < lines.size;) {
		ssize_t n = write(fd, lines.data + done, lines.size - done);

		bad = n <= 0;
		done += bad ? 0 : (size_t)n;
	}
	bad = bad || fsync(fd);
	buf_dispose(&lines);
	return close(fd) || bad ? -1 : 0;
}

int tokens_file_save(struct tokens_file *file, struct drover_error *err)
{
	struct buf path = BUF_INIT;
	int code = 0;

	buf_printf(&path, "%s.new", file->path);
	if (write_new(file, path.data) || rename(path.data, file->path) || sync_folder(file->path)) {
		code = drover_error_set(err, DROVER_EFAULT, "cannot write %s: %s", file->path, strerror(errno));
		unlink(path.data);
	}
	buf_dispose(&path);
	return code;
}

/* -------------------------------------------------------------------------------------- tokens */

int tokens_file_find(const struct tokens_file *file, const char *word)
{
	for (size_t i = 0; i < json_object_array_length(file->tokens); i++) {
		struct json_object *token = json_object_array_get_idx(file->tokens, i);
		const char *name = json_object_get_string(json_object_object_get(token, "name"));
		const char *id = json_object_get_string(json_object_object_get(token, "id"));

		if ((name && !strcmp(name, word)) || (id && !strcmp(id, word)))
			return (int)i;
	}
	return -1;
}

static struct json_object *time_or_null(int64_t utc_ms)
{
	char text[32];

	return utc_ms ? json_object_new_string(clock_format(utc_ms, text, sizeof(text))) : NULL;
}

struct json_object *tokens_file_make(const char *name, const char *role, const char *hosts, int64_t expires,
				     char text[TOKEN_TEXT_SIZE])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char secret[SECRET_BYTES], hash[crypto_generichash_BYTES];
	char id[ID_SIZE + 1] = "", secret_text[64], hash_text[2 * sizeof(hash) + 1];
	struct json_object *token = json_object_new_object();

	for (int i = 0; i < ID_SIZE; i++)
		id[i] = letters[randombytes_uniform(sizeof(letters) - 1)];
	randombytes_buf(secret, sizeof(secret));
	sodium_bin2base64(secret_text, sizeof(secret_text), secret, sizeof(secret),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	snprintf(text, TOKEN_TEXT_SIZE, "drover_%s_%s", id, secret_text);
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, strlen(text), NULL, 0);
	sodium_bin2hex(hash_text, sizeof(hash_text), hash, sizeof(hash));
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(secret_text, sizeof(secret_text));
	json_object_object_add(token, "id", json_object_new_string(id));
	json_object_object_add(token, "name", json_object_new_string(name));
	json_object_object_add(token, "role", json_object_new_string(role));
	json_object_object_add(token, "hosts", hosts ? json_object_new_string(hosts) : NULL);
	json_object_object_add(token, "created", time_or_null(clock_utc_ms()));
	json_object_object_add(token, "expires", time_or_null(expires));
	json_object_object_add(token, "hash", json_object_new_string(hash_text));
	return token;
}
