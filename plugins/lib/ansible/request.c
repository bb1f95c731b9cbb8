/* request.c - what a unit's process is told: hosts, payload, limits, credential. */
#include <json-c/json.h>
#include <string.h>
#include <time.h>

#include "ansible.h"

static void add(struct json_object *object, const char *name, const char *value)
{
	if (value)
		json_object_object_add(object, name, json_object_new_string(value));
}

static struct json_object *make_host(const struct drover_target *target)
{
	struct json_object *host = json_object_new_object();

	add(host, "name", target->name);
	add(host, "address", target->address);
	add(host, "user", target->user);
	if (target->port)
		json_object_object_add(host, "port", json_object_new_int(target->port));
	if (target->vars)
		json_object_object_add(host, "vars", json_tokener_parse(target->vars));
	return host;
}

static struct json_object *make_credential(const struct drover_credential *credential)
{
	struct json_object *object = json_object_new_object();

	if (!credential)
		return object;
	add(object, "user", credential->user);
	add(object, "key", credential->key);
	add(object, "certificate", credential->certificate);
	add(object, "passphrase", credential->passphrase);
	add(object, "password", credential->password);
	add(object, "become_password", credential->become_password);
	return object;
}

/* What a task says wins over the configuration: true, false, or whom and how. */
static struct json_object *make_become(const struct ansible *self, struct json_object *payload)
{
	struct json_object *said = NULL, *become;
	bool wanted = self->become;

	if (json_object_object_get_ex(payload, "become", &said))
		wanted = !json_object_is_type(said, json_type_boolean) || json_object_get_boolean(said);
	if (!wanted)
		return NULL;
	become = json_object_new_object();
	add(become, "user", self->become_user);
	add(become, "method", self->become_method);
	if (json_object_is_type(said, json_type_string))
		add(become, "user", json_object_get_string(said));
	if (json_object_is_type(said, json_type_object)) {
		json_object_object_foreach (said, name, value)
			json_object_object_add(become, name, json_object_get(value));
	}
	return become;
}

static int64_t to_seconds(int64_t ms)
{
	return (ms + 999) / 1000;
}

/* Seconds until the unit's deadline. */
static double get_time_left(const struct drover_unit_info *info)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (double)info->deadline / 1000 - ((double)now.tv_sec + (double)now.tv_nsec / 1e9);
}

static struct json_object *make_list(const struct drover_list *list)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < list->count; i++)
		json_object_array_add(array, json_object_new_string(list->items[i]));
	return array;
}

static struct json_object *make_vault_ids(const struct drover_map *map)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < map->count; i++)
		add(object, map->pairs[i].key, map->pairs[i].value);
	return object;
}

/* What the configuration says and no task can. */
static void add_configured(struct json_object *request, const struct ansible *self)
{
	add(request, "vault_password", self->vault_password);
	add(request, "playbooks", self->playbooks);
	json_object_object_add(request, "vault_ids", make_vault_ids(&self->vault_ids));
	json_object_object_add(request, "inventory", make_list(&self->inventory));
	json_object_object_add(request, "allow_localhost", json_object_new_boolean(self->allow_localhost));
}

struct json_object *ansible_request(struct drover_unit *unit, const struct ansible *self,
				    const struct ansible_batch *batch, struct drover_error *err)
{
	const struct drover_unit_info *info = drover_unit_info(unit);
	struct json_object *payload = json_tokener_parse(info->payload), *request, *hosts;
	int64_t forks = self->forks ? self->forks : (int64_t)batch->count;

	if (!json_object_is_type(payload, json_type_object)) {
		json_object_put(payload);
		drover_error_set(err, DROVER_EINVALID, "the payload must be a JSON object");
		return NULL;
	}
	request = json_object_new_object();
	add(request, "type", info->type);
	json_object_object_add(request, "forks", json_object_new_int64(forks));
	json_object_object_add(request, "connect_timeout", json_object_new_int64(to_seconds(info->connect_timeout)));
	json_object_object_add(request, "host_timeout", json_object_new_double((double)info->host_timeout / 1000));
	json_object_object_add(request, "time_left", json_object_new_double(get_time_left(info)));
	json_object_object_add(request, "credential", make_credential(drover_unit_credential(unit)));
	json_object_object_add(request, "become", make_become(self, payload));
	json_object_object_del(payload, "become");
	json_object_object_add(request, "payload", payload);
	add_configured(request, self);
	hosts = json_object_new_array();
	for (size_t i = 0; i < batch->count; i++)
		json_object_array_add(hosts, make_host(&info->targets[batch->index[i]]));
	json_object_object_add(request, "hosts", hosts);
	return request;
}
