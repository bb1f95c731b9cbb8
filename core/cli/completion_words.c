/* completion_words.c - what the daemon and this machine know, for completion; see completion.h. */
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/completion.h"
#include "cli/field.h"
#include "cli/private.h"
#include "cli/client.h"
#include "loader/loader.h"

#define PATIENCE_MS 1000 /* somebody waits at a prompt */

static const struct {
	const char *kind, *path, *member, *prefix;
} lists[] = {
	{ "tasks", "/v1/tasks?limit=50", "id", "" },
	{ "groups", "/v1/groups?limit=1000", "name", "@" },
	{ "engines", "/v1/engines", "name", "" },
};

/* A word that can stand in a command line as it is; no other is offered. */
static bool is_plain(const char *word)
{
	return *word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-")];
}

/* As commands find it, but without starting one. */
static int find(struct cli *cli, struct address *address, struct drover_error *err)
{
	char *state = NULL;
	int code = address_find(cli->url, address, err);

	if (code || (!cli->standalone && !address->assumed))
		return code;
	if (!private_state(&state, err) && (cli->standalone || private_exists(state))) {
		free(address->url);
		address->url = private_url(state);
	}
	free(state);
	return 0;
}

static void print_items(struct json_object *items, const char *member, const char *prefix, FILE *out)
{
	for (size_t i = 0; i < field_count(items); i++) {
		const char *word = field_text(json_object_array_get_idx(items, i), member);

		if (is_plain(word))
			fprintf(out, "%s%s\n", prefix, word);
	}
}

static void ask(struct cli *cli, const char *path, const char *member, const char *prefix, FILE *out)
{
	struct drover_error err = { 0 };
	struct json_object *answer = NULL;
	struct address address, usual = { 0 };
	struct client client;

	if (find(cli, &address, &err))
		return;
	/* The private daemon is taken where nobody is at the default address: that is asked first. */
	if (address.assumed && !cli->standalone && !strncmp(address.url, "unix:", 5)) {
		usual.url = xstrdup(ADDRESS_DEFAULT);
		if (!client_open(&client, &usual, &err)) {
			client.patience = PATIENCE_MS;
			client_call(&client, "GET", path, NULL, &answer, &err);
			client_close(&client);
		}
		free(usual.url);
	}
	if (!answer && !client_open(&client, &address, &err)) {
		client.patience = PATIENCE_MS;
		client_call(&client, "GET", path, NULL, &answer, &err);
		client_close(&client);
	}
	print_items(field_items(answer), member, prefix, out);
	json_object_put(answer);
	address_dispose(&address);
}

/* Of this machine: nobody need be asked. */
static void print_plugins(FILE *out)
{
	struct plugin_listing listing;
	char *folders = loader_path(NULL);

	loader_list(folders, &loader_host, &listing);
	for (size_t i = 0; i < listing.count; i++)
		if (is_plain(listing.plugins[i].name))
			fprintf(out, "%s\n", listing.plugins[i].name);
	loader_listing_dispose(&listing);
	free(folders);
}

bool completion_words(struct cli *cli, const char *kind, FILE *out)
{
	if (!strcmp(kind, "plugins")) {
		print_plugins(out);
		return true;
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		if (strcmp(lists[i].kind, kind))
			continue;
		if (!strcmp(kind, "tasks"))
			fputs("last\n", out);
		ask(cli, lists[i].path, lists[i].member, lists[i].prefix, out);
		return true;
	}
	return false;
}
