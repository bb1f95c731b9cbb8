/* envelope.c - see envelope.h. */
#include "task/envelope.h"

#include <json-c/json.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "task/json.h"
#include "util/clock.h"

#define MAGIC "DRV1"
#define MAGIC_SIZE 4
#define HEAD_SIZE (MAGIC_SIZE + DROVER_SIGNING_ID_SIZE + SIGNING_SIGNATURE_SIZE)
#define DIGEST_TEXT (2 * crypto_hash_sha256_BYTES)
#define NUMBER_MAX (INT64_C(1) << 53)

/* Written; read are this one and all before it. The tests build a program of the next version. */
#ifndef ENVELOPE_VERSION
#define ENVELOPE_VERSION 1
#endif

static int __attribute__((format(printf, 2, 3))) denied(struct drover_error *err, const char *format, ...)
{
	char why[DROVER_ERROR_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return drover_error_set(err, DROVER_EDENIED, "%s", why);
}

/* --------------------------------------------------------------------------------------- writing */

static void put_text(struct json_object *to, const char *name, const char *text)
{
	json_object_object_add(to, name, text ? json_object_new_string(text) : NULL);
}

static void put_number(struct json_object *to, const char *name, int64_t number)
{
	json_object_object_add(to, name, json_object_new_int64(number));
}

/* Short names, since there is one for each host of each unit; what a host does not have is left out. */
static struct json_object *host_json(const struct drover_host_spec *host)
{
	struct json_object *one = json_object_new_object();

	put_text(one, "n", host->name);
	if (host->address)
		put_text(one, "a", host->address);
	if (host->port)
		put_number(one, "p", host->port);
	if (host->user)
		put_text(one, "u", host->user);
	if (host->vars)
		put_text(one, "v", host->vars);
	return one;
}

static void put_digest(struct json_object *to, const char *payload)
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	char text[DIGEST_TEXT + 1];

	crypto_hash_sha256(digest, (const unsigned char *)payload, strlen(payload));
	sodium_bin2hex(text, sizeof(text), digest, sizeof(digest));
	put_text(to, "payload_sha256", text);
}

static struct json_object *unit_json(const struct signing_keys *keys, const struct drover_task *task, int64_t unit,
				     const struct drover_unit_spec *spec, const struct drover_host_spec *hosts,
				     bool confined)
{
	struct json_object *root = json_object_new_object(), *list = json_object_new_array();
	int64_t now = clock_utc_ms();

	put_number(root, "version", ENVELOPE_VERSION);
	put_text(root, "cluster", signing_keys_cluster(keys));
	put_text(root, "task", task->id);
	put_text(root, "pool", task->pool);
	put_number(root, "unit", unit);
	put_number(root, "first", spec->first);
	put_number(root, "count", spec->count);
	put_text(root, "type", task->type);
	put_text(root, "executor", task->executor);
	put_text(root, "owner", task->owner);
	put_text(root, "credential", task->credential);
	put_text(root, "commit", NULL);
	json_object_object_add(root, "confined", json_object_new_boolean(confined));
	put_number(root, "priority", task->priority);
	put_text(root, "on_lost", task->rerun_lost ? "rerun" : "report");
	put_number(root, "timeout", task->timeout);
	put_number(root, "host_timeout", task->host_timeout);
	put_number(root, "connect_timeout", task->connect_timeout);
	put_number(root, "output_limit", task->output_limit);
	put_number(root, "fanout", task->fanout);
	put_digest(root, task->payload);
	put_number(root, "made_at", now);
	put_number(root, "expires_at", task->expires_at ? task->expires_at : now + signing_keys_life(keys));
	json_object_object_add(root, "hosts", list);
	for (int64_t i = 0; i < spec->count; i++)
		json_object_array_add(list, host_json(&hosts[i]));
	return root;
}

