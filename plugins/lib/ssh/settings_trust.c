/*
 * settings_trust.c - with what a host is logged in on, and by what its own key is believed.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ssh/internal.h"
#include "ssh/settings_make.h"

static int add(struct making *m, const struct identity *identity)
{
	const struct identity **all;

	if (!identity)
		return -ENOMEM;
	all = reallocarray(m->s->identities, m->s->identity_count + 1, sizeof(const struct identity *));
	if (!all)
		return -ENOMEM;
	m->s->identities = all;
	all[m->s->identity_count++] = identity;
	return 0;
}

/* The key of a file, and before it the same with its certificates. Those that `optional` ones have not are left out. */
static int add_file(struct making *m, const char *path, bool optional)
{
	const struct identity *key = identity_file(&m->fanout->identities, path), *certified;
	char *usual = NULL;
	int code = 0;

	if (!key)
		return -ENOMEM;
	if (key->private && asprintf(&usual, "%s-cert.pub", path) < 0)
		return -ENOMEM;
	for (size_t i = 0; key->private && i <= m->s->answer.all[CONFIG_CERTIFICATE_FILE].count && !code; i++) {
		const struct config_line *line = i ? m->s->answer.all[CONFIG_CERTIFICATE_FILE].lines[i - 1] : NULL;
		char *named = NULL;

		code = line ? settings_expand(m, line, line->words[0], true, &named) : 0;
		if (code < 0)
			break;
		certified = identity_certified(&m->fanout->identities, path, named ? named : usual);
		if (!certified)
			code = -ENOMEM;
		else if (!certified->missing)
			code = add(m, certified);
		free(named);
	}
	free(usual);
	if (!code && (!key->missing || !optional))
		code = add(m, key);
	return code;
}

static int add_usual(struct making *m)
{
	static const char *const names[] = { "id_ed25519", "id_ecdsa", "id_rsa" };
	int code = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !code; i++) {
		char *path;

		if (asprintf(&path, "%s/.ssh/%s", m->config->home, names[i]) < 0)
			return -ENOMEM;
		code = add_file(m, path, true);
		free(path);
	}
	return code;
}

static int use_agent(struct making *m)
{
	const struct config_line *line = m->s->answer.first[CONFIG_IDENTITY_AGENT];
	const char *path = getenv("SSH_AUTH_SOCK");
	char *named = NULL;
	int code;

	if (line && !strcasecmp(line->words[0], "none"))
		return 0;
	if (line && line->words[0][0] == '$' && line->words[0][1] != '{')
		path = getenv(line->words[0] + 1);
	else if (line && strcmp(line->words[0], "SSH_AUTH_SOCK") != 0) {
		code = settings_expand(m, line, line->words[0], true, &named);
		if (code < 0)
			return code;
		path = named;
	}
	if (path && *path) {
		m->s->agent = fanout_agent(m->fanout, path);
		code = m->s->agent ? 0 : -ENOMEM;
	} else {
		code = 0;
	}
	free(named);
	return code;
}

static int add_credential(struct making *m, const struct fanout_credential *c)
{
	const struct identity_text text = { c->name, c->key, c->passphrase, c->certificate };

	m->s->password = c->password;
	return c->key ? add(m, identity_text(&m->fanout->identities, &text)) : 0;
}

int settings_identities(struct making *m)
{
	const struct fanout_credential *credential = m->config->credential;
	const struct config_line *line = m->s->answer.first[CONFIG_IDENTITIES_ONLY];
	size_t files = m->s->answer.all[CONFIG_IDENTITY_FILE].count;
	bool only;
	int code;

	/* Whoever names a credential means it, and not whatever else the daemon's user has. */
	if (credential && (credential->key || credential->password))
		return add_credential(m, credential);
	code = settings_yes(m, line, false, &only);
	for (size_t i = 0; i < m->config->key_count && !code; i++)
		code = add_file(m, m->config->keys[i], false);
	for (size_t i = 0; !m->config->key_count && i < files && !code; i++) {
		const struct config_line *file = m->s->answer.all[CONFIG_IDENTITY_FILE].lines[i];
		char *path;

		if (!strcasecmp(file->words[0], "none"))
			continue;
		code = settings_expand(m, file, file->words[0], true, &path);
		if (code < 0)
			break;
		code = add_file(m, path, false);
		free(path);
	}
	if (!code && !m->config->key_count && !files)
		code = add_usual(m);
	if (!code && m->config->agent && !only)
		code = use_agent(m);
	return code;
}

