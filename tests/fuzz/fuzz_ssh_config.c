/*
 * fuzz_ssh_config.c - any text as a ssh_config (libFuzzer): each line is read or broken, and what is answered for a
 * host is a line of the text, of words, or a problem that names one.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/lib/ssh/config_ask.c"
#include "../../plugins/lib/ssh/config_read.c"

static void check_line(const struct config_line *line, const struct config_file *file)
{
	if (line < file->lines || line >= file->lines + file->count || line->broken || !line->count)
		abort();
	for (size_t i = 0; i < line->count; i++)
		if (!line->words[i])
			abort();
	if (line->words[line->count])
		abort();
}

static void check(const struct config *config, const char *name, const char *user)
{
	const struct config_query query = { name, user, "operator" };
	struct config_answer answer;

	if (config_ask(config, &query, &answer) < 0)
		return;
	for (size_t i = 0; i < CONFIG_FIRST_COUNT; i++)
		if (answer.first[i])
			check_line(answer.first[i], config->files[0]);
	for (size_t k = 0; k < CONFIG_ALL_COUNT; k++)
		for (size_t i = 0; i < answer.all[k].count; i++)
			check_line(answer.all[k].lines[i], config->files[0]);
	if (*answer.problem && !strstr(answer.problem, " at "))
		abort();
	config_answer_dispose(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = calloc(1, sizeof(*config));
	char *text = strndup((const char *)data, size);

	if (!config || !text)
		abort();
	config->home = "/nonexistent";
	config->roots = calloc(2, sizeof(struct config_file *));
	config->roots[0] = new_file(config, "fuzzed");
	/* At the greatest depth: no file of this machine is included. */
	if (config_read_text(config, config->roots[0], text, DEPTH_MOST) == 0) {
		check(config, "web1", NULL);
		check(config, "10.0.0.1", "root");
		fuzz_accepted++;
	}
	config_free(config);
	free(text);
	return 0;
}
