/*
 * schema.c - the database's tables come about by an ordered list of steps that each version adds to.
 *
 * A step is never changed after it was released: what comes later is a new step.
 *
 * Nodes of two versions share a store while they are replaced one by one. The newer one brings the schema up to
 * date, and says with each step which programs may go on with it.
 */
#include "sqlstore.h"

static const char sql_version[] = "SELECT max(version) FROM schema_version";
static const char sql_oldest[] = "SELECT max(oldest) FROM schema_version";
static const char sql_applied[] = "INSERT INTO schema_version (version, applied_at) VALUES (?1, ?2)";
static const char sql_applied_for[] = "INSERT INTO schema_version (version, applied_at, oldest) VALUES (?1, ?2, ?3)";

/* A newer version may be one that this program can work with. */
static int check_newer(struct drover_session *s, int64_t version, struct drover_error *err)
{
	int64_t oldest;
	int code;

	if (version <= schema.newest)
		return 0;
	code = session_number(s, sql_oldest, 0, &oldest, err);
	if (code || oldest <= schema.newest)
		return code;
	return drover_error_set(err, DROVER_EINVALID,
				"%s has schema version %lld, newer than this program's %d: it was written by a newer "
				"Drover; use that one, or another path",
				driver_name(s), (long long)version, schema.newest);
}

static int apply_step(struct drover_session *s, int version, struct drover_error *err)
{
	const struct schema_step *step = &schema.steps[version - 1];
	int code = driver_script(s, step->sql, err);

	if (code)
		return code;
	if (version < schema.tells_oldest)
		return session_run(s, sql_applied, NULL, err, version, driver_now(s));
	return session_run(s, sql_applied_for, NULL, err, version, driver_now(s), step->oldest);
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
	if (!code)
		code = check_newer(s, version, err);
	for (; !code && version < schema.newest; version++)
		code = apply_step(s, (int)version + 1, err);
	return code;
}

int schema_version(struct drover_session *s, int64_t *version, bool *usable, struct drover_error *err)
{
	int code = session_number(s, schema.known, 0, version, err);

	if (!code && !*version)
		return drover_error_set(err, DROVER_EINVALID, "%s is a database of something else", driver_name(s));
	if (!code)
		code = session_number(s, sql_version, 0, version, err);
	if (!code)
		*usable = !check_newer(s, *version, NULL);
	return code;
}

int schema_check(struct drover_session *s, struct drover_error *err)
{
	int64_t version;
	int code = session_number(s, schema.known, 0, &version, err);

	if (!code && version)
		code = session_number(s, sql_version, 0, &version, err);
	if (!code)
		code = check_newer(s, version, err);
	if (!code && version < schema.newest)
		return drover_error_set(err, DROVER_EINVALID, "%s has no schema yet: a writing session makes it",
					driver_name(s));
	return code;
}