/* --------------------------------------------------------------------------------------- methods */

int settings_methods(struct making *m)
{
	static const char *const names[] = {
		[AUTH_PUBLIC_KEY] = "publickey", [AUTH_PASSWORD] = "password", [AUTH_KEYBOARD] = "keyboard-interactive"
	};
	const struct config_line *const *first = m->s->answer.first, *line = first[CONFIG_PREFERRED];
	const char *order = line ? line->words[0] : "publickey,password,keyboard-interactive";
	bool allowed[AUTH_METHOD_COUNT];
	int code;

	if ((code = settings_yes(m, first[CONFIG_PUBKEY], true, &allowed[AUTH_PUBLIC_KEY])) ||
	    (code = settings_yes(m, first[CONFIG_PASSWORD], true, &allowed[AUTH_PASSWORD])) ||
	    (code = settings_yes(m, first[CONFIG_KBDINT], true, &allowed[AUTH_KEYBOARD])))
		return code;
	while (*order) {
		size_t size = strcspn(order, ",");

		for (size_t i = 0; i < AUTH_METHOD_COUNT; i++)
			if (strlen(names[i]) == size && !strncasecmp(names[i], order, size) && allowed[i] &&
			    (i == AUTH_PUBLIC_KEY || m->s->password)) {
				m->s->methods[m->s->method_count++] = (enum auth_method)i;
				allowed[i] = false;
			}
		order += size + (order[size] == ',');
	}
	return 0;
}

/* ------------------------------------------------------------------------------------- host keys */

/* The files of a directive, or the usual ones, appended to `paths`. */
static int add_paths(struct making *m, const struct config_line *line, const char *const *usual, char **paths,
		     size_t room, size_t *count)
{
	int code = 0;

	for (size_t i = 0; (line ? i < line->count : usual[i] != NULL) && *count < room && !code; i++) {
		char bad[16];

		if (line && !strcasecmp(line->words[i], "none"))
			continue;
		if (line)
			code = settings_expand(m, line, line->words[i], true, &paths[*count]);
		else if (!(paths[*count] = expand(usual[i], &m->expansion, true, bad, sizeof(bad))))
			code = -ENOMEM;
		*count += code ? 0 : 1;
	}
	return code;
}

static int load_known(struct making *m)
{
	static const char *const users[] = { "~/.ssh/known_hosts", "~/.ssh/known_hosts2", NULL };
	static const char *const global[] = { "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2", NULL };
	char *paths[16] = { NULL };
	size_t count = 0;
	int code;

	if (m->config->known_hosts_count) {
		m->s->hostkeys = fanout_hostkeys(m->fanout, m->config->known_hosts, m->config->known_hosts_count);
		return m->s->hostkeys ? 0 : -ENOMEM;
	}
	code = add_paths(m, m->s->answer.first[CONFIG_USER_KNOWN_HOSTS], users, paths, 16, &count);
	if (!code)
		code = add_paths(m, m->s->answer.first[CONFIG_GLOBAL_KNOWN_HOSTS], global, paths, 16, &count);
	if (!code) {
		m->s->hostkeys = fanout_hostkeys(m->fanout, (const char *const *)paths, count);
		code = m->s->hostkeys ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
	return code;
}

int settings_trust(struct making *m)
{
	const struct config_line *line = m->s->answer.first[CONFIG_STRICT];
	const char *word = line ? line->words[0] : "yes";
	bool new = !strcasecmp(word, "accept-new") || !strcasecmp(word, "no") || !strcasecmp(word, "off");

	if (!new &&strcasecmp(word, "yes") != 0 && strcasecmp(word, "ask") != 0)
		return settings_wrong(m, line, "\"%.40s\" is not one of yes, ask, accept-new, no", word);
	m->s->accept_new =
		m->config->host_keys == FANOUT_KEYS_AUTO ? new : m->config->host_keys == FANOUT_KEYS_ACCEPT_NEW;
	return load_known(m);
}
