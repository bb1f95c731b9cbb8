/* cmd_doctor.c - `drover doctor`: what a machine with a daemon needs, checked one by one. */
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <drover/error.h>

#include "cli/doctor.h"
#include "cli/field.h"
#include "cli/term.h"
#include "conf/plan.h"
#include "conf/value.h"
#include "conf/wipe.h"

static void (*const checks[])(struct doctor *doctor) = {
	doctor_configuration, doctor_tokens, doctor_tls_key,   doctor_state,  doctor_store,
	doctor_daemon,        doctor_engine, doctor_executors, doctor_spools, doctor_isolation,
	doctor_descriptors,   doctor_clock,  doctor_ssh,       doctor_audit,  doctor_brokers,
};

/* With --create-topic. */
static void (*const makers[])(struct doctor *doctor) = { doctor_configuration, doctor_brokers };

#define OPT_CREATE 256
#define OPT_PARTITIONS 257
#define OPT_REPLICATION 258

static const char *const levels[] = { "ok", "warning", "error" };

void doctor_say(struct doctor *doctor, enum doctor_level level, const char *what, const char *advice, const char *why,
		...)
{
	static const char *const colors[] = { "ok", "running", "failed" };
	struct json_object *check = json_object_new_object();
	struct buf text = BUF_INIT;
	va_list args;

	va_start(args, why);
	buf_vprintf(&text, why, args);
	va_end(args);
	doctor->errors += level == DOCTOR_ERROR;
	json_object_object_add(check, "level", json_object_new_string(levels[level]));
	json_object_object_add(check, "what", json_object_new_string(what));
	json_object_object_add(check, "why", json_object_new_string(text.data));
	json_object_object_add(check, "do", advice ? json_object_new_string(advice) : NULL);
	json_object_array_add(doctor->checks, check);
	if (!doctor->cli->json) {
		printf("%s%-7s%s  %s: ", term_color(doctor->cli, colors[level]), levels[level], term_reset(doctor->cli),
		       what);
		term_line(doctor->cli, stdout, text.data);
		fputs(advice ? "; " : "", stdout);
		term_line(doctor->cli, stdout, advice);
		putchar('\n');
		fflush(stdout);
	}
	buf_dispose(&text);
}

void doctor_each(struct doctor *doctor, const char *role,
		 void (*fn)(struct doctor *doctor, struct json_object *process))
{
	struct json_object *processes = field(doctor->plan, "processes");

	for (size_t i = 0; i < field_count(processes); i++) {
		struct json_object *process = json_object_array_get_idx(processes, i);

		if (!strcmp(field_text(process, "role"), role))
			fn(doctor, process);
	}
}

struct json_object *doctor_core(struct doctor *doctor)
{
	struct json_object *processes = field(doctor->plan, "processes");

	for (size_t i = 0; i < field_count(processes); i++)
		if (!strcmp(field_text(json_object_array_get_idx(processes, i), "role"), "core"))
			return json_object_array_get_idx(processes, i);
	return NULL;
}

const char *doctor_option(struct json_object *instance, const char *name)
{
	return field_text(field(instance, "options"), name);
}

bool doctor_account(struct json_object *process, uid_t *uid)
{
	const char *name = field_text(process, "user");
	struct passwd *account;

	*uid = geteuid();
	if (!*name)
		return true;
	account = getpwnam(name);
	if (account)
		*uid = account->pw_uid;
	return account;
}

static error_t parse_count(struct argp_state *state, const char *option, const char *arg, int64_t most, int64_t *count)
{
	struct drover_error err = { 0 };

	if (value_int(arg, count, &err) || *count < 1 || *count > most)
		argp_error(state, "%s takes a number from 1 to %lld, not \"%s\"", option, (long long)most, arg);
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct doctor *doctor = state->input;

	switch (key) {
	case 'c':
		return doctor->file = arg, 0;
	case OPT_CREATE:
		return doctor->make = true, 0;
	case OPT_PARTITIONS:
		return parse_count(state, "--partitions", arg, 100000, &doctor->partitions);
	case OPT_REPLICATION:
		return parse_count(state, "--replication", arg, 100, &doctor->replication);
	case ARGP_KEY_END:
		if ((doctor->partitions || doctor->replication) && !doctor->make)
			argp_error(state, "--partitions and --replication go with --create-topic");
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is too much", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{ "config-file", 'c', "FILE", 0, "The daemon's configuration (default: " CONF_DEFAULT_FILE ")", 0 },
	{ "create-topic", OPT_CREATE, NULL, 0,
	  "Make the topics that the configuration names and that are missing; do nothing else", 0 },
	{ "partitions", OPT_PARTITIONS, "N", 0,
	  "Partitions of each (default: 16 for units, 4 for each engine if there are more)", 0 },
	{ "replication", OPT_REPLICATION, "N", 0,
	  "Replicas of each partition (default: 3, or as many as there are brokers)", 0 },
	{ 0 },
};

const struct argp cmd_doctor_argp = {
	options,
	parse,
	NULL,
	"Checks what a machine with a daemon needs, and says of each thing that is wrong what to do about it: the "
	"configuration, tokens and keys, the state folder and the store, whether the daemon answers, executors, "
	"results and events that wait, "
	"isolation, descriptors, clock, ssh, audit logs, Kafka and its topics. It changes nothing, but with "
	"--create-topic. Run it as the user that starts droverd."
	"\vExit code: 0, or 1 when something is wrong; warnings are no errors.\n\n"
	"Example: drover doctor -c /etc/drover/drover.yaml",
	NULL,
	NULL,
	NULL
};

int cmd_doctor(struct cli *cli, int argc, char **argv)
{
	struct doctor doctor = { .cli = cli, .client = { .wake = -1 }, .pid = -1 };
	struct json_object *answer;

	cli_parse(cli, "doctor", &cmd_doctor_argp, 0, argc, argv, &doctor);
	doctor.checks = json_object_new_array();
	for (size_t i = 0; !doctor.make && i < sizeof(checks) / sizeof(*checks); i++)
		checks[i](&doctor);
	for (size_t i = 0; doctor.make && i < sizeof(makers) / sizeof(*makers); i++)
		makers[i](&doctor);
	if (cli->json) {
		answer = json_object_new_object();
		json_object_object_add(answer, "ok", json_object_new_boolean(!doctor.errors));
		json_object_object_add(answer, "checks", json_object_get(doctor.checks));
		term_json_line(cli, answer, true);
		json_object_put(answer);
	}
	json_object_put(doctor.checks);
	wipe_put(doctor.plan); /* secrets are in it */
	if (doctor.open)
		client_close(&doctor.client);
	return doctor.errors ? CLI_ERROR : CLI_OK;
}
