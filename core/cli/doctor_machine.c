/* doctor_machine.c - of `drover doctor`: what the machine gives: isolation, descriptors, the clock, ssh. */
#define _GNU_SOURCE

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/field.h"
#include "proc/cgroup.h"
#include "util/clock.h"

#define OLDEST_MS 1700000000000LL /* 2023: before this program */

/* ------------------------------------------------------------------------------------ isolation */

void doctor_isolation(struct doctor *doctor)
{
	const char *wanted = field_text(field(doctor->slice, "node"), "isolation");
	char *own;

	/* What runs already has said it: see the engine's line. */
	if (!doctor->slice || doctor->reached)
		return;
	own = cgroup_own();
	if (own)
		doctor_say(
			doctor, DOCTOR_OK, "isolation", NULL,
			"cgroup2 is here; droverd uses it where its own folder is given to it (systemd: Delegate=yes)");
	else if (!strcmp(wanted, "cgroup"))
		doctor_say(doctor, DOCTOR_ERROR, "isolation", "mount cgroup2, or set `node.isolation: auto'",
			   "`node.isolation' is cgroup, and there is no cgroup2 here");
	else
		doctor_say(doctor, DOCTOR_OK, "isolation", NULL,
			   "no cgroup2 here: units are held together by a subreaper");
	free(own);
}

/* ---------------------------------------------------------------------------------- descriptors */

/* The hard limit, which the core raises its own to: of the daemon that runs, else of what this one would start. */
static int64_t limit_of(pid_t pid)
{
	struct rlimit limit;

	if (prlimit(pid > 0 ? pid : 0, RLIMIT_NOFILE, NULL, &limit) && getrlimit(RLIMIT_NOFILE, &limit))
		return -1;
	return limit.rlim_max == RLIM_INFINITY ? INT64_MAX : (int64_t)limit.rlim_max;
}

void doctor_descriptors(struct doctor *doctor)
{
	struct json_object *sources = field(doctor->slice, "sources");
	/* A unit's process has a pipe to its executor, and its own descriptors for hosts; clients are the core's. */
	int64_t units = field_int(field(doctor->slice, "capacity"), "units", 512), need = 4 * units;
	int64_t limit = limit_of(doctor->pid), clients = 0;

	if (!doctor->slice || limit < 0)
		return;
	for (size_t i = 0; i < field_count(sources); i++) {
		const char *text = doctor_option(json_object_array_get_idx(sources, i), "connection_limit");

		clients += *text ? strtoll(text, NULL, 10) : 2048;
	}
	need = (need > clients ? need : clients) + 256;
	if (limit < need)
		doctor_say(doctor, DOCTOR_WARNING, "descriptors",
			   "set LimitNOFILE=65536 in the service, or lower `capacity.units' and `connection_limit'",
			   "%" PRId64 " files may be open in a process, and %" PRId64 " units and %" PRId64
			   " connections need %" PRId64,
			   limit, units, clients, need);
	else
		doctor_say(doctor, DOCTOR_OK, "descriptors", NULL,
			   "%" PRId64 " in a process, of which %" PRId64 " may be needed", limit, need);
}

/* ----------------------------------------------------------------------------------------- clock */

void doctor_clock(struct doctor *doctor)
{
	struct timex state = { .modes = 0 };
	int known = adjtimex(&state);

	if (clock_utc_ms() < OLDEST_MS || clock_boot_ms() <= 0)
		doctor_say(doctor, DOCTOR_ERROR, "clock", "set it: times in the store, expiry and TLS go by it",
			   "this machine's clock says a time that cannot be");
	else if (known >= 0 && state.status & STA_UNSYNC)
		doctor_say(doctor, DOCTOR_WARNING, "clock", "let chrony or systemd-timesyncd set it",
			   "the kernel does not know that it is synchronised (deadlines do not depend on it)");
	else
		doctor_say(doctor, DOCTOR_OK, "clock", NULL, known < 0 ? "it runs" : "synchronised");
}

/* ------------------------------------------------------------------------------------------- ssh */

static bool any_key(const char *home)
{
	static const char *const names[] = { "id_ed25519", "id_ecdsa", "id_rsa" };
	bool found = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !found; i++) {
		struct buf path = BUF_INIT;

		buf_printf(&path, "%s/.ssh/%s", home, names[i]);
		found = !access(path.data, R_OK);
		buf_dispose(&path);
	}
	return found;
}