int envelope_sign(const struct signing_keys *keys, const struct drover_task *task, int64_t unit,
		  const struct drover_unit_spec *spec, const struct drover_host_spec *hosts, bool confined,
		  struct buf *message, struct drover_error *err)
{
	unsigned char id[DROVER_SIGNING_ID_SIZE], signature[SIGNING_SIGNATURE_SIZE];
	struct json_object *root = unit_json(keys, task, unit, spec, hosts, confined);
	int64_t limit = signing_keys_limit(keys);
	size_t size;
	const char *text =
		json_object_to_json_string_length(root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
	int code = 0;

	if ((int64_t)(HEAD_SIZE + size) > limit)
		code = drover_error_set(err, DROVER_ELIMIT,
					"unit %lld takes %zu bytes, and cluster.unit_limit is %lld: ask for a smaller "
					"unit_size, or less in the hosts' vars",
					(long long)unit, HEAD_SIZE + size, (long long)limit);
	if (!code)
		code = signing_keys_sign(keys, text, size, id, signature, err);
	if (!code) {
		buf_reserve(message, HEAD_SIZE + size);
		buf_append(message, MAGIC, MAGIC_SIZE);
		buf_append(message, id, sizeof(id));
		buf_append(message, signature, sizeof(signature));
		buf_append(message, text, size);
	}
	json_object_put(root);
	return code;
}

/* --------------------------------------------------------------------------------------- reading */

/* Members that are taken one by one: what is missing or of another kind is told once, what is left over, too. */
struct reader {
	struct json_object *object;
	int taken;
	const char *fault; /* the first member that is not as it must be, or NULL */
};

/* Whether it is there; a null is. */
static bool take(struct reader *r, const char *name, bool needed, struct json_object **value)
{
	bool there = json_object_object_get_ex(r->object, name, value);

	r->taken += there;
	if (!there && needed && !r->fault)
		r->fault = name;
	return there;
}

static const char *read_text(struct reader *r, const char *name, struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

	if (text && strlen(text) == (size_t)json_object_get_string_len(value))
		return text;
	if (!r->fault)
		r->fault = name;
	return NULL;
}

static const char *take_text(struct reader *r, const char *name)
{
	struct json_object *value;

	return take(r, name, true, &value) ? read_text(r, name, value) : NULL;
}

/* The member must be there, and may be null. */
static const char *take_maybe(struct reader *r, const char *name)
{
	struct json_object *value;

	return take(r, name, true, &value) && value ? read_text(r, name, value) : NULL;
}

static int64_t read_number(struct reader *r, const char *name, struct json_object *value, int64_t low, int64_t high)
{
	int64_t number = json_object_get_int64(value);

	if (json_object_is_type(value, json_type_int) && number >= low && number <= high)
		return number;
	if (!r->fault)
		r->fault = name;
	return low;
}

static int64_t take_number(struct reader *r, const char *name, int64_t low, int64_t high)
{
	struct json_object *value;

	return take(r, name, true, &value) ? read_number(r, name, value, low, high) : low;
}

static bool is_whole(const struct reader *r)
{
	return !r->fault && r->taken == json_object_object_length(r->object);
}

static bool read_host(struct json_object *object, struct drover_host_spec *host)
{
	struct reader r = { .object = object };
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object))
		return false;
	host->name = take_text(&r, "n");
	if (take(&r, "a", false, &value))
		host->address = read_text(&r, "a", value);
	if (take(&r, "p", false, &value))
		host->port = (int)read_number(&r, "p", value, 1, 65535);
	if (take(&r, "u", false, &value))
		host->user = read_text(&r, "u", value);
	if (take(&r, "v", false, &value))
		host->vars = read_text(&r, "v", value);
	return is_whole(&r);
}

static void read_hosts(struct envelope *e, struct reader *r)
{
	struct json_object *list;
	bool there = take(r, "hosts", true, &list) && json_object_is_type(list, json_type_array);
	size_t count = there ? json_object_array_length(list) : 0;
	bool good = count && (int64_t)count == e->count;

	e->hosts = good ? xcalloc(count, sizeof(*e->hosts)) : NULL;
	for (size_t i = 0; i < count && good; i++)
		good = read_host(json_object_array_get_idx(list, i), &e->hosts[i]);
	if (!good && !r->fault)
		r->fault = "hosts";
}

static void read_digest(struct envelope *e, struct reader *r)
{
	const char *text = take_text(r, "payload_sha256"), *end;
	size_t size = 0;

	if (!text)
		return;
	if ((strlen(text) != DIGEST_TEXT ||
	     sodium_hex2bin(e->payload_digest, sizeof(e->payload_digest), text, DIGEST_TEXT, NULL, &size, &end) ||
	     size != sizeof(e->payload_digest)) &&
	    !r->fault)
		r->fault = "payload_sha256";
}

static void read_on_lost(struct envelope *e, struct reader *r)
{
	const char *word = take_text(r, "on_lost");

	e->task.rerun_lost = word && !strcmp(word, "rerun");
	if (word && !e->task.rerun_lost && strcmp(word, "report") != 0 && !r->fault)
		r->fault = "on_lost";
}

static void read_confined(struct envelope *e, struct reader *r)
{
	struct json_object *value;

	if (!take(r, "confined", true, &value))
		return;
	e->confined = json_object_get_boolean(value);
	if (!json_object_is_type(value, json_type_boolean) && !r->fault)
		r->fault = "confined";
}

