/*
 * plugin.c - sqlite: the embedded store, one SQLite database in a file of this machine.
 *
 * It writes with a write-ahead log and syncs at each commit, so what was committed survives a power
 * failure. Only one core opens the file; other connections of that core read beside its writer.
 */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "sqlstore/operations.h"

static const struct drover_option options[] = {
	DROVER_OPT_STRING(struct sqlite, path, NULL,
			  "the database file; drover.db in the state folder where it is absent"),
	DROVER_OPT_SIZE(struct sqlite, cache_size, "16M", "1M", "4G",
			"memory for database pages of the writer; each reader has an eighth of it"),
	DROVER_OPT_DURATION(struct sqlite, busy_timeout, "5s", "0s", "1h",
			    "how long to wait for another process that holds the database"),
	DROVER_OPT_END
};

static int check(const void *self, struct drover_error *err)
{
	const struct sqlite *store = self;

	if (!store->path || !*store->path)
		return drover_error_set(err, DROVER_EINVALID, "path is missing");
	return 0;
}

/*
 * The file must be there before a session opens it, since SQLite would make it as the umask says; its
 * log and index get the same mode. Never later: closing a file drops this process's locks on it.
 */
static int open_store(void *self, struct drover_error *err)
{
	const struct sqlite *store = self;
	struct stat status;
	int code = 0;
	int fd;

	if (sodium_init() < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot start libsodium");
	fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return drover_error_set(err, errno == ENOSPC ? DROVER_ERETRY : DROVER_EFAULT,
					"cannot open the store %s: %s", store->path, strerror(errno));
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		code = drover_error_set(err, DROVER_EINVALID, "%s is not a file", store->path);
	else if ((status.st_mode & 077) && fchmod(fd, 0600) < 0)
		code = drover_error_set(err, DROVER_EDENIED, "%s is open to other users: %s", store->path,
					strerror(errno));
	close(fd);
	return code;
}

static const struct drover_store_ops operations = { SQLSTORE_OPERATIONS, .shared = false };

DROVER_SINK(.name = "sqlite", .version = "1.0", .summary = "the embedded store, in one file",
	    .self_size = sizeof(struct sqlite), .options = options, .check = check, .open = open_store,
	    .store = &operations);
