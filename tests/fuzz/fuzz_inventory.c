/*
 * fuzz_inventory.c - any bytes as what `ansible-inventory --list` prints (libFuzzer): refused with a reason, or groups
 * of valid host names, each once, and nothing that is a secret by its name.
 */
#include "fuzz.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "task/inventory.h"
#include "task/inventory_vars.h"
#include "util/nodeset.h"

static int check_group(void *context, const struct inventory_group *group)
{
	const struct inventory *inventory = context;
	struct nodeset set;
	char *pattern = inventory_pattern(inventory, group->name);

	if (!pattern || nodeset_expand(pattern, 1000000, NULL, NULL, &set, NULL) || set.count != group->host_count)
		abort();
	for (size_t i = 0; i < set.count; i++) {
		const struct inventory_host *host = inventory_host(inventory, set.names[i]);

		if (!host || strcmp(host->name, group->hosts[i]) ||
		    (host->address && !nodeset_name_valid(host->address)) || host->port < 0 || host->port > 65535 ||
		    (host->vars && strstr(host->vars, "ansible_password")))
			abort();
	}
	nodeset_dispose(&set);
	free(pattern);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct inventory_limits limits = { .hosts = 1000, .groups = 1000, .members = 10000 };
	struct json_object *list, *notes = json_object_new_array();
	struct inventory *inventory = NULL;
	struct drover_error err = { 0 };
	int code = inventory_json((const char *)data, size, &list, &err);

	if (!code) {
		inventory_reduce(list, size % 2, notes);
		code = inventory_build(list, &limits, &inventory, &err);
	}
	if (code ? !err.code || inventory : err.code)
		abort();
	if (inventory)
		inventory_groups(inventory, NULL, check_group, inventory);
	fuzz_accepted += !!inventory;
	inventory_unref(inventory);
	json_object_put(list);
	json_object_put(notes);
	return 0;
}
