/* subreaper.c - see subreaper.h. */
#include "proc/subreaper.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "proc/control_io.h"
#include "util/buf.h"

/* An environment is never larger than this: ARG_MAX on machines with ordinary stack limits. */
#define ENVIRONMENT_MAX (6u << 20)
/* How often one pass looks for children that came while it stopped the others. */
#define STOP_ROUNDS 8

struct pids {
	pid_t *list;
	size_t count, room;
};

static void pids_add(struct pids *p, pid_t pid)
{
	if (p->count == p->room) {
		p->room = p->room ? p->room * 2 : 32;
		p->list = xrealloc(p->list, p->room * sizeof(*p->list));
	}
	p->list[p->count++] = pid;
}

bool subreaper_become(void)
{
	return !prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static char *read_proc(pid_t pid, const char *file, size_t *size)
{
	char path[64];
	char *text;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	text = control_io_read_all(fd, ENVIRONMENT_MAX, size);
	close(fd);
	return text;
}

bool subreaper_look(pid_t pid, struct subreaper_process *process)
{
	unsigned long long ticks;
	size_t size;
	char *text = read_proc(pid, "stat", &size);
	/* The name is in parentheses and may hold anything, parentheses too. */
	const char *rest = text ? strrchr(text, ')') : NULL;
	int session;
	long threads;
	char state;
	bool ok = rest &&
		  sscanf(rest + 1, " %c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %llu",
			 &state, &session, &threads, &ticks) == 4;

	free(text);
	if (!ok)
		return false;
	process->pid = pid;
	process->session = session;
	process->dead = (state == 'Z' || state == 'X') && threads <= 1;
	process->started_at = (int64_t)(ticks * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK));
	return true;
}

bool subreaper_variable(pid_t pid, const char *name, char *value, size_t room)
{
	size_t size = 0, length = strlen(name);
	char *text = read_proc(pid, "environ", &size);
	bool found = false;

	if (!text)
		return false;
	for (size_t at = 0; at < size && !found; at += strlen(text + at) + 1) {
		if (strncmp(text + at, name, length) || text[at + length] != '=')
			continue;
		found = true;
		snprintf(value, room, "%s", text + at + length + 1);
	}
	free(text);
	return found;
}

/* Children are told by thread: each thread's own. */
static void add_children(pid_t pid, struct pids *found)
{
	char path[64];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		char file[300];
		size_t size;
		char *text, *at;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "task/%s/children", entry->d_name);
		text = read_proc(pid, file, &size);
		at = text;
		while (at && *at) {
			char *end;
			long child = strtol(at, &end, 10);

			if (end == at)
				break;
			pids_add(found, (pid_t)child);
			at = end + strspn(end, " ");
		}
		free(text);
	}
	if (tasks)
		closedir(tasks);
}

/*
 * A stopped process forks nothing and reaps nothing, so its list of children holds still while it
 * is read; without the stop a fork bomb would always be ahead of the list.
 */
static void add_descendants(pid_t pid, struct pids *found)
{
	size_t at = found->count;

	pids_add(found, pid);
	for (; at < found->count; at++) {
		kill(found->list[at], SIGSTOP);
		add_children(found->list[at], found);
	}
}

/*
 * Stops the children of this process that are not to be spared, those too that have become its
 * children meanwhile. Nothing is reaped here, so the list only grows, and at its end.
 */
static void stop_children(const struct subreaper_filter *filter, void *context, struct pids *children)
{
	for (size_t known = 0, round = 0; round < STOP_ROUNDS; round++) {
		children->count = 0;
		add_children(getpid(), children);
		if (children->count <= known)
			break;
		for (; known < children->count; known++)
			if (!filter->spare(context, children->list[known]))
				kill(children->list[known], SIGSTOP);
	}
}

/*
 * First everything in question is stopped, at once: processes that fork and exit have no time to be
 * looked at. Only then it is asked whose they are.
 */
int subreaper_sweep(const struct subreaper_filter *filter, void *context)
{
	struct pids children = { 0 }, found = { 0 };
	struct subreaper_process process;

	stop_children(filter, context, &children);
	for (size_t i = 0; i < children.count; i++) {
		if (filter->spare(context, children.list[i]) || !subreaper_look(children.list[i], &process) ||
		    process.dead)
			continue;
		if (filter->kill(context, &process))
			add_descendants(process.pid, &found);
		else
			kill(process.pid, SIGCONT);
	}
	for (size_t i = 0; i < found.count; i++)
		kill(found.list[i], SIGKILL);
	free(children.list);
	free(found.list);
	return (int)found.count;
}
