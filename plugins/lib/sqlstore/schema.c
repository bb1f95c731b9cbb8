/*
 * schema.c - the database's tables come about by an ordered list of steps that each version adds to.
 *
 * A step is never changed after it was released: what comes later is a new step.
 */
#include "sqlstore.h"

static const char sql_version[] = "SELECT max(version) FROM schema_version";
static const char sql_applied[] = "INSERT INTO schema_version (version, applied_at) VALUES (?1, ?2)";

static int refuse_newer(struct drover_session *s, int64_t version, struct drover_error *err)
{
	return drover_error_set(err, DROVER_EINVALID,
				"%s has schema version %lld, newer than this program's %d: it was written by a newer "
				"Drover; use that one, or another path",
				driver_name(s), (long long)version, schema.newest);
}

int schema_migrate(struct drover_session *s, struct drover_error *err)
{
	int64_t version, others;
	int code;

	code = session_number(s, schema.known, 0, &version, err);
	if (!code && !version) {
		code = session_number(s, schema.foreign, 0, &others, err);
		if (!code && others)
			return drover_error_set(err, DROVER_EINVALID, "%s is a database of something else",
						driver_name(s));
		if (!code)
			code = driver_script(s, schema.table, err);
	}
	if (!code)
		code = session_number(s, sql_version, 0, &version, err);
	if (!code && version > schema.newest)
		code = refuse_newer(s, version, err);
	for (; !code && version < schema.newest; version++) {
		code = driver_script(s, schema.steps[version], err);
		if (!code)
			code = session_run(s, sql_applied, NULL, err, version + 1, driver_now(s));
	}
	return code;
}

int schema_version(struct drover_session *s, int64_t *version, struct drover_error *err)
{
	int code = session_number(s, schema.known, 0, version, err);

	if (!code && !*version)
		return drover_error_set(err, DROVER_EINVALID, "%s is a database of something else", driver_name(s));
	return code ? code : session_number(s, sql_version, 0, version, err);
}

int schema_check(struct drover_session *s, struct drover_error *err)
{
	int64_t version;
	int code = session_number(s, schema.known, 0, &version, err);

	if (!code && version)
		code = session_number(s, sql_version, 0, &version, err);
	if (!code && version > schema.newest)
		return refuse_newer(s, version, err);
	if (!code && version < schema.newest)
		return drover_error_set(err, DROVER_EINVALID, "%s has no schema yet: a writing session makes it",
					driver_name(s));
	return code;
}
