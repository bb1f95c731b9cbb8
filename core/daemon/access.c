/* access.c - see access.h. */
#include "daemon/access.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "daemon/core.h"
#include "util/buf.h"
#include "util/nameset.h"
#include "util/nodeset.h"

#define SETS_MAX 64
#define VERDICTS_MAX 4096
#define PAGE 5000     /* rows that one query looks at: it holds a reading session of the store meanwhile */
#define NAMED_HOSTS 5 /* that a refusal names */

struct access_set {
	char *text;
	struct nameset names;
	int users;    /* that look into it without the lock */
	bool dropped; /* freed by the last of them */
	UT_hash_handle hh;
};

struct verdict_key {
	int64_t task;
	const struct access_set *set;
};

struct access_verdict {
	struct verdict_key key;
	bool inside;
	UT_hash_handle hh;
};

/* ------------------------------------------------------------------------------------ the caches */

static void set_free(struct access_set *set)
{
	nameset_dispose(&set->names);
	free(set->text);
	free(set);
}

/* Under the lock, as all that follow here. Verdicts go with the sets that they are about. */
static void forget_verdicts(struct access *a)
{
	struct access_verdict *verdict, *next;

	HASH_ITER (hh, a->verdicts, verdict, next) {
		HASH_DEL(a->verdicts, verdict);
		free(verdict);
	}
}

static void forget_sets(struct access *a)
{
	struct access_set *set, *next;

	forget_verdicts(a);
	HASH_ITER (hh, a->sets, set, next) {
		HASH_DEL(a->sets, set);
		set->dropped = true;
		if (!set->users)
			set_free(set);
	}
}

static int set_make(const char *text, size_t limit, struct access_set **out, struct drover_error *err)
{
	struct drover_error why = { 0 };
	struct access_set *set;
	struct nodeset names;

	if (nodeset_expand(text, limit, NULL, NULL, &names, &why))
		return drover_error_set(err, DROVER_EDENIED, "the token's node set cannot be read: %s%s", why.message,
					why.code == DROVER_ELIMIT ? " (limits.hosts)" : "");
	set = xcalloc(1, sizeof(*set));
	set->text = xstrdup(text);
	for (size_t i = 0; i < names.count; i++)
		nameset_add(&set->names, names.names[i], strlen(names.names[i]));
	nodeset_dispose(&names);
	*out = set;
	return 0;
}

/* The set of a principal; to be given back. */
static int set_take(struct core *core, const char *text, struct access_set **out, struct drover_error *err)
{
	struct access *a = &core->access;
	struct access_set *set;
	int code = 0;

	pthread_mutex_lock(&a->lock);
	HASH_FIND_STR(a->sets, text, set);
	if (!set) {
		if (HASH_COUNT(a->sets) >= SETS_MAX)
			forget_sets(a);
		code = set_make(text, (size_t)core->limits.hosts, &set, err);
		if (!code)
			HASH_ADD_KEYPTR(hh, a->sets, set->text, strlen(set->text), set);
	}
	if (!code) {
		set->users++;
		*out = set;
	}
	pthread_mutex_unlock(&a->lock);
	return code;
}

static void set_give(struct core *core, struct access_set *set)
{
	pthread_mutex_lock(&core->access.lock);
	if (!--set->users && set->dropped)
		set_free(set);
	pthread_mutex_unlock(&core->access.lock);
}

static bool verdict_known(struct core *core, const struct verdict_key *key, bool *inside)
{
	struct access *a = &core->access;
	struct access_verdict *verdict;

	pthread_mutex_lock(&a->lock);
	HASH_FIND(hh, a->verdicts, key, sizeof(*key), verdict);
	if (verdict)
		*inside = verdict->inside;
	pthread_mutex_unlock(&a->lock);
	return verdict;
}

