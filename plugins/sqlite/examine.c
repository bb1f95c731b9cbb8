/* examine.c - a look at a database that no core has open, without a change to it: for `drover doctor`. */
#include "sqlite.h"

#include <errno.h>
#include <sys/stat.h>

static void tell(drover_finding_fn *fn, void *context, enum drover_finding finding, const char *advice,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void tell(drover_finding_fn *fn, void *context, enum drover_finding finding, const char *advice,
		 const char *format, ...)
{
	char why[512];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	fn(context, finding, why, advice);
}

/* `immutable`: SQLite makes neither log nor index beside the file. So it must have no log of its own. */
static int open_unchanged(struct drover_session *s, struct drover_error *err)
{
	static const char digits[] = "0123456789ABCDEF";
	char *uri = malloc(3 * strlen(s->driver->store->path) + sizeof("file:?immutable=1")), *to = uri;
	int rc;

	if (!uri)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	to += sprintf(to, "file:");
	for (const char *from = s->driver->store->path; *from; from++) {
		unsigned char c = (unsigned char)*from;

		if (strchr("%?#", c))
			to += sprintf(to, "%%%c%c", digits[c >> 4], digits[c & 15]);
		else
			*to++ = *from;
	}
	strcpy(to, "?immutable=1");
	rc = sqlite3_open_v2(uri, &s->driver->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	free(uri);
	return rc == SQLITE_OK ? 0 : sqlite_fail(s->driver, rc, "open the store", err);
}

/* The first thing that is wrong, or "ok". */
static int quick_check(struct drover_session *s, char *found, size_t size, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = sql_prepare(s, "PRAGMA quick_check(1)", SQL_ONCE, &stmt, err);

	if (code)
		return code;
	code = sql_step(s, stmt, err);
	snprintf(found, size, "%s", code > 0 ? sql_text(stmt, 0) : "ok");
	sql_finalize(stmt);
	return code < 0 ? code : 0;
}

static void look(struct drover_session *s, off_t size, drover_finding_fn *fn, void *context)
{
	static const char restore[] = "stop droverd, keep the file, and put a backup in its place";
	const char *path = s->driver->store->path;
	struct drover_error err = { 0 };
	char found[256];
	int64_t version, newest = schema.newest;
	bool usable;

	if (open_unchanged(s, &err) || quick_check(s, found, sizeof(found), &err)) {
		tell(fn, context, DROVER_FINDING_BAD, restore, "%s", err.message);
		return;
	}
	if (strcmp(found, "ok")) {
		tell(fn, context, DROVER_FINDING_BAD, restore, "%s is damaged: %s", path, found);
		return;
	}
	if (schema_version(s, &version, &usable, &err))
		tell(fn, context, DROVER_FINDING_BAD, "let `store.path` name another file", "%s", err.message);
	else if (!usable)
		tell(fn, context, DROVER_FINDING_BAD, "use the newer Drover that wrote it, or another path",
		     "%s has schema version %lld, newer than this program's %lld", path, (long long)version,
		     (long long)newest);
	else
		tell(fn, context, DROVER_FINDING_FINE, NULL, "%s is sound: schema version %lld%s, %lld KB", path,
		     (long long)version, version < newest ? " (the next start brings it up to date)" : "",
		     (long long)size / 1024);
}

int driver_examine(void *self, drover_finding_fn *fn, void *context, struct drover_error *err)
{
	struct drover_session *s = calloc(1, sizeof(*s));
	struct stat file, log;
	char wal[4096];

	if (s)
		s->driver = calloc(1, sizeof(*s->driver));
	if (!s || !s->driver) {
		free(s);
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	}
	s->store = self;
	s->driver->store = self;
	s->mode = DROVER_SESSION_READ;
	snprintf(wal, sizeof(wal), "%s-wal", s->driver->store->path);
	if (stat(s->driver->store->path, &file))
		tell(fn, context, errno == ENOENT ? DROVER_FINDING_FINE : DROVER_FINDING_BAD,
		     errno == ENOENT ? NULL : "look at it as the user that droverd runs as",
		     errno == ENOENT ? "%s is not there yet: the first start makes it" : "%s cannot be looked at: %m",
		     s->driver->store->path);
	else if (!stat(wal, &log) && log.st_size)
		tell(fn, context, DROVER_FINDING_FINE, NULL,
		     "%s was not closed in order, as after a kill: the next start takes over what %s has, and was not "
		     "looked into",
		     s->driver->store->path, wal);
	else
		look(s, file.st_size, fn, context);
	session_close(s);
	return 0;
}
