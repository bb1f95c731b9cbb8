/* doctor_access.c - of `drover doctor`: the configuration, and the files that say or prove who may do what. */
#define _GNU_SOURCE

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drover/error.h>

#include "cli/doctor.h"
#include "cli/field.h"
#include "cli/tokens_file.h"
#include "conf/plan.h"
#include "util/clock.h"

#define SOON_MS (14LL * 24 * 3600 * 1000)

static const char conf_advice[] = "correct it; `drover config check' tells all of it at once";

static void check_mode(struct doctor *doctor, const char *file)
{
	struct stat info;

	if (!stat(file, &info) && info.st_mode & S_IWOTH)
		doctor_say(doctor, DOCTOR_ERROR, "configuration", "chmod o-w it: who writes it owns the daemon",
			   "%s may be written by everybody", file);
}

void doctor_configuration(struct doctor *doctor)
{
	const char *file = doctor->file ? doctor->file : CONF_DEFAULT_FILE;
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct json_object *processes;

	if (!doctor->file && access(file, F_OK) && errno == ENOENT) {
		doctor_say(doctor, DOCTOR_WARNING, "configuration",
			   "where a daemon is to run here, name its configuration with -c", "there is no %s", file);
		return;
	}
	check_mode(doctor, file);
	if (conf_plan(doctor->file, &doctor->plan, &errors)) {
		doctor->plan = NULL;
		for (size_t i = 0; i < errors.count; i++)
			doctor_say(doctor, DOCTOR_ERROR, "configuration", conf_advice, "%s", errors.lines[i]);
		if (errors.more)
			doctor_say(doctor, DOCTOR_ERROR, "configuration", conf_advice, "and %zu more", errors.more);
	} else {
		processes = field(doctor->plan, "processes");
		doctor->slice = field(doctor_core(doctor), "slice");
		doctor_say(doctor, DOCTOR_OK, "configuration", NULL,
			   "%s is right, and what its plugins check by themselves: %zu processes", file,
			   field_count(processes));
	}
	errors_dispose(&errors);
}

/* ---------------------------------------------------------------------------------------- tokens */

static void check_token(struct doctor *doctor, struct json_object *token)
{
	const char *expires = field_text(token, "expires"), *name = field_text(token, "name");
	int64_t left = clock_parse(expires) - clock_utc_ms();

	if (!*expires || left > SOON_MS)
		return;
	if (left <= 0)
		doctor_say(doctor, DOCTOR_WARNING, "tokens", "`drover token revoke' it, and create another",
			   "%s has expired on %s", name, expires);
	else
		doctor_say(doctor, DOCTOR_WARNING, "tokens", "`drover token create' its successor", "%s expires on %s",
			   name, expires);
}

static void check_tokens(struct doctor *doctor, const char *path, uid_t core)
{
	struct drover_error err = { 0 };
	struct tokens_file file;
	struct stat info;
	bool admin = false;

	if (stat(path, &info)) {
		doctor_say(doctor, DOCTOR_ERROR, "tokens", "`drover token create NAME --role admin' makes it",
			   "cannot look at %s: %s", path, strerror(errno));
		return;
	}
	if (info.st_mode & (S_IRWXG | S_IRWXO))
		doctor_say(doctor, DOCTOR_ERROR, "tokens", "chmod 0600 it: the daemon refuses it as it is",
			   "%s is open to others than its owner", path);
	if (info.st_uid != core && info.st_uid)
		doctor_say(doctor, DOCTOR_ERROR, "tokens", "chown it: the daemon refuses it as it is",
			   "%s belongs to user %d, not to %d, which the core runs as, nor to root", path,
			   (int)info.st_uid, (int)core);
	if (tokens_file_open(&file, path, false, &err)) {
		doctor_say(doctor, DOCTOR_ERROR, "tokens", "correct that line; until then nothing in it is taken over",
			   "%s", err.message);
	} else {
		for (size_t i = 0; i < field_count(file.tokens); i++) {
			struct json_object *token = json_object_array_get_idx(file.tokens, i);

			admin = admin || !strcmp(field_text(token, "role"), "admin");
			check_token(doctor, token);
		}
		if (!admin)
			doctor_say(doctor, DOCTOR_WARNING, "tokens",
				   "`drover token create NAME --role admin', if engines are to be drained and "
				   "credentials used",
				   "%s has no token of role admin", path);
		doctor_say(doctor, DOCTOR_OK, "tokens", NULL, "%s: %zu", path, field_count(file.tokens));
	}
	tokens_file_close(&file);
}

/* Of each source that has that option; `fn` gets its value. */
static void each_source(struct doctor *doctor, void (*fn)(struct doctor *doctor, struct json_object *source))
{
	struct json_object *sources = field(doctor->slice, "sources");

	for (size_t i = 0; i < field_count(sources); i++)
		fn(doctor, json_object_array_get_idx(sources, i));
}

static void source_tokens(struct doctor *doctor, struct json_object *source)
{
	const char *path = doctor_option(source, "tokens");
	uid_t uid;

	if (!*path || strcmp(field_text(source, "plugin"), "http"))
		return;
	if (doctor_account(doctor_core(doctor), &uid))
		check_tokens(doctor, path, uid);
}

void doctor_tokens(struct doctor *doctor)
{
	each_source(doctor, source_tokens);
}

/* ------------------------------------------------------------------------------------------ TLS */

static void source_key(struct doctor *doctor, struct json_object *source)
{
	const char *key = field_text(field(field(source, "options"), "tls"), "key");
	struct stat info;

	if (!*key)
		return;
	if (stat(key, &info))
		doctor_say(doctor, DOCTOR_ERROR, "TLS", "put it there, readable for the core's user",
			   "cannot look at the key %s: %s", key, strerror(errno));
	else if (info.st_mode & S_IRWXO)
		doctor_say(doctor, DOCTOR_ERROR, "TLS", "chmod o= it, and consider it known",
			   "the key %s is open to everybody", key);
	else
		doctor_say(doctor, DOCTOR_OK, "TLS", NULL, "the key %s is closed to others", key);
}

void doctor_tls_key(struct doctor *doctor)
{
	each_source(doctor, source_key);
}
