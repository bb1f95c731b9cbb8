/*
 * remote.c - how environment, scripts and standard input reach a remote command: all of it comes
 * over the connection's standard input, the environment and the script first, counted in bytes.
 */
#define _GNU_SOURCE

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "payload.h"
#include "ssh/quote.h"

static int __attribute__((format(printf, 2, 3))) format(char **text, const char *pattern, ...)
{
	va_list args;
	int size;

	va_start(args, pattern);
	size = vasprintf(text, pattern, args);
	va_end(args);
	if (size < 0)
		*text = NULL;
	return size;
}

int payload_interpreter(const char *script, char **interpreter, char **argument)
{
	const char *line = script + 2;
	size_t size, word;

	*argument = NULL;
	if (strncmp(script, "#!", 2) != 0) {
		*interpreter = strdup("/bin/sh");
		return *interpreter ? 0 : DROVER_ENOMEM;
	}
	line += strspn(line, " \t");
	size = strcspn(line, "\r\n");
	while (size && (line[size - 1] == ' ' || line[size - 1] == '\t'))
		size--;
	word = strcspn(line, " \t\r\n");
	if (word > size)
		word = size;
	*interpreter = word ? strndup(line, word) : strdup("/bin/sh");
	if (!*interpreter)
		return DROVER_ENOMEM;
	line += word;
	size -= word;
	word = strspn(line, " \t");
	if (word < size) {
		*argument = strndup(line + word, size - word);
		if (!*argument) {
			free(*interpreter);
			return DROVER_ENOMEM;
		}
	}
	return 0;
}

/* `export NAME='value'` lines. */
static char *exports(const struct payload *p)
{
	char *text = strdup("");

	for (size_t i = 0; i < p->env_count && text; i++) {
		const char *value = strchr(p->env[i], '=') + 1;
		char *quoted = quote_words(&value, 1);
		char *longer = NULL;

		if (quoted)
			(void)format(&longer, "%sexport %.*s%s\n", text, (int)(value - p->env[i]), p->env[i], quoted);
		free(quoted);
		free(text);
		text = longer;
	}
	return text;
}

/*
 * The script goes into a file that has no name any more when the script begins, so nothing is left
 * behind however it ends, and the interpreter takes the place of the shell, so its exit code or
 * signal is the script's own.
 */
static int script_command(const struct payload *p, size_t env_size, char **command)
{
	char *interpreter, *argument, *words = NULL;
	const char *parts[2];
	int result = DROVER_ENOMEM;

	if (payload_interpreter(p->script, &interpreter, &argument) < 0)
		return DROVER_ENOMEM;
	parts[0] = interpreter;
	parts[1] = argument;
	words = quote_words(parts, argument ? 2 : 1);
	if (words && format(command,
			    "exec /bin/sh -c 'eval \"$(head -c %zu)\"; "
			    "f=$(mktemp \"${TMPDIR:-/tmp}/drover.XXXXXXXXXX\") || exit 126; "
			    "head -c %zu >\"$f\" && exec 9<\"$f\" && rm -f \"$f\" || { rm -f \"$f\"; exit 126; }; "
			    "unset f; exec \"$@\" /dev/fd/9' sh %s",
			    env_size, strlen(p->script), words) >= 0)
		result = 0;
	free(words);
	free(interpreter);
	free(argument);
	return result;
}

/* The user's own shell runs the command, as ssh would have it. */
static int env_command(const struct payload *p, size_t env_size, char **command)
{
	const char *word = p->command;
	char *quoted = quote_words(&word, 1);
	int size = -1;

	if (quoted)
		size = format(command,
			      "exec /bin/sh -c 'eval \"$(head -c %zu)\"; exec \"${SHELL:-/bin/sh}\" -c \"$1\"' sh %s",
			      env_size, quoted);
	free(quoted);
	return size < 0 ? DROVER_ENOMEM : 0;
}

int payload_remote(const struct payload *p, struct payload_remote *remote, struct drover_error *err)
{
	char *env = exports(p);
	const char *script = p->script ? p->script : "";
	size_t env_size;
	int result = DROVER_ENOMEM;

	*remote = (struct payload_remote){ .command = NULL };
	if (!env)
		goto out;
	env_size = strlen(env);
	if (p->script)
		result = script_command(p, env_size, &remote->command);
	else if (env_size)
		result = env_command(p, env_size, &remote->command);
	else
		result = (remote->command = strdup(p->command)) ? 0 : DROVER_ENOMEM;
	if (result < 0)
		goto out;
	remote->input_size = env_size + strlen(script) + p->input_size;
	remote->input = malloc(remote->input_size + 1);
	if (!remote->input) {
		result = DROVER_ENOMEM;
		goto out;
	}
	memcpy(remote->input, env, env_size);
	memcpy(remote->input + env_size, script, strlen(script));
	if (p->input_size)
		memcpy(remote->input + env_size + strlen(script), p->input, p->input_size);
out:
	free(env);
	if (result < 0) {
		payload_remote_dispose(remote);
		drover_error_set(err, result, "no memory for the command");
	}
	return result;
}

void payload_remote_dispose(struct payload_remote *remote)
{
	free(remote->command);
	free(remote->input);
	*remote = (struct payload_remote){ .command = NULL };
}
