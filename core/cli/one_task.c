/* one_task.c - see one_task.h. */
#include "cli/one_task.h"

error_t one_task_word(int key, char *arg, struct argp_state *state, const char *what, const char **word)
{
	switch (key) {
	case ARGP_KEY_ARG:
		if (*word)
			argp_error(state, "one %s, please: \"%s\" is too much", what, arg);
		*word = arg;
		return 0;
	case ARGP_KEY_END:
		if (!*word)
			argp_error(state, "which %s?", what);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

error_t one_task_parse(int key, char *arg, struct argp_state *state)
{
	return one_task_word(key, arg, state, ONE_TASK_WHAT, state->input);
}

int one_task_open(struct cli *cli, const char *word, struct session *session, struct json_object **task)
{
	int code = session_open(session, cli, false);

	if (code)
		return code;
	code = session_task(session, word, task);
	if (code)
		session_close(session);
	return code;
}

void one_task_close(struct session *session, struct json_object *task)
{
	json_object_put(task);
	session_close(session);
}
