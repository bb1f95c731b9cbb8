/* address.c - see address.h. The user's file: `url`, `token` or `token_file`, `ca`. */
#include "cli/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drover/error.h>

#include "conf/suggest.h"
#include "conf/tree.h"
#include "util/buf.h"

#define TOKEN_SIZE 4096

void address_dispose(struct address *address)
{
	free(address->url);
	free(address->token);
	free(address->ca);
	*address = (struct address){ 0 };
}

/* ~/.config/drover/config.yaml; owned by the caller, NULL: there is no home. */
static char *user_file(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	struct buf path = BUF_INIT;

	if (config && *config == '/')
		buf_printf(&path, "%s/drover/config.yaml", config);
	else if (home && *home == '/')
		buf_printf(&path, "%s/.config/drover/config.yaml", home);
	else
		return NULL;
	return buf_take(&path);
}

/* A token's file: its first line. */
static int read_token(const char *path, char **token, struct drover_error *err)
{
	char line[TOKEN_SIZE];
	FILE *file = fopen(path, "re");
	int rc = 0;

	if (!file)
		return drover_error_set(err, DROVER_EINVALID, "cannot read the token file %s: %s", path,
					strerror(errno));
	if (!fgets(line, sizeof(line), file))
		*line = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	if (*line)
		*token = xstrdup(line);
	else
		rc = drover_error_set(err, DROVER_EINVALID, "the token file %s is empty", path);
	fclose(file);
	return rc;
}

static void check_keys(struct tree_node *tree, struct conf_errors *errors)
{
	static const char *const known[] = { "url", "token", "token_file", "ca" };
	const size_t count = sizeof(known) / sizeof(*known);

	tree_foreach(tree, member)
	{
		struct suggest suggest;
		char hint[96];
		bool found = false;

		suggest_begin(&suggest, member->key);
		for (size_t i = 0; i < count; i++) {
			found |= !strcmp(known[i], member->key);
			suggest_consider(&suggest, known[i]);
		}
		if (!found)
			errors_add(errors, &member->key_place, member->key, "there is no such key%s",
				   suggest_text(&suggest, hint, sizeof(hint)));
		else if (member->kind != TREE_SCALAR)
			errors_add(errors, &member->place, member->key, "must be a plain value");
	}
}

/* Takes from the file what is not known yet. A file that does not exist says nothing. */
static int read_user_file(const char *path, struct address *address, char **token_file, struct drover_error *err)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct tree_node *tree;
	int rc = 0;

	if (access(path, F_OK))
		return 0;
	tree = reader_read(path, &errors);
	if (tree && !errors.count)
		check_keys(tree, &errors);
	if (errors.count) {
		rc = drover_error_set(err, DROVER_EINVALID, "%s", errors.lines[0]);
	} else {
		if (!address->url)
			address->url = xstrdup(tree_text(tree, "url"));
		if (!address->token)
			address->token = xstrdup(tree_text(tree, "token"));
		if (!address->token && tree_text(tree, "token_file"))
			*token_file = xstrdup(tree_text(tree, "token_file"));
		address->ca = xstrdup(tree_text(tree, "ca"));
	}
	tree_free(tree);
	errors_dispose(&errors);
	return rc;
}

static int check_url(const char *url, struct drover_error *err)
{
	if (!strncmp(url, "unix:/", 6) || (!strncmp(url, "http://", 7) && url[7]) ||
	    (!strncmp(url, "https://", 8) && url[8]))
		return 0;
	return drover_error_set(
		err, DROVER_EINVALID,
		"\"%s\" is no daemon's address; write http://HOST:PORT, https://HOST:PORT or unix:/PATH", url);
}

int address_find(const char *url, struct address *address, struct drover_error *err)
{
	const char *variable = getenv("DROVER_URL"), *token = getenv("DROVER_TOKEN");
	char *path = user_file(), *token_file = NULL;
	size_t size;
	int rc = 0;

	*address = (struct address){ 0 };
	if (!url && variable && *variable)
		url = variable;
	address->url = xstrdup(url);
	if (token && *token)
		address->token = xstrdup(token);
	if (path)
		rc = read_user_file(path, address, &token_file, err);
	if (!rc && token_file)
		rc = read_token(token_file, &address->token, err);
	if (!address->url) {
		address->url = xstrdup(ADDRESS_DEFAULT);
		address->assumed = true;
	}
	if (!rc)
		rc = check_url(address->url, err);
	for (size = strlen(address->url); size > 8 && address->url[size - 1] == '/'; size--)
		address->url[size - 1] = '\0';
	if (rc)
		address_dispose(address);
	free(token_file);
	free(path);
	return rc;
}
