/* inventory_run.c - see inventory_run.h. The process is proc/inventory_host.c. */
#define _GNU_SOURCE
#include "daemon/inventory_run.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <drover/error.h>

#include "proc/control_io.h"
#include "proc/slice.h"
#include "task/inventory.h"
#include "task/inventory_vars.h"
#include "util/buf.h"
#include "util/clock.h"

#define LATE_MS 15000 /* after the deadline that it keeps itself: it has hung */
#define CONTROL_FD 3
#define CONFIG_FD 4

/* Where posix_spawn may put its own copies without closing one that is still to be copied. */
static int move_up(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 16);

	close(fd);
	return high;
}

/* The core has many threads: only posix_spawn starts a process of it without a copy of their locks. */
static int spawn(pid_t *pid, int control, int config)
{
	char *const argv[] = { (char *)"droverd",     (char *)"--role=inventory", (char *)"--name=inventory",
			       (char *)"--control=3", (char *)"--config=4",       NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int code;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, control, CONTROL_FD);
	posix_spawn_file_actions_adddup2(&actions, config, CONFIG_FD);
	posix_spawn_file_actions_addclosefrom_np(&actions, CONFIG_FD + 1);
	code = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return code;
}

int inventory_run_start(struct inventory_run *run, struct json_object *section, const char *folder,
			struct drover_error *err)
{
	struct json_object *slice = NULL;
	int pair[2], config, code;

	json_object_deep_copy(section, &slice, NULL);
	json_object_object_add(slice, "folder", json_object_new_string(folder));
	*run = (struct inventory_run){ .fd = -1,
				       .pid = -1,
				       .command = slice_text(section, "command", "ansible-inventory"),
				       .timeout = (long)slice_int(section, "timeout", 30000),
				       .limits = { .hosts = slice_int(section, "hosts_limit", 1000000),
						   .groups = slice_int(section, "groups_limit", 100000),
						   .members = slice_int(section, "members_limit", 10000000) } };
	config = control_io_memfd("inventory", json_object_to_json_string_ext(slice, JSON_C_TO_STRING_PLAIN));
	json_object_put(slice);
	if (config < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		code = errno;
		if (config >= 0)
			close(config);
		return drover_error_set(err, DROVER_EFAULT, "no process can be started to read it: %s", strerror(code));
	}
	config = move_up(config);
	pair[1] = move_up(pair[1]);
	code = spawn(&run->pid, pair[1], config);
	close(pair[1]);
	close(config);
	run->fd = pair[0];
	if (!code)
		return 0;
	close(run->fd);
	run->fd = -1;
	return drover_error_set(err, DROVER_EFAULT, "no process can be started to read it: %s", strerror(code));
}

/* Until the other end is closed. False: that took too long. */
static bool read_answer(struct inventory_run *run, struct buf *text)
{
	int64_t until = clock_boot_ms() + run->timeout + LATE_MS;

	for (;;) {
		struct pollfd fd = { run->fd, POLLIN, 0 };
		int64_t left = until - clock_boot_ms();
		ssize_t n;

		if (left <= 0)
			return false;
		if (poll(&fd, 1, (int)(left < 60000 ? left : 60000)) <= 0)
			continue;
		buf_reserve(text, 65536);
		n = read(run->fd, text->data + text->size, text->room - text->size - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return true;
		text->size += (size_t)n;
		text->data[text->size] = '\0';
	}
}

/* The conversation is over: it ends what it has started, then itself. */
static void reap(struct inventory_run *run, bool late)
{
	const struct timespec pause = { 0, 5000000 };
	int64_t until = clock_boot_ms() + (late ? 0 : LATE_MS);

	shutdown(run->fd, SHUT_RDWR);
	while (waitpid(run->pid, NULL, WNOHANG) == 0) {
		if (clock_boot_ms() > until)
			kill(run->pid, SIGKILL);
		nanosleep(&pause, NULL);
	}
	run->pid = -1;
}

static void add_note(struct json_object *notes, const char *before, const char *text)
{
	struct buf note = BUF_INIT;

	buf_printf(&note, "%s%s", before, text);
	json_object_array_add(notes, json_object_new_string(note.data));
	buf_dispose(&note);
}

static int take_answer(const struct inventory_run *run, struct json_object *answer, struct inventory **inventory,
		       struct json_object **notes, struct drover_error *err)
{
	const char *slash = strrchr(run->command, '/'), *name = slash ? slash + 1 : run->command;
	const char *error = slice_text(answer, "error", NULL), *complaint = slice_text(answer, "complaint", "");
	struct drover_error why = { 0 };
	const char *skipped;
	size_t count;
	int code;

	if (!answer)
		return drover_error_set(err, DROVER_EFAULT, "the process that reads it died");
	if (error)
		return drover_error_set(err, DROVER_EFAULT, "%s %s", name, error);
	code = inventory_build(slice_get(answer, "list"), &run->limits, inventory, &why);
	if (code)
		return drover_error_set(err, code, "%s printed no inventory: %s", name, why.message);
	*notes = json_object_get(slice_get(answer, "notes"));
	skipped = inventory_skipped(*inventory, &count);
	if (count)
		add_note(*notes, "these are no host names that Drover takes, and are left out: ", skipped);
	if (*complaint)
		add_note(*notes, "the command said: ", complaint);
	return 0;
}

int inventory_run_finish(struct inventory_run *run, struct inventory **inventory, struct json_object **notes,
			 struct drover_error *err)
{
	struct buf text = BUF_INIT;
	struct json_object *answer = NULL;
	bool in_time = read_answer(run, &text);
	int code;

	*inventory = NULL;
	*notes = NULL;
	reap(run, !in_time);
	if (text.size && in_time) {
		/* Two levels of its own around the list. */
		struct json_tokener *tokener = json_tokener_new_ex(INVENTORY_DEPTH + 2);

		answer = json_tokener_parse_ex(tokener, text.data, (int)text.size);
		json_tokener_free(tokener);
	}
	buf_dispose(&text);
	code = take_answer(run, answer, inventory, notes, err);
	json_object_put(answer);
	return code;
}

void inventory_run_close(struct inventory_run *run)
{
	close(run->fd);
	run->fd = -1;
}
