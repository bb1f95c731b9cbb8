/*
 * ansible.h - runs a unit by Ansible: the executor's helper has it imported and forks a process for each
 * unit (python/server.py); the unit adopts that process, hands it the request and reports what it tells.
 *
 * Used in the executor host (`open`, `helper`) and in the unit process (`run`); single-threaded.
 */
#ifndef LIB_ANSIBLE_H
#define LIB_ANSIBLE_H

#include <drover/executor.h>

struct json_object;

/* MiB of a host's worker, its ssh client and master. */
#define ANSIBLE_HOST_MEMORY 40

/* The options that every executor by Ansible has; the first member of its instance. */
struct ansible {
	char *python;     /* the interpreter, and so the Ansible */
	char *config;     /* ansible.cfg, or NULL: Ansible's own search */
	char *credential; /* the default one's name, or NULL */
	struct drover_list inventory;
	struct drover_map environment; /* of the helper: ANSIBLE_… */
	bool become;
	char *become_user;
	char *become_method;
	int64_t forks; /* 0: as many as the unit has hosts */
	bool allow_localhost;
	bool preload;
	char *vault_password;
	struct drover_map vault_ids; /* label: file */
	struct drover_list collections_path;
	struct drover_list roles_path;
	char *playbooks; /* the folder of playbooks that tasks name by path, or NULL; an option of playbooks' executor */

	int ends[2];      /* to the helper: the units', the helper's */
	char folder[128]; /* of temporary files */
	int lock;         /* of it; held by all that may use it */
};

/* Hosts of a unit that are worked on by one process: positions in the unit. */
struct ansible_batch {
	size_t *index;
	size_t count;
};

/* In the table of an instance `self` whose first member is `struct ansible ansible`. */
#define ANSIBLE_OPTIONS(self)                                                                                          \
	{ .name = "python",                                                                                            \
	  .type = DROVER_TYPE_STRING,                                                                                  \
	  .offset = offsetof(self, ansible.python),                                                                    \
	  .initial = "/usr/bin/python3",                                                                               \
	  .help = "the Python interpreter whose Ansible is used; a virtual environment's, for one" },                  \
		{ .name = "config",                                                                                    \
		  .type = DROVER_TYPE_STRING,                                                                          \
		  .offset = offsetof(self, ansible.config),                                                            \
		  .help = "an ansible.cfg; without it Ansible looks for one as it always does" },                      \
		{ .name = "credential",                                                                                \
		  .type = DROVER_TYPE_STRING,                                                                          \
		  .offset = offsetof(self, ansible.credential),                                                        \
		  .help = "the credential of tasks that name none" },                                                  \
		{ .name = "inventory",                                                                                 \
		  .type = DROVER_TYPE_LIST,                                                                            \
		  .offset = offsetof(self, ansible.inventory),                                                         \
		  .help = "inventory files, folders or scripts, for the variables of hosts and groups" },              \
		{ .name = "environment",                                                                               \
		  .type = DROVER_TYPE_MAP,                                                                             \
		  .offset = offsetof(self, ansible.environment),                                                       \
		  .help = "environment variables for Ansible, such as ANSIBLE_PIPELINING" },                           \
		{ .name = "become",                                                                                    \
		  .type = DROVER_TYPE_BOOL,                                                                            \
		  .offset = offsetof(self, ansible.become),                                                            \
		  .initial = "false",                                                                                  \
		  .help = "whether tasks that do not say otherwise run as become_user" },                              \
		{ .name = "become_user",                                                                               \
		  .type = DROVER_TYPE_STRING,                                                                          \
		  .offset = offsetof(self, ansible.become_user),                                                       \
		  .help = "whom tasks become; by default Ansible's own: root" },                                       \
		{ .name = "become_method",                                                                             \
		  .type = DROVER_TYPE_STRING,                                                                          \
		  .offset = offsetof(self, ansible.become_method),                                                     \
		  .help = "how tasks become it; by default Ansible's own: sudo" },                                     \
		{ .name = "allow_localhost",                                                                           \
		  .type = DROVER_TYPE_BOOL,                                                                            \
		  .offset = offsetof(self, ansible.allow_localhost),                                                   \
		  .initial = "false",                                                                                  \
		  .help = "whether steps may run on this machine: localhost, delegate_to, connection: local" },        \
		{ .name = "preload",                                                                                   \
		  .type = DROVER_TYPE_BOOL,                                                                            \
		  .offset = offsetof(self, ansible.preload),                                                           \
		  .initial = "true",                                                                                   \
		  .help = "whether Ansible is imported at the start; else when the first unit comes" },                \
		{ .name = "vault_password",                                                                            \
		  .type = DROVER_TYPE_SECRET,                                                                          \
		  .offset = offsetof(self, ansible.vault_password),                                                    \
		  .help = "what opens vaults" },                                                                       \
		{ .name = "vault_ids",                                                                                 \
		  .type = DROVER_TYPE_MAP,                                                                             \
		  .offset = offsetof(self, ansible.vault_ids),                                                         \
		  .help = "more vault passwords: {LABEL: FILE}, as ansible's --vault-id LABEL@FILE" },                 \
		{ .name = "collections_path",                                                                          \
		  .type = DROVER_TYPE_LIST,                                                                            \
		  .offset = offsetof(self, ansible.collections_path),                                                  \
		  .help = "folders of collections; without them ansible.cfg's" },                                      \
		{ .name = "roles_path",                                                                                \
		  .type = DROVER_TYPE_LIST,                                                                            \
		  .offset = offsetof(self, ansible.roles_path),                                                        \
		  .help = "folders of roles; without them ansible.cfg's" },                                            \
	{                                                                                                              \
		.name = "forks", .type = DROVER_TYPE_INT, .offset = offsetof(self, ansible.forks), .initial = "0",     \
		.minimum = "0", .maximum = "10000",                                                                    \
		.help = "hosts of a unit that Ansible works on at once; 0: all of them"                                \
	}