static void verdict_keep(struct core *core, const struct verdict_key *key, bool inside)
{
	struct access *a = &core->access;
	struct access_verdict *verdict;

	pthread_mutex_lock(&a->lock);
	HASH_FIND(hh, a->verdicts, key, sizeof(*key), verdict);
	if (!verdict && !key->set->dropped) {
		if (HASH_COUNT(a->verdicts) >= VERDICTS_MAX)
			forget_verdicts(a);
		verdict = xcalloc(1, sizeof(*verdict));
		verdict->key = *key;
		verdict->inside = inside;
		HASH_ADD(hh, a->verdicts, key, sizeof(verdict->key), verdict);
	}
	pthread_mutex_unlock(&a->lock);
}

/* ----------------------------------------------------------------------------------------- tasks */

struct owned_task {
	int64_t key;
	const char *by;
	bool own;
};

static int look_at_task(void *context, const struct drover_task *task)
{
	struct owned_task *found = context;

	found->key = task->key;
	found->own = task->owner && found->by && !strcmp(task->owner, found->by);
	return 0;
}

struct host_scan {
	const struct access_set *set;
	int64_t last, rows;
	bool outside;
};

static int look_at_host(void *context, const struct drover_result_row *row)
{
	struct host_scan *scan = context;

	scan->last = row->id;
	scan->rows++;
	scan->outside = !nameset_has(&scan->set->names, row->host, strlen(row->host));
	return scan->outside;
}

static int scan_hosts(struct core *core, int64_t task_key, const struct access_set *set, bool *inside,
		      struct drover_error *err)
{
	struct host_scan scan = { .set = set };
	int code = 0;

	do {
		struct drover_result_filter filter = {
			.size = sizeof(filter), .task_key = task_key, .after_id = scan.last, .limit = PAGE
		};

		scan.rows = 0;
		code = core_services.results(core, &filter, look_at_host, &scan, err);
	} while (!code && scan.rows == PAGE);
	if (code < 0)
		return code;
	*inside = !scan.outside;
	return 0;
}

static int permit_task(struct core *core, const struct drover_principal *by, const char *task,
		       const struct access_set *set, struct drover_error *err)
{
	struct owned_task found = { .by = by->name };
	struct verdict_key key;
	bool inside;
	int code = core_services.task(core, task, look_at_task, &found, err);

	if (code || found.own)
		return code;
	memset(&key, 0, sizeof(key));
	key.task = found.key;
	key.set = set;
	if (!verdict_known(core, &key, &inside)) {
		code = scan_hosts(core, found.key, set, &inside, err);
		if (code)
			return code;
		verdict_keep(core, &key, inside);
	}
	return inside ? 0
		      : drover_error_set(err, DROVER_EDENIED,
					 "the task has hosts outside of the token's node set, and another owner");
}

/* Nobody that a source has to tell apart, or somebody without a limit. */
static bool is_unlimited(const struct drover_principal *by)
{
	return !by || by->admin || !by->hosts;
}

bool access_is_confined(const struct drover_principal *by)
{
	return !is_unlimited(by);
}

int access_permit(void *context, const struct drover_principal *by, const char *task, const char *host,
		  struct drover_error *err)
{
	struct core *core = context;
	struct access_set *set;
	int code;

	if (is_unlimited(by))
		return 0;
	code = set_take(core, by->hosts, &set, err);
	if (code)
		return code;
	if (task)
		code = permit_task(core, by, task, set, err);
	else if (host && !nameset_has(&set->names, host, strlen(host)))
		code = drover_error_set(err, DROVER_EDENIED, "%.100s is outside of the token's node set", host);
	set_give(core, set);
	return code;
}

/* ----------------------------------------------------------------------------------- submissions */

static int check_hosts(const struct submission *s, const struct access_set *set, struct drover_error *err)
{
	struct buf names = BUF_INIT;
	size_t outside = 0;

	for (size_t i = 0; i < s->host_count; i++) {
		const char *name = s->hosts[i].name;

		if (nameset_has(&set->names, name, strlen(name)))
			continue;
		if (outside < NAMED_HOSTS)
			buf_printf(&names, "%s%.60s", outside ? ", " : "", name);
		outside++;
	}
	if (outside > NAMED_HOSTS)
		buf_printf(&names, " and %zu more", outside - NAMED_HOSTS);
	if (outside)
		drover_error_set(err, DROVER_EDENIED, "outside of the token's node set: %s", names.data);
	buf_dispose(&names);
	return outside ? DROVER_EDENIED : 0;
}

