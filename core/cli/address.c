/* address.c - see address.h. The user's file: `url`, `token` or `token_file` (`~/…` is the home), `ca`. */
#include "cli/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <curl/curl.h>

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

/* What only its user may read: others could use the token in it. */
static int check_mode(const char *path, FILE *file, struct drover_error *err)
{
	struct stat st;

	if (fstat(fileno(file), &st))
		return drover_error_set(err, DROVER_EINVALID, "cannot look at %s: %s", path, strerror(errno));
	if (S_ISREG(st.st_mode) && st.st_mode & 077)
		return drover_error_set(err, DROVER_EINVALID,
					"%s holds a token and others may read it (mode %04o): chmod 600 %s", path,
					(unsigned)(st.st_mode & 07777), path);
	return 0;
}

/* A token's file: its first line. */
static int read_token(const char *path, char **token, struct drover_error *err)
{
	char line[TOKEN_SIZE];
	FILE *file = fopen(path, "re");
	int rc;

	if (!file)
		return drover_error_set(err, DROVER_EINVALID, "cannot read the token file %s: %s", path,
					strerror(errno));
	rc = check_mode(path, file, err);
	if (!fgets(line, sizeof(line), file))
		*line = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	if (!rc && *line)
		*token = xstrdup(line);
	else if (!rc)
		rc = drover_error_set(err, DROVER_EINVALID, "the token file %s is empty", path);
	fclose(file);
	return rc;
}

/* The same for a token in the user's file itself. */
static int check_own_mode(const char *path, struct drover_error *err)
{
	FILE *file = fopen(path, "re");
	int rc = file ? check_mode(path, file, err) : 0;

	if (file)
		fclose(file);
	return rc;
}

/* `~/x` in the file is below the home. Owned by the caller. */
static char *below_home(const char *path)
{
	const char *home = getenv("HOME");
	struct buf whole = BUF_INIT;

	if (!path || strncmp(path, "~/", 2) || !home)
		return xstrdup(path);
	buf_printf(&whole, "%s%s", home, path + 1);
	return buf_take(&whole);
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

/* A slash at the end makes no other daemon of it. */
static size_t url_size(const char *url)
{
	size_t size = strlen(url);

	while (size > 8 && url[size - 1] == '/')
		size--;
	return size;
}

static bool same_url(const char *a, const char *b)
{
	return url_size(a) == url_size(b) && !strncmp(a, b, url_size(a));
}

/* What the file says, where it is for the daemon that is meant. */
static int take_token(const char *path, const struct tree_node *tree, struct address *address, struct drover_error *err)
{
	const char *token = tree_text(tree, "token"), *file = tree_text(tree, "token_file"),
		   *url = tree_text(tree, "url");
	char *name;
	int rc;

	if (address->token || (url && !same_url(url, address->url)))
		return 0;
	if (token) {
		address->token = xstrdup(token);
		return check_own_mode(path, err);
	}
	if (!file)
		return 0;
	name = below_home(file);
	rc = read_token(name, &address->token, err);
	free(name);
	return rc;
}

/* Takes from the file what is not known yet. A file that does not exist says nothing. */
static int read_user_file(const char *path, struct address *address, struct drover_error *err)
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
		if (!address->ca)
			address->ca = below_home(tree_text(tree, "ca"));
		if (address->url)
			rc = take_token(path, tree, address, err);
	}
	tree_free(tree);
	errors_dispose(&errors);
	return rc;
}

bool address_is_loopback(const char *url)
{
	CURLU *parsed = curl_url();
	struct in_addr number;
	bool loopback = false;
	char *host = NULL;

	if (parsed && !curl_url_set(parsed, CURLUPART_URL, url, 0) && !curl_url_get(parsed, CURLUPART_HOST, &host, 0))
		loopback = !strcasecmp(host, "localhost") || !strcmp(host, "[::1]") ||
			   (inet_pton(AF_INET, host, &number) == 1 && ntohl(number.s_addr) >> 24 == 127);
	curl_free(host);
	curl_url_cleanup(parsed);
	return loopback;
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

/* Whoever reads a token on its way can use it. */
static int check_secrecy(const struct address *address, struct drover_error *err)
{
	if (!address->token || strncmp(address->url, "http://", 7) || address_is_loopback(address->url))
		return 0;
	return drover_error_set(err, DROVER_EINVALID,
				"a token does not go over the network in clear text: %s must be https://",
				address->url);
}

int address_find(const char *url, struct address *address, struct drover_error *err)
{
	const char *variable = getenv("DROVER_URL"), *token = getenv("DROVER_TOKEN"), *ca = getenv("DROVER_CA");
	char *path = user_file();
	int rc = 0;

	*address = (struct address){ 0 };
	if (!url && variable && *variable)
		url = variable;
	address->url = xstrdup(url);
	if (token && *token)
		address->token = xstrdup(token);
	if (ca && *ca)
		address->ca = xstrdup(ca);
	if (path)
		rc = read_user_file(path, address, err);
	if (!address->url) {
		address->url = xstrdup(ADDRESS_DEFAULT);
		address->assumed = true;
	}
	if (!rc)
		rc = check_url(address->url, err);
	if (!rc)
		rc = check_secrecy(address, err);
	address->url[url_size(address->url)] = '\0';
	if (rc)
		address_dispose(address);
	free(path);
	return rc;
}
