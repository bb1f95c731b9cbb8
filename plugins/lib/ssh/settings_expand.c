/*
 * settings_expand.c - `~`, `%h` and `${VARIABLE}` in values of ssh_config.
 */
#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ssh/settings.h"

/* What a token stands for, or NULL. `text` is room for what has to be made. */
static const char *token(char letter, const struct expansion *e, char *text, size_t size)
{
	*text = '\0';
	switch (letter) {
	case '%':
		return "%";
	case 'd':
		return e->home;
	case 'h':
		return e->address;
	case 'k':
	case 'n':
		return e->name;
	case 'r':
		return e->user;
	case 'u':
		return e->local_user;
	case 'p':
		snprintf(text, size, "%d", e->port);
		return text;
	case 'i':
		snprintf(text, size, "%u", (unsigned)geteuid());
		return text;
	case 'L':
	case 'l':
		if (gethostname(text, size - 1) < 0)
			return NULL;
		text[letter == 'L' ? strcspn(text, ".") : size - 1] = '\0';
		return text;
	default:
		return NULL;
	}
}

/* The value of what stands at `*at`, after its `%` or `$`, and goes on behind it. NULL: `bad` says what is wrong. */
static const char *value(const char **at, const struct expansion *e, char *text, size_t room, char *bad, size_t size)
{
	const char *found, *end;
	char name[64];

	if (**at == '%') {
		found = (*at)[1] ? token((*at)[1], e, text, room) : NULL;
		if (!found)
			snprintf(bad, size, "`%%%c` is not known here", (*at)[1] ? (*at)[1] : ' ');
		*at += found ? 2 : 0;
		return found;
	}
	end = strchr(*at, '}');
	if (!end || (size_t)(end - *at) >= sizeof(name)) {
		snprintf(bad, size, "`${` is not closed");
		return NULL;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(end - *at - 2), *at + 2);
	found = getenv(name);
	if (!found)
		snprintf(bad, size, "the daemon's environment has no %s", name);
	*at = end + 1;
	return found;
}

char *expand(const char *text, const struct expansion *e, bool tilde, char *bad, size_t size)
{
	char *result = NULL, made[256];
	size_t length = 0;
	FILE *out = open_memstream(&result, &length);
	bool wrong = !out;

	*bad = '\0';
	if (!out)
		return NULL;
	if (tilde && text[0] == '~' && (text[1] == '/' || !text[1])) {
		fputs(e->home, out);
		text++;
	} else if (tilde && *text == '~') {
		snprintf(bad, size, "`~NAME` is not supported");
		wrong = true;
	}
	while (*text && !wrong) {
		const char *part;

		if (*text != '%' && strncmp(text, "${", 2) != 0) {
			fputc(*text++, out);
			continue;
		}
		part = value(&text, e, made, sizeof(made), bad, size);
		if (part)
			fputs(part, out);
		else
			wrong = true;
	}
	if (fclose(out) != 0 || wrong) {
		free(result);
		return NULL;
	}
	return result;
}
