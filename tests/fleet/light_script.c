/*
 * light_script.c - what each host of the light SSH server does, read from a JSON file.
 */
#include "light.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

static const char *const phases[] = { "accept",  "banner", "key exchange", "authentication",
				      "channel", "exec",   "exit",         NULL };
static const char *const acts[] = { "none", "stall", "close", "reset", NULL };
static const char *const logins[] = { "allowed", "refused", "more", NULL };
static const char *const refusals[] = { "nothing", "channel", "exec", NULL };

static int choose(const char *member, const char *word, const char *const *words, int *chosen)
{
	for (*chosen = 0; words[*chosen]; (*chosen)++)
		if (!strcmp(words[*chosen], word))
			return 0;
	fprintf(stderr, "light_sshd: %s: \"%s\" is not a word that it knows\n", member, word);
	return -1;
}

static int read_delays(struct json_object *json, struct behaviour *b)
{
	json_object_object_foreach (json, name, value) {
		int phase;

		if (choose("delay", name, phases, &phase) < 0)
			return -1;
		if (phase == PHASE_BANNER) {
			fprintf(stderr, "light_sshd: a delay after the banner is one at \"key exchange\"\n");
			return -1;
		}
		b->delay[phase] = json_object_get_int64(value);
	}
	return 0;
}

static int read_member(struct behaviour *b, const char *name, struct json_object *value)
{
	const char *text = json_object_get_string(value);
	int chosen = 0, code = 0;

	if (!strcmp(name, "at")) {
		code = choose(name, text, phases, &chosen);
		b->at = (enum phase)chosen;
	} else if (!strcmp(name, "do")) {
		code = choose(name, text, acts, &chosen);
		b->act = (enum act)chosen;
	} else if (!strcmp(name, "login")) {
		code = choose(name, text, logins, &chosen);
		b->login = (enum login)chosen;
	} else if (!strcmp(name, "refuse")) {
		code = choose(name, text, refusals, &chosen);
		b->refuse = (enum refusal)chosen;
	} else if (!strcmp(name, "delay")) {
		code = read_delays(value, b);
	} else if (!strcmp(name, "banner")) {
		b->banner = text;
	} else if (!strcmp(name, "command")) {
		b->command = text;
	} else if (!strcmp(name, "end")) {
		b->end = text;
	} else if (!strcmp(name, "rate")) {
		b->rate = json_object_get_int64(value);
	} else if (!strcmp(name, "other_key")) {
		b->other_key = json_object_get_boolean(value);
	} else if (!strcmp(name, "many_methods")) {
		b->many_methods = json_object_get_boolean(value);
	} else {
		fprintf(stderr, "light_sshd: a host has no \"%s\"\n", name);
		code = -1;
	}
	return code;
}

static int read_behaviour(struct json_object *json, struct behaviour *b)
{
	json_object_object_foreach (json, name, value)
		if (read_member(b, name, value) < 0)
			return -1;
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct host_entry *one = a, *other = b;

	return one->address < other->address ? -1 : one->address > other->address;
}

static int read_hosts(struct script *script, struct json_object *json)
{
	script->hosts = calloc((size_t)json_object_object_length(json) + 1, sizeof(*script->hosts));
	if (!script->hosts)
		return -1;
	json_object_object_foreach (json, name, value) {
		struct host_entry *entry = &script->hosts[script->count];
		struct in_addr address;

		if (!inet_aton(name, &address)) {
			fprintf(stderr, "light_sshd: \"%s\" is not an address\n", name);
			return -1;
		}
		entry->address = ntohl(address.s_addr);
		entry->behaviour = script->usual;
		if (read_behaviour(value, &entry->behaviour) < 0)
			return -1;
		script->count++;
	}
	qsort(script->hosts, script->count, sizeof(*script->hosts), by_address);
	return 0;
}

static const char *text_of(struct json_object *json, const char *name)
{
	return json_object_get_string(json_object_object_get(json, name));
}

int script_load(struct script *script, const char *path)
{
	struct json_object *part;

	*script = (struct script){ .json = json_object_from_file(path), .usual = { .end = "gone" } };
	if (!script->json) {
		fprintf(stderr, "light_sshd: %s: %s\n", path, json_util_get_last_err());
		return -1;
	}
	script->key = text_of(script->json, "key");
	script->other_key = text_of(script->json, "other_key");
	script->authorized = text_of(script->json, "authorized");
	script->password = text_of(script->json, "password");
	part = json_object_object_get(script->json, "default");
	if (part && read_behaviour(part, &script->usual) < 0)
		return -1;
	part = json_object_object_get(script->json, "hosts");
	return part ? read_hosts(script, part) : 0;
}

const struct behaviour *script_find(const struct script *script, uint32_t address)
{
	const struct host_entry wanted = { .address = address };
	const struct host_entry *found = NULL;

	if (script->count)
		found = bsearch(&wanted, script->hosts, script->count, sizeof(wanted), by_address);
	return found ? &found->behaviour : &script->usual;
}

void script_dispose(struct script *script)
{
	free(script->hosts);
	json_object_put(script->json);
	*script = (struct script){ .json = NULL };
}
