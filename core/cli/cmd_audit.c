/* cmd_audit.c - `drover audit verify`: is the audit log what was written? Needs no daemon. */
#include <string.h>

#include <json-c/json.h>

#include <drover/error.h>

#include "cli/audit_chain.h"
#include "cli/cli.h"

struct audit_args {
	const char *verb, *file, *note;
};

enum { OPT_AT = 0x100 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct audit_args *args = state->input;

	switch (key) {
	case OPT_AT:
		return args->note = arg, 0;
	case ARGP_KEY_ARG:
		if (args->file)
			argp_error(state, "\"%s\" is too much", arg);
		if (args->verb)
			return args->file = arg, 0;
		if (strcmp(arg, "verify"))
			argp_error(state, "\"%s\" is not verify", arg);
		return args->verb = arg, 0;
	case ARGP_KEY_END:
		if (!args->file)
			argp_error(state, "verify which file? It is the `path' of a sink with `chain: true'");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_json(const struct audit_report *report, const struct drover_error *err)
{
	struct json_object *out = json_object_new_object();

	json_object_object_add(out, "ok", json_object_new_boolean(!err->code));
	json_object_object_add(out, "error", err->code ? json_object_new_string(err->message) : NULL);
	json_object_object_add(out, "files", json_object_new_int(report->files));
	json_object_object_add(out, "lines", json_object_new_int64(report->lines));
	json_object_object_add(out, "first", json_object_new_int64(report->first));
	json_object_object_add(out, "last", json_object_new_int64(report->last));
	json_object_object_add(out, "hash", json_object_new_string(report->last_hash));
	puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(out);
}

static const struct argp_option options[] = {
	{ "at", OPT_AT, "N:HASH", 0, "Line N must be there, with this hash, which was noted earlier", 0 },
	{ 0 },
};

const struct argp cmd_audit_argp = { options,
				     parse,
				     "verify FILE",
				     "Verifies that no line of an audit log was changed, removed or inserted: that "
				     "each names the one before it. Also reads FILE.1 and so on."
				     "\vExample: drover audit verify /var/log/drover/audit.jsonl",
				     NULL,
				     NULL,
				     NULL };

int cmd_audit(struct cli *cli, int argc, char **argv)
{
	struct audit_args args = { 0 };
	struct audit_report report;
	struct drover_error err = { 0 };

	cli_parse(cli, "audit", &cmd_audit_argp, 0, argc, argv, &args);
	audit_verify(args.file, args.note, &report, &err);
	if (cli->json)
		print_json(&report, &err);
	else if (err.code)
		cli_say("%s", err.message);
	else if (!report.lines)
		puts("no line yet");
	else
		printf("lines %lld to %lld in %d file%s follow each other; the last is %lld:%s\n",
		       (long long)report.first, (long long)report.last, report.files, report.files == 1 ? "" : "s",
		       (long long)report.last, report.last_hash);
	return err.code ? CLI_ERROR : CLI_OK;
}
