/* private_log.c - see private_log.h. */
#define _GNU_SOURCE /* getline */
#include "cli/private_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/buf.h"

#define TAIL_SIZE 2000
#define CORE_FAILED " core: cannot start: "

long private_log_size(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (long)st.st_size;
}

size_t private_log_core_failures(const char *path, long from, char **reason)
{
	FILE *file = fopen(path, "re");
	size_t count = 0, room = 0;
	char *line = NULL, *found;

	if (!file)
		return 0;
	if (fseek(file, from, SEEK_SET))
		rewind(file);
	while (getline(&line, &room, file) > 0) {
		found = strstr(line, CORE_FAILED);
		if (!found || !strchr(found, '\n'))
			continue;
		count++;
		found[strcspn(found, "\n")] = '\0';
		free(*reason);
		*reason = xstrdup(found + strlen(CORE_FAILED));
	}
	free(line);
	fclose(file);
	return count;
}

void private_log_show(const char *path)
{
	char tail[TAIL_SIZE + 1];
	FILE *file = fopen(path, "re");
	size_t size, skip = 0;

	if (!file)
		return;
	if (!fseek(file, -TAIL_SIZE, SEEK_END))
		skip = 1;
	else
		rewind(file);
	size = fread(tail, 1, TAIL_SIZE, file);
	tail[size] = '\0';
	fclose(file);
	/* The first line may be half of one. */
	if (skip && strchr(tail, '\n'))
		skip = (size_t)(strchr(tail, '\n') + 1 - tail);
	else
		skip = 0;
	fprintf(stderr, "--- the end of %s\n%s---\n", path, tail + skip);
}