/* helper.c: the executor's operations of these names. */
int ansible_check(const struct ansible *self, struct drover_error *err);
int ansible_open(struct ansible *self, struct drover_error *err);
void ansible_close(struct ansible *self);
int ansible_helper(struct ansible *self, struct drover_error *err);

/*
 * The executors' `run`: hands the unit to its process and reports what that tells; in a task with a `fanout`,
 * batch by batch, as hosts are granted. Errors: DROVER_EINVALID: Ansible refused it, in its own words.
 */
int ansible_run(struct drover_unit *unit, struct ansible *self, struct drover_error *err);

/* request.c: what the process of a batch needs to know. Owned by the caller. */
struct json_object *ansible_request(struct drover_unit *unit, const struct ansible *self,
				    const struct ansible_batch *batch, struct drover_error *err);

/* session.c: works on those hosts, reports them. Errors: as ansible_run. */
int ansible_session(struct drover_unit *unit, struct ansible *self, const struct ansible_batch *batch,
		    struct drover_error *err);

/*
 * folder.c: a folder of this instance's own for temporary files, with a short name, since sockets are in it; what
 * instances that were killed have left is removed. `lock` keeps it: it is open for as long as somebody may use it.
 */
int folder_make(char *path, size_t room, int *lock, struct drover_error *err);
void folder_remove(const char *path);

/* rows.c: reports a host's end or progress as results.py tells it. True: it was the end. */
bool ansible_report(struct drover_unit *unit, struct json_object *event);
/* Shows watchers what has happened on a host; those who are new since `seen`, this host's, everything so far. */
void ansible_show(struct drover_unit *unit, struct json_object *event, unsigned *seen);
/* A member as text, or NULL: it is none. Borrowed. */
const char *ansible_text(struct json_object *object, const char *name);

#endif