/* SSH_AUTH_SOCK of the daemon that runs, where its environment can be read; else of this process. */
static bool any_agent(pid_t pid)
{
	char path[64], *text = NULL;
	const char *socket = getenv("SSH_AUTH_SOCK");
	bool found = false;
	size_t room = 0;
	FILE *file = NULL;

	if (pid > 0) {
		snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
		file = fopen(path, "re");
	}
	if (!file)
		return socket && !access(socket, W_OK);
	while (getdelim(&text, &room, '\0', file) > 0)
		if (!strncmp(text, "SSH_AUTH_SOCK=", 14))
			found = !access(text + 14, F_OK);
	free(text);
	fclose(file);
	return found;
}

/* 1: there; 0: not there; -1: there, and not readable. */
static int readable(const char *home, const char *name)
{
	struct buf path = BUF_INIT;
	int found;

	buf_printf(&path, "%s%s", home, name);
	found = !access(path.data, R_OK) ? 1 : errno == ENOENT ? 0 : -1;
	buf_dispose(&path);
	return found;
}

static void check_known_hosts(struct doctor *doctor, const char *name, const char *user, const char *home)
{
	int own = readable(home, "/.ssh/known_hosts"), system = readable("", "/etc/ssh/ssh_known_hosts");

	if (own > 0 || system > 0)
		doctor_say(doctor, DOCTOR_OK, "ssh", NULL, "%s: %s knows host keys", name, user);
	else if (own < 0)
		doctor_say(doctor, DOCTOR_ERROR, "ssh", "run this as that user, or see to the file's mode",
			   "%s: %s/.ssh/known_hosts cannot be read", name, home);
	else
		doctor_say(doctor, DOCTOR_WARNING, "ssh",
			   "`ssh-keyscan', checked, into known_hosts; or `host_keys: accept-new'",
			   "%s: %s knows no host key (no %s/.ssh/known_hosts, no /etc/ssh/ssh_known_hosts)", name, user,
			   home);
}

/* Those that the configuration names. */
static void check_files(struct doctor *doctor, const char *name, struct json_object *files)
{
	for (size_t i = 0; i < field_count(files); i++) {
		const char *path = json_object_get_string(json_object_array_get_idx(files, i));

		if (access(path, R_OK))
			doctor_say(doctor, DOCTOR_ERROR, "ssh",
				   "make it readable for the executor's user, or correct `known_hosts'", "%s: %s: %s",
				   name, path, strerror(errno));
		else
			doctor_say(doctor, DOCTOR_OK, "ssh", NULL, "%s: host keys of %s", name, path);
	}
}

static bool is_given(struct json_object *options, const char *name)
{
	return field(options, name);
}

static void check_executor(struct doctor *doctor, struct json_object *process)
{
	struct json_object *slice = field(process, "slice"), *options = field(slice, "options");
	const char *name = field_text(process, "name");
	const struct passwd *account;
	uid_t uid;

	if (strcmp(field_text(slice, "plugin"), "shell") || !strcmp(field_text(options, "transport"), "local"))
		return;
	if (!doctor_account(process, &uid)) {
		doctor_say(doctor, DOCTOR_ERROR, "ssh", "make it, or change `run_as'", "%s: there is no account %s",
			   name, field_text(process, "user"));
		return;
	}
	account = getpwuid(uid);
	if (!account) {
		doctor_say(doctor, DOCTOR_WARNING, "ssh", "give the account a name and a home",
			   "%s: user %d has no account", name, (int)uid);
		return;
	}
	if (is_given(options, "known_hosts"))
		check_files(doctor, name, field(options, "known_hosts"));
	else if (strcmp(field_text(options, "host_keys"), "accept-new"))
		check_known_hosts(doctor, name, account->pw_name, account->pw_dir);
	if (!is_given(options, "credential") && !is_given(options, "key") && !any_key(account->pw_dir) &&
	    !any_agent(doctor->pid))
		doctor_say(doctor, DOCTOR_WARNING, "ssh",
			   "configure a `credential' with a key, or start an agent for it",
			   "%s: %s has no key in %s/.ssh and no agent", name, account->pw_name, account->pw_dir);
}

void doctor_ssh(struct doctor *doctor)
{
	doctor_each(doctor, "executor", check_executor);
}
