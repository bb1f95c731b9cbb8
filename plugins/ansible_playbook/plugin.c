/* plugin.c - the executor `ansible_playbook`: a playbook on the unit's hosts, as `ansible-playbook` runs it. */
#include <ansible/ansible.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

struct playbook {
	struct ansible ansible;
};

static const struct drover_option options[] = {
	ANSIBLE_OPTIONS(struct playbook),
	{ .name = "playbooks",
	  .type = DROVER_TYPE_STRING,
	  .offset = offsetof(struct playbook, ansible.playbooks),
	  .help = "the folder of the playbooks that tasks name by path; nothing outside of it is one" },
	DROVER_OPT_END
};

static const struct drover_payload_field payload[] = {
	{ .name = "playbook", .types = DROVER_JSON_STRING, .group = 1, .help = "the playbook itself, YAML text" },
	{ .name = "path", .types = DROVER_JSON_STRING, .group = 1, .help = "its path in the folder of playbooks" },
	{ .name = "vars", .types = DROVER_JSON_OBJECT, .help = "extra variables; they win over all others" },
	{ .name = "tags",
	  .types = DROVER_JSON_STRING | DROVER_JSON_STRINGS,
	  .help = "only steps with one of these tags" },
	{ .name = "skip_tags",
	  .types = DROVER_JSON_STRING | DROVER_JSON_STRINGS,
	  .help = "no steps with one of these tags" },
	{ .name = "step_timeout",
	  .types = DROVER_JSON_DURATION,
	  .help = "for one step on one host; without it, a host that holds up the others is ended in time" },
	{ .name = "become",
	  .types = DROVER_JSON_BOOL | DROVER_JSON_STRING | DROVER_JSON_OBJECT,
	  .help = "whether, whom (a name, or {\"user\", \"method\"}) to become" },
	{ .name = "check", .types = DROVER_JSON_BOOL, .help = "changes nothing, says what would change" },
	{ .name = "diff", .types = DROVER_JSON_BOOL, .help = "shows differences in files" },
	DROVER_PAYLOAD_END
};

static int check(const void *context, struct drover_error *err)
{
	const struct playbook *self = context;
	const char *folder = self->ansible.playbooks;

	if (folder && access(folder, R_OK | X_OK))
		return drover_error_set(err, DROVER_EINVALID, "playbooks: cannot read %s: %s", folder, strerror(errno));
	return ansible_check(&self->ansible, err);
}

static int open_server(void *context, struct drover_error *err)
{
	struct playbook *self = context;

	return ansible_open(&self->ansible, err);
}

static void close_server(void *context)
{
	struct playbook *self = context;

	ansible_close(&self->ansible);
}

static int help(void *context, struct drover_error *err)
{
	struct playbook *self = context;

	return ansible_helper(&self->ansible, err);
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	struct playbook *self = (struct playbook *)(uintptr_t)drover_unit_self(unit);

	return ansible_run(unit, &self->ansible, err);
}

DROVER_EXECUTOR(.name = "ansible_playbook", .version = "0.1.0", .types = "playbook",
		.summary = "runs an Ansible playbook", .self_size = sizeof(struct playbook), .options = options,
		.payload = payload, .check = check, .open = open_server, .close = close_server, .helper = help,
		.run = run, .flags = DROVER_EXECUTOR_UNCONFINED, .host_memory = ANSIBLE_HOST_MEMORY);