/*
 * A task may say where a host of it is: a name within the set must not lead to an address outside of it. What the
 * inventory says comes from whoever configured it, and stands.
 */
static int check_detours(const struct submission *s, const struct access_set *set, struct drover_error *err)
{
	struct json_object *hosts = json_object_object_get(s->root, "hosts");
	size_t count = json_object_is_type(hosts, json_type_array) ? json_object_array_length(hosts) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *host = json_object_array_get_idx(hosts, i);
		struct json_object *vars = json_object_object_get(host, "vars");
		const char *address = json_object_get_string(json_object_object_get(host, "address"));

		if (address && !nameset_has(&set->names, address, strlen(address)))
			return drover_error_set(err, DROVER_EDENIED,
						"the address %.60s is outside of the token's node set", address);
		if (!json_object_is_type(vars, json_type_object))
			continue;
		json_object_object_foreach (vars, key, value) {
			(void)value;
			if (!strncmp(key, "ansible_", 8))
				return drover_error_set(
					err, DROVER_EDENIED,
					"a token with a node set may not give a host the variable %.60s", key);
		}
	}
	return 0;
}

/* Under the lock. With a list only those in it, admins too; without one admins. */
static bool is_allowed(struct json_object *credentials, const char *name, const struct drover_principal *by)
{
	struct json_object *credential, *allow = NULL;

	if (!json_object_object_get_ex(credentials, name, &credential))
		return by->admin; /* it is told that there is none */
	if (!json_object_object_get_ex(credential, "allow", &allow) || !allow)
		return by->admin;
	for (size_t i = 0; i < json_object_array_length(allow); i++)
		if (by->name && !strcmp(json_object_get_string(json_object_array_get_idx(allow, i)), by->name))
			return true;
	return false;
}

static int check_credential(struct core *core, const struct drover_principal *by, const char *name,
			    struct drover_error *err)
{
	bool allowed;

	if (!name)
		return 0;
	pthread_mutex_lock(&core->access.lock);
	allowed = is_allowed(core->access.credentials, name, by);
	pthread_mutex_unlock(&core->access.lock);
	return allowed ? 0
		       : drover_error_set(err, DROVER_EDENIED, "the token %s may not use the credential %.64s",
					  by->name ? by->name : "?", name);
}

int access_check_submission(struct core *core, const struct drover_principal *by, const struct submission *submission,
			    struct drover_error *err)
{
	struct access_set *set;
	int code;

	/* Without a token it is somebody of this machine, where no tokens are configured. */
	if (!by || !by->token)
		return 0;
	if (by->role < DROVER_ROLE_SUBMIT)
		return drover_error_set(err, DROVER_EDENIED, "this needs a token of role submit");
	code = check_credential(core, by, submission->task.credential, err);
	if (code || is_unlimited(by))
		return code;
	if (submission->serving->items[submission->executor].unconfined)
		return drover_error_set(
			err, DROVER_EDENIED,
			"tasks of the type %s are not bound to their hosts: a token with a node set may "
			"not submit them",
			submission->task.type);
	code = set_take(core, by->hosts, &set, err);
	if (code)
		return code;
	code = check_hosts(submission, set, err);
	/* A retry's hosts are where its parent found them. */
	if (!code && !submission->task.parent)
		code = check_detours(submission, set, err);
	set_give(core, set);
	return code;
}

/* -------------------------------------------------------------------------------- configuration */

void access_configure(struct access *access, struct json_object *credentials)
{
	struct json_object *copy = NULL;

	if (credentials && json_object_deep_copy(credentials, &copy, NULL))
		copy = NULL; /* then nobody but admins may use one */
	pthread_mutex_lock(&access->lock);
	json_object_put(access->credentials);
	access->credentials = copy;
	pthread_mutex_unlock(&access->lock);
}

void access_dispose(struct access *access)
{
	forget_sets(access);
	json_object_put(access->credentials);
	pthread_mutex_destroy(&access->lock);
}
