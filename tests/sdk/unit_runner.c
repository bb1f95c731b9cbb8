/*
 * unit_runner.c - runs one unit of an executor plugin by itself: loads PLUGIN.so with a fake host,
 * calls run in a process of its own, and prints each report as one line of JSON, then a last line
 * about the process. For tests of executors against their real counterparts.
 *
 *	unit_runner PLUGIN.so [--OPTION VALUE]… HOST[=[USER@]ADDRESS[:PORT]]…
 *	  --payload JSON|@FILE --type T            --option NAME=VALUE   (an executor's option; lists: repeat)
 *	  --timeout MS        the unit's deadline  --stop-after MS       (as a cancel does)
 *	  --host-timeout MS   --connect-timeout MS --output-limit N      --fanout N
 *	  --credential FIELD=TEXT|FIELD=@FILE      --named yes           (by the task, not the executor)
 *
 * In reports, each byte of `out` and `err` is one character below U+0100.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_unit.h"

static const struct drover_executor *load(const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	drover_module_fn *module;

	if (!object) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	*(void **)&module = dlsym(object, DROVER_MODULE_SYMBOL);
	if (!module || !module(&fake_host)->executor) {
		fprintf(stderr, "%s is no executor\n", path);
		exit(2);
	}
	return module(&fake_host)->executor;
}

static int64_t number(const char *text)
{
	char *end;
	long long value = strtoll(text, &end, 10);

	if (*end || !*text) {
		fprintf(stderr, "not a number: %s\n", text);
		exit(2);
	}
	return value;
}

/* HOST, HOST=ADDRESS, HOST=USER@ADDRESS or HOST=ADDRESS:PORT; an ADDRESS may be empty. */
static void add_host(struct fake_unit *unit, char *text)
{
	struct drover_target *targets = (struct drover_target *)unit->info.targets;
	struct drover_target *target;

	targets = reallocarray(targets, unit->info.count + 1, sizeof(*targets));
	if (!targets)
		abort();
	target = &targets[unit->info.count++];
	*target = (struct drover_target){ .size = sizeof(*target), .name = strsep(&text, "=") };
	if (text && strchr(text, '@'))
		target->user = strsep(&text, "@");
	if (text)
		target->address = strsep(&text, ":");
	if (target->address && !*target->address)
		target->address = NULL;
	if (text)
		target->port = (int)number(text);
	unit->info.targets = targets;
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;

	if (!file || getdelim(&text, &room, '\0', file) < 0) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(2);
	}
	fclose(file);
	return text;
}

/* FIELD=TEXT or FIELD=@FILE */
static void set_credential(struct fake_unit *unit, char *text)
{
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
		{ "user", offsetof(struct drover_credential, user) },
		{ "key", offsetof(struct drover_credential, key) },
		{ "certificate", offsetof(struct drover_credential, certificate) },
		{ "passphrase", offsetof(struct drover_credential, passphrase) },
		{ "password", offsetof(struct drover_credential, password) },
		{ "become_password", offsetof(struct drover_credential, become_password) },
	};
	const char *name = strsep(&text, "=");

	unit->credential.size = sizeof(unit->credential);
	unit->credential.name = "test";
	for (size_t i = 0; text && i < sizeof(fields) / sizeof(*fields); i++)
		if (!strcmp(fields[i].name, name))
			*(const char **)((char *)&unit->credential + fields[i].offset) =
				*text == '@' ? read_file(text + 1) : text;
}

enum {
	PAYLOAD = 1,
	TYPE,
	OPTION,
	TIMEOUT,
	STOP_AFTER,
	HOST_TIMEOUT,
	CONNECT_TIMEOUT,
	OUTPUT_LIMIT,
	FANOUT,
	CREDENTIAL,
	NAMED
};

