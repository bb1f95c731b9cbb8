/* private_files.c - see private_files.h. */
#include "cli/private_files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drover/error.h>

#include "cli/private.h"
#include "util/buf.h"

char *private_below(const char *folder, const char *name)
{
	struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%s", folder, name);
	return buf_take(&path);
}

/* As a YAML double-quoted scalar: only `"`, `\` and control characters need care. */
static void quoted(struct buf *out, const char *text)
{
	buf_char(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_printf(out, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			buf_printf(out, "\\x%02x", (unsigned char)*text);
		else
			buf_char(out, *text);
	}
	buf_char(out, '"');
}

/* Most that a private daemon does needs no Ansible, so it is imported only when it is needed. */
static void add_ansible(struct buf *text, const char *python)
{
	static const char *const plugins[] = { "ansible_adhoc", "ansible_playbook" };

	for (size_t i = 0; python && i < sizeof(plugins) / sizeof(*plugins); i++) {
		buf_printf(text,
			   "  - plugin: %s\n    allow_localhost: true\n    preload: false\n    python: ", plugins[i]);
		quoted(text, python);
		buf_char(text, '\n');
	}
}

static void make_config(struct buf *text, const char *state)
{
	char *url = private_url(state), *python = private_find_ansible(), *more = private_below(state, PRIVATE_MORE);

	buf_string(text,
		   "# Written by `drover` at each start of the private daemon.\nnode:\n  name: private\n  state_dir: ");
	quoted(text, state);
	buf_string(text, "\n  idle_exit: 5s\nsources:\n  - plugin: http\n    listen: ");
	quoted(text, url);
	buf_string(text, "\nexecutors:\n  - plugin: shell\n    allow_localhost: true\n  - plugin: sim\n");
	add_ansible(text, python);
	if (!access(more, F_OK))
		buf_string(text, "include: " PRIVATE_MORE "\n");
	free(more);
	free(python);
	free(url);
}

/* By another name first, so that a reader never sees half of it. */
int private_write_config(const char *path, const char *state, struct drover_error *err)
{
	struct buf text = BUF_INIT;
	char *new = private_below(state, "drover.yaml.new");
	FILE *file;
	int rc = 0;

	make_config(&text, state);
	file = fopen(new, "we");
	if (!file || fwrite(text.data, 1, text.size, file) != text.size || fflush(file) || rename(new, path))
		rc = drover_error_set(err, DROVER_EFAULT, "cannot write %s: %s", path, strerror(errno));
	if (file)
		fclose(file);
	buf_dispose(&text);
	free(new);
	return rc;
}

char *private_find_daemon(void)
{
	static const char *const installed[] = { DROVER_PREFIX "/sbin/droverd", DROVER_PREFIX "/bin/droverd",
						 DROVER_PREFIX "/libexec/drover/droverd" };
	const char *path = getenv("PATH");
	char self[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *found;

	self[size > 0 ? size : 0] = '\0';
	if (strrchr(self, '/')) {
		*strrchr(self, '/') = '\0';
		found = private_below(self, "droverd");
		if (!access(found, X_OK))
			return found;
		free(found);
	}
	for (size_t i = 0; i < sizeof(installed) / sizeof(*installed); i++)
		if (!access(installed[i], X_OK))
			return xstrdup(installed[i]);
	while (path && *path) {
		size_t length = strcspn(path, ":");
		struct buf candidate = BUF_INIT;

		buf_printf(&candidate, "%.*s/droverd", (int)length, path);
		if (length && !access(candidate.data, X_OK))
			return buf_take(&candidate);
		buf_dispose(&candidate);
		path += length + (path[length] == ':');
	}
	return NULL;
}
