/* plan_loader.c - see plan_loader.h. */
#define _GNU_SOURCE
#include "proc/plan_loader.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include <drover/error.h>

#include "proc/slice.h"
#include "proc/supervisor.h"
#include "util/buf.h"

#define TIMEOUT_S 60
#define PLAN_MAX (64u << 20)

struct plan_loader {
	pid_t pid;
	int fd;
	sd_event_source *io, *timer;
	struct buf text;
	plan_loaded_fn *fn;
	void *context;
};

void plan_loader_free(struct plan_loader *l)
{
	if (!l)
		return;
	sd_event_source_disable_unref(l->io);
	sd_event_source_disable_unref(l->timer);
	if (l->fd >= 0)
		close(l->fd);
	if (l->text.data)
		explicit_bzero(l->text.data, l->text.room);
	buf_dispose(&l->text);
	free(l);
}

bool plan_loader_is(const struct plan_loader *l, pid_t pid)
{
	return l && l->pid == pid;
}

static void finish(struct plan_loader *l, const char *failure)
{
	struct json_object *all = failure || !l->text.size ? NULL : json_tokener_parse(l->text.data);
	struct json_object *plan = json_object_get(slice_get(all, "plan")),
			   *errors = json_object_get(slice_get(all, "errors"));
	plan_loaded_fn *fn = l->fn;
	void *context = l->context;

	kill(l->pid, SIGKILL);
	plan_loader_free(l);
	if (!plan && !errors) {
		errors = json_object_new_array();
		json_object_array_add(
			errors,
			json_object_new_string(failure ? failure : "the process that reads the configuration died"));
	}
	fn(context, plan, errors);
	json_object_put(errors);
	json_object_put(all);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct plan_loader *l = context;
	ssize_t n;

	(void)source;
	(void)revents;
	buf_reserve(&l->text, 16384);
	n = read(fd, l->text.data + l->text.size, l->text.room - l->text.size - 1);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0 || l->text.size > PLAN_MAX) {
		finish(l, NULL);
		return 0;
	}
	l->text.size += (size_t)n;
	l->text.data[l->text.size] = '\0';
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source;
	(void)usec;
	finish(context, "reading the configuration takes too long: a plugin hangs in its check");
	return 0;
}

static void __attribute__((noreturn)) run_reader(const char *program, const char *file, int fd)
{
	char out[32], config[4096];
	char *argv[] = { (char *)"droverd", (char *)"--role=config", out, file ? config : NULL, NULL };

	snprintf(out, sizeof(out), "--control=%d", fd);
	snprintf(config, sizeof(config), "--config-file=%s", file ? file : "");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	spawn_exec(program, argv, environ, &fd, 1);
}

int plan_loader_start(struct sd_event *event, const char *program, const char *file, plan_loaded_fn *fn, void *context,
		      struct plan_loader **loader, struct drover_error *err)
{
	struct plan_loader *l = xcalloc(1, sizeof(*l));
	int fds[2], rc;

	l->fn = fn;
	l->context = context;
	l->fd = -1;
	if (pipe2(fds, O_CLOEXEC)) {
		rc = drover_error_set(err, DROVER_EFAULT, "cannot make a pipe: %s", strerror(errno));
		goto failed;
	}
	l->fd = fds[0];
	l->pid = fork();
	if (!l->pid)
		run_reader(program, file, fds[1]);
	close(fds[1]);
	if (l->pid < 0) {
		rc = drover_error_set(err, DROVER_EFAULT, "cannot make a process: %s", strerror(errno));
		goto failed;
	}
	rc = sd_event_add_io(event, &l->io, l->fd, EPOLLIN, on_io, l);
	if (rc >= 0)
		rc = sd_event_add_time_relative(event, &l->timer, CLOCK_BOOTTIME, TIMEOUT_S * 1000000ull, 0, on_timer,
						l);
	if (rc < 0) {
		rc = drover_error_set(err, DROVER_EFAULT, "cannot watch a process: %s", strerror(-rc));
		goto failed;
	}
	*loader = l;
	return 0;
failed:
	plan_loader_free(l);
	return rc;
}