static const struct option arguments[] = {
	{ "payload", required_argument, NULL, PAYLOAD },
	{ "type", required_argument, NULL, TYPE },
	{ "option", required_argument, NULL, OPTION },
	{ "timeout", required_argument, NULL, TIMEOUT },
	{ "stop-after", required_argument, NULL, STOP_AFTER },
	{ "host-timeout", required_argument, NULL, HOST_TIMEOUT },
	{ "connect-timeout", required_argument, NULL, CONNECT_TIMEOUT },
	{ "output-limit", required_argument, NULL, OUTPUT_LIMIT },
	{ "fanout", required_argument, NULL, FANOUT },
	{ "credential", required_argument, NULL, CREDENTIAL },
	{ "named", required_argument, NULL, NAMED },
	{ NULL, 0, NULL, 0 },
};

static void parse(struct fake_unit *unit, const struct drover_executor *executor, int argc, char **argv)
{
	int found;

	while ((found = getopt_long(argc, argv, "", arguments, NULL)) != -1) {
		switch (found) {
		case PAYLOAD:
			unit->info.payload = *optarg == '@' ? read_file(optarg + 1) : optarg;
			break;
		case TYPE:
			unit->info.type = optarg;
			break;
		case OPTION:
			fake_option_set(unit->self, executor->options, optarg);
			break;
		case TIMEOUT:
			unit->info.deadline = fake_now() + number(optarg);
			break;
		case STOP_AFTER:
			unit->stop_at = fake_now() + number(optarg);
			break;
		case HOST_TIMEOUT:
			unit->info.host_timeout = number(optarg);
			break;
		case CONNECT_TIMEOUT:
			unit->info.connect_timeout = number(optarg);
			break;
		case OUTPUT_LIMIT:
			unit->info.output_limit = number(optarg);
			break;
		case CREDENTIAL:
			set_credential(unit, optarg);
			break;
		case NAMED:
			unit->info.credential = "test";
			break;
		case FANOUT:
			unit->info.fanout = number(optarg);
			break;
		default:
			exit(2);
		}
	}
	for (; optind < argc; optind++)
		add_host(unit, argv[optind]);
}

/* The unit process. */
static int run(struct fake_unit *unit, const struct drover_executor *executor)
{
	struct drover_error err = { 0 };
	struct rusage usage;
	int before, result;

	fake_unit_begin(unit);
	before = fake_descriptors();
	result = executor->run((struct drover_unit *)unit, &err);
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"end\": %d, \"message\": ", result);
	fake_print_string(err.message, strlen(err.message));
	printf(", \"cpu_ms\": %.1f, \"peak_kb\": %ld, \"leaked\": %d, \"refused\": %d}\n",
	       (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000,
	       usage.ru_maxrss, fake_descriptors() - before, unit->refused);
	fflush(stdout);
	return 0;
}

/* As the daemon: killed 2 s after the deadline. */
static int watch(pid_t pid, int64_t until)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (until && fake_now() >= until) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
		usleep(5000);
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFSIGNALED(status))
		printf("{\"killed\": %d}\n", WTERMSIG(status));
	return 1;
}

int main(int argc, char **argv)
{
	static struct fake_unit unit = { .info = { .size = sizeof(unit.info),
						   .task = "task",
						   .attempt = 1,
						   .type = "shell",
						   .payload = "{}",
						   .output_limit = 65536 } };
	const struct drover_executor *executor;
	struct drover_error err = { 0 };
	int64_t stop;
	pid_t pid;
	int result;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2) {
		fprintf(stderr, "usage: %s PLUGIN.so [--OPTION VALUE]... HOST...\n", argv[0]);
		return 2;
	}
	executor = load(argv[1]);
	unit.self = calloc(1, executor->self_size + 1);
	fake_options_default(unit.self, executor->options);
	parse(&unit, executor, argc - 1, argv + 1);
	fake_options_finish(unit.self, executor->options);
	if ((executor->check && executor->check(unit.self, &err) < 0) ||
	    (executor->open && executor->open(unit.self, &err) < 0)) {
		fprintf(stderr, "%s\n", err.message);
		return 2;
	}
	fflush(stdout);
	pid = fork();
	if (!pid)
		exit(run(&unit, executor));
	stop = unit.stop_at ? unit.stop_at : unit.info.deadline;
	result = watch(pid, stop ? stop + 2000 : 0);
	if (executor->close)
		executor->close(unit.self);
	return result;
}
