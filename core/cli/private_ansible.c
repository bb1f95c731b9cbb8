/* private_ansible.c - the Ansible that a private daemon uses: the one that its user would start; private_files.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/private_files.h"
#include "util/buf.h"

static char *find_program(const char *name, size_t length)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t size = strcspn(path, ":");
		struct buf candidate = BUF_INIT;

		buf_printf(&candidate, "%.*s/%.*s", (int)size, path, (int)length, name);
		if (*path == '/' && !access(candidate.data, X_OK))
			return buf_take(&candidate);
		buf_dispose(&candidate);
		path += size + (path[size] == ':');
	}
	return NULL;
}

/* `#!/usr/bin/python3`, or `#!/usr/bin/env python3`. */
static char *interpreter(const char *line)
{
	const char *word = line + 2 + strspn(line + 2, " \t"), *next;
	size_t length = strcspn(word, " \t\r\n"), rest;
	char *found;

	next = word + length + strspn(word + length, " \t");
	rest = strcspn(next, " \t\r\n");
	if (length > 4 && !strncmp(word + length - 4, "/env", 4) && rest)
		return find_program(next, rest);
	found = strndup(word, length);
	if (found && !access(found, X_OK))
		return found;
	free(found);
	return NULL;
}

char *private_find_ansible(void)
{
	static const char name[] = "ansible-playbook";
	char *program = find_program(name, sizeof(name) - 1), *found = NULL, line[1024] = "";
	FILE *file = program ? fopen(program, "re") : NULL;

	if (file && fgets(line, sizeof(line), file) && !strncmp(line, "#!", 2))
		found = interpreter(line);
	if (file)
		fclose(file);
	free(program);
	return found && strstr(found, "python") ? found : (free(found), NULL);
}
