/* helper.c - the fork server as the executor host sees it: how it is started, and how it is reached. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ansible.h"

/* The folder of the scripts is beside the plugin's file: DIR/ansible/ for DIR/ansible_adhoc.so. */
static int find_script(char *path, size_t room, struct drover_error *err)
{
	Dl_info info;
	const char *slash;

	if (!dladdr((const void *)(uintptr_t)find_script, &info) || !(slash = strrchr(info.dli_fname, '/')))
		return drover_error_set(err, DROVER_EFAULT, "cannot find this plugin's own folder");
	snprintf(path, room, "%.*s/ansible/server.py", (int)(slash - info.dli_fname), info.dli_fname);
	if (access(path, R_OK))
		return drover_error_set(err, DROVER_EINVALID, "cannot read %s: %s; is Drover installed whole?", path,
					strerror(errno));
	return 0;
}

int ansible_check(const struct ansible *self, struct drover_error *err)
{
	char script[4096];

	if (access(self->python, X_OK))
		return drover_error_set(err, DROVER_EINVALID, "python: cannot run %s: %s", self->python,
					strerror(errno));
	if (self->config && access(self->config, R_OK))
		return drover_error_set(err, DROVER_EINVALID, "config: cannot read %s: %s", self->config,
					strerror(errno));
	for (size_t i = 0; i < self->inventory.count; i++)
		if (access(self->inventory.items[i], R_OK))
			return drover_error_set(err, DROVER_EINVALID, "inventory: cannot read %s: %s",
						self->inventory.items[i], strerror(errno));
	for (size_t i = 0; i < self->vault_ids.count; i++)
		if (access(self->vault_ids.pairs[i].value, R_OK))
			return drover_error_set(err, DROVER_EINVALID, "vault_ids: cannot read %s: %s",
						self->vault_ids.pairs[i].value, strerror(errno));
	return find_script(script, sizeof(script), err);
}

int ansible_open(struct ansible *self, struct drover_error *err)
{
	int rc = folder_make(self->folder, sizeof(self->folder), &self->lock, err);

	if (!rc && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, self->ends))
		rc = drover_error_set(err, DROVER_EFAULT, "cannot make a socket: %s", strerror(errno));
	return rc;
}

void ansible_close(struct ansible *self)
{
	close(self->ends[0]);
	close(self->ends[1]);
	folder_remove(self->folder);
	close(self->lock);
}

static void set_path(const char *name, const struct drover_list *folders)
{
	char text[8192] = "";
	size_t size = 0;

	for (size_t i = 0; i < folders->count && size < sizeof(text); i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%s", i ? ":" : "", folders->items[i]);
	if (folders->count)
		setenv(name, text, 1);
}

int ansible_helper(struct ansible *self, struct drover_error *err)
{
	char script[4096], fd[16];
	char *argv[] = { self->python, "-B", script, fd, self->folder, NULL };
	int rc = find_script(script, sizeof(script), err);

	if (rc)
		return rc;
	close(self->ends[0]);
	/* Whoever may never need it is not made to pay for it: until the first request, or the executor's end. */
	if (!self->preload)
		poll(&(struct pollfd){ .fd = self->ends[1], .events = POLLIN }, 1, -1);
	fcntl(self->ends[1], F_SETFD, 0);
	snprintf(fd, sizeof(fd), "%d", self->ends[1]);
	if (self->config)
		setenv("ANSIBLE_CONFIG", self->config, 1);
	set_path("ANSIBLE_COLLECTIONS_PATH", &self->collections_path);
	set_path("ANSIBLE_ROLES_PATH", &self->roles_path);
	for (size_t i = 0; i < self->environment.count; i++)
		setenv(self->environment.pairs[i].key, self->environment.pairs[i].value, 1);
	/* What a terminal would be asked for, and what only people read. */
	setenv("ANSIBLE_NOCOLOR", "1", 1);
	setenv("ANSIBLE_RETRY_FILES_ENABLED", "0", 1);
	setenv("PYTHONUNBUFFERED", "1", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	execv(self->python, argv);
	return drover_error_set(err, DROVER_EFAULT, "cannot run %s: %s", self->python, strerror(errno));
}
