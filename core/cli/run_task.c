/* run_task.c - see run_task.h. */
#include "cli/run_task.h"

#include <stdlib.h>

#include "cli/host_groups.h"
#include "cli/perform.h"
#include "cli/private_files.h"
#include "cli/session.h"

/* What a private daemon can do is what is installed here. */
static int check_ansible(const struct session *session)
{
	char *python = session->private ? private_find_ansible() : NULL;
	bool there = !session->private || python;

	free(python);
	if (there)
		return CLI_OK;
	cli_say("Ansible is not installed here: there is no ansible-playbook on the PATH. Install it (apt-get install "
		"ansible-core), or name a daemon that has it: --url URL");
	return CLI_ERROR;
}

int run_task(struct cli *cli, struct task_args *args, struct view *view, char **words, bool ansible)
{
	struct host_groups groups = { 0 };
	struct session session;
	int code;

	host_groups_attach(&groups, cli, &args->hosts);
	host_groups_attach(&groups, cli, &args->exclude);
	code = task_args_finish(args, words);
	host_groups_close(&groups);
	if (!code && (args->dry_run || args->detach) && (view->folder || view->mode != VIEW_FOLDED))
		code = cli_usage(args->command,
				 "--dry-run and --detach show no outputs; watch, outputs and logs do later");
	if (!code)
		code = view_open(view);
	if (!code)
		code = session_open(&session, cli, true);
	if (!code) {
		code = ansible ? check_ansible(&session) : CLI_OK;
		if (!code)
			code = perform_task(&session, cli, args, view);
		session_close(&session);
	}
	view_close(view);
	task_args_dispose(args);
	return code;
}