static void read_members(struct envelope *e, struct reader *r)
{
	struct drover_task *t = &e->task;
	struct json_object *commit;

	t->id = take_text(r, "task");
	t->pool = take_text(r, "pool");
	e->unit = take_number(r, "unit", 0, NUMBER_MAX);
	e->first = take_number(r, "first", 0, NUMBER_MAX);
	e->count = take_number(r, "count", 1, NUMBER_MAX);
	t->type = take_text(r, "type");
	t->executor = take_text(r, "executor");
	t->owner = take_maybe(r, "owner");
	t->credential = take_maybe(r, "credential");
	if (take(r, "commit", true, &commit) && commit && !r->fault)
		r->fault = "commit";
	read_confined(e, r);
	t->priority = (int)take_number(r, "priority", 1, 100);
	read_on_lost(e, r);
	t->timeout = take_number(r, "timeout", 1, NUMBER_MAX);
	t->host_timeout = take_number(r, "host_timeout", 0, NUMBER_MAX);
	t->connect_timeout = take_number(r, "connect_timeout", 0, NUMBER_MAX);
	t->output_limit = take_number(r, "output_limit", 0, NUMBER_MAX);
	t->fanout = take_number(r, "fanout", 0, NUMBER_MAX);
	read_digest(e, r);
	e->made_at = take_number(r, "made_at", 1, NUMBER_MAX);
	e->expires_at = t->expires_at = take_number(r, "expires_at", 1, NUMBER_MAX);
	read_hosts(e, r);
}

/* Before anything else is looked at: another version may mean something else by a member of the same name. */
static int check_version(struct envelope *e, struct reader *r, const char *cluster, struct drover_error *err)
{
	int64_t version = take_number(r, "version", 1, NUMBER_MAX);
	const char *name;

	e->newer = !r->fault && version > ENVELOPE_VERSION;
	if (e->newer)
		return denied(err, "it is of version %lld, and this node knows versions up to %d", (long long)version,
			      ENVELOPE_VERSION);
	name = take_text(r, "cluster");
	if (r->fault)
		return denied(err, "it is signed, but its `%s` is missing or not as it must be", r->fault);
	if (strcmp(name, cluster) != 0)
		return denied(err, "it is for the cluster `%.100s`, and this is `%.100s`", name, cluster);
	return 0;
}

static int read_envelope(struct envelope *e, const char *cluster, struct drover_error *err)
{
	struct reader r = { .object = e->root };
	int code;

	if (!json_object_is_type(e->root, json_type_object))
		return denied(err, "it is signed, but no object");
	code = check_version(e, &r, cluster, err);
	if (code)
		return code;
	read_members(e, &r);
	if (r.fault)
		return denied(err, "it is signed, but its `%s` is missing or not as it must be", r.fault);
	if (!is_whole(&r))
		return denied(err, "it is signed, but has a member that this version does not know");
	return 0;
}

static int check_expiry(const struct envelope *e, int64_t now, struct drover_error *err)
{
	char text[32];

	if (!now || now <= e->expires_at)
		return 0;
	return denied(err, "it has expired: at %s", clock_format(e->expires_at, text, sizeof(text)));
}

int envelope_open(const struct signing_keys *keys, const void *message, size_t size, int64_t now,
		  struct envelope *envelope, struct drover_error *err)
{
	const unsigned char *head = message;
	const char *text = (const char *)message + HEAD_SIZE;
	struct drover_error why = { 0 };
	int code;

	*envelope = (struct envelope){ .task = { .size = sizeof(envelope->task) } };
	if (!size)
		return denied(err, "it is not signed: there is no envelope");
	if (size <= HEAD_SIZE || memcmp(head, MAGIC, MAGIC_SIZE) != 0)
		return denied(err, "it is no signed unit");
	code = signing_keys_verify(keys, head + MAGIC_SIZE, head + MAGIC_SIZE + DROVER_SIGNING_ID_SIZE, text,
				   size - HEAD_SIZE, err);
	envelope->altered = code == DROVER_EDENIED;
	if (code && err)
		err->code = DROVER_EDENIED;
	if (code)
		return DROVER_EDENIED;
	signing_key_id_text(head + MAGIC_SIZE, envelope->key);
	if (json_read(text, size - HEAD_SIZE, &envelope->root, &why))
		return denied(err, "it is signed, but no JSON: %.200s", why.message);
	code = read_envelope(envelope, signing_keys_cluster(keys), err);
	return code ? code : check_expiry(envelope, now, err);
}

void envelope_dispose(struct envelope *envelope)
{
	free(envelope->hosts);
	json_object_put(envelope->root);
	*envelope = (struct envelope){ .root = NULL };
}

