/* plugin.c - the executor `ansible_adhoc`: one Ansible module on each host of the unit, as `ansible` runs it. */
#include <ansible/ansible.h>

struct adhoc {
	struct ansible ansible;
};

static const struct drover_option options[] = { ANSIBLE_OPTIONS(struct adhoc), DROVER_OPT_END };

static const struct drover_payload_field payload[] = {
	{ .name = "module", .types = DROVER_JSON_STRING, .flags = DROVER_REQUIRED, .help = "the module's name" },
	{ .name = "args",
	  .types = DROVER_JSON_STRING | DROVER_JSON_OBJECT,
	  .help = "its arguments: free text and key=value as on the command line, or an object" },
	{ .name = "become",
	  .types = DROVER_JSON_BOOL | DROVER_JSON_STRING | DROVER_JSON_OBJECT,
	  .help = "whether, whom (a name, or {\"user\", \"method\"}) to become" },
	{ .name = "check", .types = DROVER_JSON_BOOL, .help = "changes nothing, says what would change" },
	{ .name = "diff", .types = DROVER_JSON_BOOL, .help = "shows differences in files" },
	{ .name = "async", .types = DROVER_JSON_INT, .help = "seconds that it may run in the background" },
	{ .name = "poll", .types = DROVER_JSON_INT, .help = "seconds between looks at it; 0: it is not waited for" },
	DROVER_PAYLOAD_END
};

static int check(const void *context, struct drover_error *err)
{
	const struct adhoc *self = context;

	return ansible_check(&self->ansible, err);
}

static int open_server(void *context, struct drover_error *err)
{
	struct adhoc *self = context;

	return ansible_open(&self->ansible, err);
}

static void close_server(void *context)
{
	struct adhoc *self = context;

	ansible_close(&self->ansible);
}

static int help(void *context, struct drover_error *err)
{
	struct adhoc *self = context;

	return ansible_helper(&self->ansible, err);
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	struct adhoc *self = (struct adhoc *)(uintptr_t)drover_unit_self(unit);

	return ansible_run(unit, &self->ansible, err);
}

DROVER_EXECUTOR(.name = "ansible_adhoc", .version = "0.1.0", .types = "adhoc",
		.summary = "runs an Ansible module on each host", .self_size = sizeof(struct adhoc), .options = options,
		.payload = payload, .check = check, .open = open_server, .close = close_server, .helper = help,
		.run = run, .flags = DROVER_EXECUTOR_UNCONFINED, .host_memory = ANSIBLE_HOST_MEMORY);
