/* doctor_spools.c - of `drover doctor`: what the store and sinks have not taken yet, and the chains of audit logs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drover/error.h>

#include "cli/audit_chain.h"
#include "cli/doctor.h"
#include "cli/field.h"
#include "sched/results_file.h"
#include "sched/results_spool.h"
#include "spool/spool.h"

#define MB (1024LL * 1024)
#define BEHIND 4 /* a spool that is filled by more than this share of its limit is behind */

/* The spools are folders of this machine, whether the daemon runs or not. */
static void check_spool(struct doctor *doctor, struct json_object *process)
{
	static const char advice[] =
		"see what keeps the sink: `drover engines' and the log (\"kept back\", \"hung in\")";
	struct json_object *slice = field(process, "slice");
	const char *name = field_text(process, "name"), *folder = field_text(field(doctor->slice, "node"), "state_dir");
	int64_t limit = field_int(slice, "spool_limit", 0), size = 0;

	for (int audit = 0; audit < 2; audit++) {
		char *path = spool_folder(folder, name, audit);

		size += spool_bytes(path);
		free(path);
	}
	if (limit && size >= limit / BEHIND)
		doctor_say(doctor, size >= limit - limit / 20 ? DOCTOR_ERROR : DOCTOR_WARNING, "sink", advice,
			   "%s is behind: %lld KB wait in its spool, of %lld KB", name, (long long)size / 1024,
			   (long long)limit / 1024);
	else
		doctor_say(doctor, DOCTOR_OK, "sink", NULL, "%s: %lld KB in its spool, of %lld KB", name,
			   (long long)size / 1024, (long long)limit / 1024);
}

/* What the store has not taken yet, and what it never took. */
static void check_results(struct doctor *doctor)
{
	struct json_object *slice = field(doctor_core(doctor), "slice");
	const char *state = field_text(field(slice, "node"), "state_dir");
	int64_t limit = field_int(field(slice, "limits"), "results_spool", 0);
	char *folder = results_spool_folder(state);
	struct results_usage usage;
	struct drover_error err = { 0 };

	if (results_file_usage(folder, &usage, &err))
		doctor_say(doctor, DOCTOR_WARNING, "results", "run this as the user that starts droverd", "%s",
			   err.message);
	else if (limit && usage.bytes >= limit / BEHIND)
		doctor_say(doctor, usage.bytes >= limit - limit / 20 ? DOCTOR_ERROR : DOCTOR_WARNING, "results",
			   "see what keeps the store from taking them: the log; when the limit is reached no unit is "
			   "claimed",
			   "%lld KB wait in %s for the store, of %lld KB", (long long)usage.bytes / 1024, folder,
			   (long long)limit / 1024);
	else
		doctor_say(doctor, DOCTOR_OK, "results", NULL, "%lld KB wait in %s for the store, of %lld KB",
			   (long long)usage.bytes / 1024, folder, (long long)limit / 1024);
	if (!err.code && usage.unusable_files)
		doctor_say(doctor, DOCTOR_WARNING, "results",
			   "the log says why; their hosts ended without them. Move them away when nobody needs them",
			   "%lld files of results (%lld KB) in %s could not be stored: *.unusable",
			   (long long)usage.unusable_files, (long long)usage.unusable_bytes / 1024, folder);
	free(folder);
}

void doctor_spools(struct doctor *doctor)
{
	if (doctor_core(doctor))
		check_results(doctor);
	doctor_each(doctor, "sink", check_spool);
}

static bool is_yes(const char *text)
{
	return !strcmp(text, "true") || !strcmp(text, "yes") || !strcmp(text, "on");
}

static void check_chain(struct doctor *doctor, struct json_object *process)
{
	struct json_object *slice = field(process, "slice");
	const char *path = doctor_option(slice, "path");
	struct drover_error err = { 0 };
	struct audit_report report;

	if (strcmp(field_text(slice, "plugin"), "file") || !is_yes(doctor_option(slice, "chain")))
		return;
	if (access(path, F_OK))
		doctor_say(doctor, DOCTOR_OK, "audit log", NULL, "%s has no line yet", path);
	else if (audit_verify(path, NULL, &report, &err))
		doctor_say(doctor, DOCTOR_ERROR, "audit log",
			   err.code == DROVER_EINVALID ? "find out who could write there; keep the files as they are"
						       : "run this as the user that starts droverd",
			   "%s", err.message);
	else
		doctor_say(doctor, DOCTOR_OK, "audit log", NULL, "%s is whole: lines %lld to %lld", path,
			   (long long)report.first, (long long)report.last);
}

void doctor_audit(struct doctor *doctor)
{
	doctor_each(doctor, "sink", check_chain);
}
