/* cmd_demo.c - `drover demo`: a simulated fleet with hung hosts, in a private daemon of its own. */
#define _GNU_SOURCE /* nftw's flags */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/interrupt.h"
#include "cli/perform.h"
#include "cli/private.h"
#include "cli/scratch.h"
#include "conf/value.h"

#define HOSTS_DEFAULT 1000
#define HOSTS_MOST 100000
#define HUNG 3

/* Where in the fleet they are, of 1,000. */
static const int hung[HUNG] = { 7, 412, 771 };

enum { OPT_HOSTS = 0x100 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	int64_t *hosts = state->input;
	struct drover_error err = { 0 };

	switch (key) {
	case OPT_HOSTS:
		if (value_int(arg, hosts, &err) || *hosts < 10 || *hosts > HOSTS_MOST)
			argp_error(state, "--hosts: must be 10 to %d", HOSTS_MOST);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is too much", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void name_of(char *name, size_t size, int64_t hosts, int64_t number)
{
	int width = snprintf(NULL, 0, "%" PRId64, hosts);

	snprintf(name, size, "web%0*" PRId64, width < 4 ? 4 : width, number);
}

/* The task: all but a few hosts answer within half a second, some say no, and HUNG never say anything. */
static struct json_object *make_task(int64_t hosts)
{
	struct json_object *task = json_object_new_object(), *payload = json_object_new_object();
	struct json_object *hang = json_object_new_array();
	char name[32], first[32], last[32], set[80];

	for (int i = 0; i < HUNG; i++) {
		int64_t number = hosts * hung[i] / 1000;

		name_of(name, sizeof(name), hosts, number ? number : 1);
		json_object_array_add(hang, json_object_new_string(name));
	}
	json_object_object_add(payload, "latency", json_object_new_string("20-400ms"));
	json_object_object_add(payload, "hang", hang);
	json_object_object_add(payload, "fail", json_object_new_double(0.005));
	json_object_object_add(payload, "seed", json_object_new_int(1));
	name_of(first, sizeof(first), hosts, 1);
	name_of(last, sizeof(last), hosts, hosts);
	snprintf(set, sizeof(set), "web[%s-%s]", first + 3, last + 3);
	json_object_object_add(task, "type", json_object_new_string("sim"));
	json_object_object_add(task, "name", json_object_new_string("demo"));
	json_object_object_add(task, "hosts", json_object_new_string(set));
	json_object_object_add(task, "timeout", json_object_new_string("6s"));
	json_object_object_add(task, "unit_size", json_object_new_int(30));
	json_object_object_add(task, "payload", payload);
	return task;
}

static int run_demo(struct session *session, struct cli *cli, int64_t hosts)
{
	struct task_args args = { .command = "demo", .task = make_task(hosts), .yes = true };
	struct view view = { 0 };
	int64_t units = (hosts + 29) / 30;
	int code;

	cli_say("%" PRId64 " simulated hosts in %" PRId64 " units of 30, %d of them hung; a unit has 6 s", hosts, units,
		HUNG);
	code = perform_task(session, cli, &args, &view);
	json_object_put(args.task);
	if (code != CLI_OK && code != CLI_SOME_NOT_OK)
		return code;
	fprintf(stderr, "\nThe hung hosts never answered. At their unit's deadline each was given the status `timeout' "
			"and named;\n"
			"no other host waited for them, not even those of the same unit. Every host has exactly one "
			"final status.\n"
			"Next:  drover run -H localhost -- uptime      a real command, here\n"
			"       drover run -H 'web[1-30]' -- uptime    on your hosts, as ssh reaches them\n");
	/* Hosts that are not ok are what a demo of them is about. */
	return CLI_OK;
}

static const struct argp_option options[] = {
	{ "hosts", OPT_HOSTS, "N", 0, "So many hosts (1,000)", 0 },
	{ 0 },
};

const struct argp cmd_demo_argp = { options,
				    parse,
				    NULL,
				    "Runs a task on a simulated fleet with a few hung hosts, in a daemon of its "
				    "own that is gone afterwards.\vExample: drover demo --hosts 5000",
				    NULL,
				    NULL,
				    NULL };

int cmd_demo(struct cli *cli, int argc, char **argv)
{
	struct interrupt interrupt;
	char *folder;
	struct session session;
	int64_t hosts = HOSTS_DEFAULT;
	int code;

	cli_parse(cli, "demo", &cmd_demo_argp, 0, argc, argv, &hosts);
	folder = scratch_make("demo");
	if (!folder)
		return CLI_ERROR;
	/* From here to the end nothing may be left behind; Ctrl-C is for the task. */
	interrupt_open(&interrupt);
	code = session_open_private(&session, folder);
	if (!code) {
		code = run_demo(&session, cli, hosts);
		if (session.pid > 0)
			private_stop(session.pid);
		session_close(&session);
	}
	scratch_remove(folder);
	interrupt_close(&interrupt);
	return code;
}
