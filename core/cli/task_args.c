/* task_args.c - see task_args.h: the task that the options have made, completed. */
#include "cli/task_args.h"

#include <errno.h>
#include <string.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "util/buf.h"
#include "util/ulid.h"

#define PAYLOAD_FILE_SIZE ((size_t)64 * 1024 * 1024)

void task_args_init(struct task_args *args, const char *command)
{
	*args = (struct task_args){ .command = command, .task = json_object_new_object() };
}

void task_args_dispose(struct task_args *args)
{
	json_object_put(args->task);
	hosts_arg_dispose(&args->hosts);
	hosts_arg_dispose(&args->exclude);
}

static struct json_object *host_value(const struct task_args *args, const char *name)
{
	struct json_object *host;

	if (!args->user && !args->port)
		return json_object_new_string(name);
	host = json_object_new_object();
	json_object_object_add(host, "name", json_object_new_string(name));
	if (args->user)
		json_object_object_add(host, "user", json_object_new_string(args->user));
	if (args->port)
		json_object_object_add(host, "port", json_object_new_int(args->port));
	return host;
}

/* What is left out is always a text. */
static int add_excluded(struct task_args *args)
{
	struct drover_error err = { 0 };
	struct nodeset set;
	char *text = NULL;

	if (!hosts_arg_text(&args->exclude, &text)) {
		if (hosts_arg_expand(&args->exclude, &set, &err))
			return hosts_arg_fail(&args->exclude, args->command, "-x", &err);
		text = nodeset_fold(set.names, set.count);
		nodeset_dispose(&set);
	}
	json_object_object_add(args->task, "exclude", json_object_new_string(text));
	free(text);
	return CLI_OK;
}

/* As text where the daemon can read it so, else as the list of its names. */
static int add_hosts(struct task_args *args, bool objects)
{
	const struct hosts_arg *hosts = &args->hosts;
	struct drover_error err = { 0 };
	struct json_object *array;
	struct nodeset set;
	char *text = NULL;

	if (!objects && hosts_arg_text(hosts, &text)) {
		json_object_object_add(args->task, "hosts", json_object_new_string(text));
		free(text);
		return CLI_OK;
	}
	if (hosts_arg_expand(hosts, &set, &err))
		return hosts_arg_fail(hosts, args->command, "-H", &err);
	array = json_object_new_array_ext((int)set.count + 1);
	for (size_t i = 0; i < set.count; i++)
		json_object_array_add(array,
				      objects ? host_value(args, set.names[i]) : json_object_new_string(set.names[i]));
	json_object_object_add(args->task, "hosts", array);
	nodeset_dispose(&set);
	return CLI_OK;
}

int task_args_read(struct task_args *args, const char *option, const char *name, const char *member)
{
	FILE *file = !strcmp(name, "-") ? stdin : fopen(name, "re");
	struct buf text = BUF_INIT;
	char chunk[16384];
	size_t size;
	int code = CLI_OK;

	if (!file)
		return cli_usage(args->command, "%s: cannot read %s: %s", option, name, strerror(errno));
	while (text.size <= PAYLOAD_FILE_SIZE && (size = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_append(&text, chunk, size);
	if (ferror(file) || text.size > PAYLOAD_FILE_SIZE)
		code = cli_usage(args->command, "%s: cannot read %s: %s", option, name,
				 ferror(file) ? strerror(errno) : "it is too large");
	else
		json_object_object_add(task_args_child(args->task, "payload"), member,
				       json_object_new_string_len(text.data ? text.data : "", (int)text.size));
	if (file != stdin)
		fclose(file);
	buf_dispose(&text);
	return code;
}

static int add_command(struct task_args *args, char **words)
{
	struct json_object *payload;
	struct buf command = BUF_INIT;
	int code;

	if (json_object_object_get_ex(args->task, "type", NULL)) {
		if (args->script_file || args->stdin_file)
			return cli_usage(args->command, "%s is for shell commands",
					 args->script_file ? "--script" : "--stdin");
		return *words ? cli_usage(args->command, "words of a command do not go with --type; use --payload")
			      : CLI_OK;
	}
	json_object_object_add(args->task, "type", json_object_new_string("shell"));
	payload = task_args_child(args->task, "payload");
	if (args->script_file && *words)
		return cli_usage(args->command, "--script and a command exclude each other: which shall it be?");
	if (args->script_file) {
		code = task_args_read(args, "--script", args->script_file, "script");
		if (code)
			return code;
	} else if (*words && words[1] && !strcmp(words[1], "--")) {
		return cli_usage(args->command,
				 "\"%s\" stands where the command begins; -b takes no value: write "
				 "--become-user %s",
				 words[0], words[0]);
	} else if (*words) {
		/* By blanks for the remote shell, as ssh does. */
		for (char **word = words; *word; word++)
			buf_printf(&command, "%s%s", word == words ? "" : " ", *word);
		json_object_object_add(payload, "command", json_object_new_string(command.data));
		buf_dispose(&command);
	} else {
		return cli_usage(args->command,
				 "there is no command; write it behind the options: drover run -H HOSTS -- uptime");
	}
	return args->stdin_file ? task_args_read(args, "--stdin", args->stdin_file, "stdin") : CLI_OK;
}

int task_args_finish(struct task_args *args, char **words)
{
	char id[ULID_SIZE];
	int code;

	if (!args->hosts.count)
		return cli_usage(args->command,
				 "-H is missing: on which hosts? For example -H web[1-30] or -H localhost");
	code = add_hosts(args, args->user || args->port);
	if (!code && args->exclude.count)
		code = add_excluded(args);
	if (!code)
		code = add_command(args, words);
	/* Named here, a task can be submitted again after a lost answer without becoming two. */
	ulid_make(id);
	json_object_object_add(args->task, "id", json_object_new_string(id));
	return code;
}