enum envelope_verdict envelope_judge(const struct signing_keys *keys, const void *message, size_t size,
				     const char *task, int64_t unit, struct drover_error *why)
{
	struct envelope e;
	enum envelope_verdict verdict = ENVELOPE_SOUND;

	if (envelope_open(keys, message, size, 0, &e, why)) {
		verdict = !size || e.altered ? ENVELOPE_VOID : ENVELOPE_UNSURE;
	} else if (e.unit != unit || strcmp(e.task.id, task) != 0) {
		verdict = ENVELOPE_VOID;
		denied(why, "its envelope is that of task %.160s unit %lld", e.task.id, (long long)e.unit);
	}
	envelope_dispose(&e);
	return verdict;
}

/* ------------------------------------------------------------------------------------- comparing */

int envelope_check_pool(const struct envelope *envelope, char *const *pools, struct drover_error *err)
{
	for (char *const *pool = pools; *pool; pool++)
		if (!strcmp(*pool, envelope->task.pool))
			return 0;
	return denied(err, "it is for the pool %.100s, which this engine does not serve", envelope->task.pool);
}

int envelope_check_executor(const struct envelope *envelope, const struct executor_entry *executor,
			    struct drover_error *err)
{
	if (strcmp(envelope->task.executor, executor->name) != 0)
		return denied(err, "it is for the executor %.64s, not %.64s", envelope->task.executor, executor->name);
	if (!executor_serves(executor, envelope->task.type))
		return denied(err, "the executor %.64s does not serve %.64s here", executor->name, envelope->task.type);
	if (envelope->confined && executor->unconfined)
		return denied(
			err,
			"the tasks of the executor %.64s are not bound to their hosts, and who submitted this one is",
			executor->name);
	for (int64_t i = 0; executor->has_match && i < envelope->count; i++)
		if (!executor_matches(executor, envelope->hosts[i].name))
			return denied(err, "the executor %.64s does not serve the host %.200s here (see its `match`)",
				      executor->name, envelope->hosts[i].name);
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_payload(const struct envelope *e, const char *payload)
{
	unsigned char digest[crypto_hash_sha256_BYTES];

	if (!payload)
		return false;
	crypto_hash_sha256(digest, (const unsigned char *)payload, strlen(payload));
	return !sodium_memcmp(digest, e->payload_digest, sizeof(digest));
}

/* The first member that is not the same, or NULL. */
static const char *task_differs(const struct drover_task *was, const struct drover_task *is, bool payload)
{
	const struct {
		const char *name;
		bool same;
	} members[] = {
		{ "id", same_text(was->id, is->id) },
		{ "type", same_text(was->type, is->type) },
		{ "payload", payload },
		{ "executor", same_text(was->executor, is->executor) },
		{ "credential", same_text(was->credential, is->credential) },
		{ "pool", same_text(was->pool, is->pool) },
		{ "owner", same_text(was->owner, is->owner) },
		{ "home", !is->home },
		{ "priority", was->priority == is->priority },
		{ "on_lost", was->rerun_lost == is->rerun_lost },
		{ "timeout", was->timeout == is->timeout },
		{ "host_timeout", was->host_timeout == is->host_timeout },
		{ "connect_timeout", was->connect_timeout == is->connect_timeout },
		{ "output_limit", was->output_limit == is->output_limit },
		{ "fanout", was->fanout == is->fanout },
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (!members[i].same)
			return members[i].name;
	return NULL;
}

int envelope_check_task(const struct envelope *envelope, const struct drover_task *task, struct drover_error *err)
{
	const char *differs = task_differs(&envelope->task, task, same_payload(envelope, task->payload));

	return differs ? denied(err, "the store's `%s` of the task is not what was signed", differs) : 0;
}

int envelope_check_same(const struct envelope *envelope, const struct envelope *other, struct drover_error *err)
{
	bool same = !memcmp(envelope->payload_digest, other->payload_digest, sizeof(other->payload_digest));
	const char *differs = task_differs(&envelope->task, &other->task, same);

	return differs ? denied(err, "its `%s` is another than that of the task's other units", differs) : 0;
}

int envelope_check_host(const struct envelope *envelope, int64_t index, const struct drover_host_spec *host,
			struct drover_error *err)
{
	const struct drover_host_spec *was;
	const char *differs;

	if (index < envelope->first || index - envelope->first >= envelope->count)
		return denied(err, "the store has a host in the unit that was not signed (number %lld)",
			      (long long)index);
	was = &envelope->hosts[index - envelope->first];
	differs = !same_text(was->name, host->name)         ? "name"
		  : !same_text(was->address, host->address) ? "address"
		  : was->port != host->port                 ? "port"
		  : !same_text(was->user, host->user)       ? "user"
		  : !same_text(was->vars, host->vars)       ? "vars"
							    : NULL;
	return differs ? denied(err, "the store's `%s` of the host %.200s is not what was signed", differs, was->name)
		       : 0;
}
