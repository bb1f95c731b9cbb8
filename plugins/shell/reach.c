#define _GNU_SOURCE

#include "reach.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ----------------------------------------------------------------------------------------- paths */

static int add_path(struct reach *r, size_t *count, const char *path)
{
	char **paths = reallocarray(r->paths, *count + 2, sizeof(*paths));

	if (!paths)
		return DROVER_ENOMEM;
	r->paths = paths;
	paths[*count + 1] = NULL;
	if (path[0] == '~' && path[1] == '/') {
		if (asprintf(&paths[*count], "%s%s", r->home, path + 1) < 0)
			paths[*count] = NULL;
	} else {
		paths[*count] = strdup(path);
	}
	return paths[(*count)++] ? 0 : DROVER_ENOMEM;
}

/* Adds the list's paths, or the defaults where it is empty; says how many in `*added`. */
static int add_paths(struct reach *r, const struct drover_list *list, const char *const *defaults, size_t *added)
{
	size_t before = 0, count;
	int result = 0;

	while (r->paths && r->paths[before])
		before++;
	count = before;
	for (size_t i = 0; i < list->count && !result; i++)
		if (strcmp(list->items[i], "none") != 0)
			result = add_path(r, &count, list->items[i]);
	for (size_t i = 0; !list->count && defaults && defaults[i] && !result; i++)
		result = add_path(r, &count, defaults[i]);
	*added = count - before;
	return result;
}

static int make_paths(struct reach *r, const struct shell *self)
{
	static const char *const ssh_configs[] = { "~/.ssh/config", "/etc/ssh/ssh_config", NULL };
	struct fanout_config *c = &r->config;

	if (add_paths(r, &self->key, NULL, &c->key_count) < 0 ||
	    add_paths(r, &self->known_hosts, NULL, &c->known_hosts_count) < 0 ||
	    add_paths(r, &self->ssh_config, ssh_configs, &c->ssh_config_count) < 0)
		return DROVER_ENOMEM;
	c->keys = (const char *const *)r->paths;
	c->known_hosts = c->keys + c->key_count;
	c->ssh_config = c->known_hosts + c->known_hosts_count;
	c->ssh_config_own = self->ssh_config.count;
	return 0;
}

static int make_self(struct reach *r)
{
	const struct passwd *me = getpwuid(geteuid());
	const char *home = getenv("HOME");

	r->local_user = strdup(me ? me->pw_name : "root");
	r->home = strdup(home && *home ? home : me ? me->pw_dir : "/");
	r->config.local_user = r->local_user;
	r->config.home = r->home;
	return r->local_user && r->home ? 0 : DROVER_ENOMEM;
}

/* ------------------------------------------------------------------------------------ who, as whom */

static void make_login(struct reach *r, const struct shell *self, const struct drover_unit_info *info,
		       const struct drover_credential *credential)
{
	const char *of_credential = credential ? credential->user : NULL;

	/* The task's word before the executor's. */
	if (info->credential && of_credential)
		r->config.user = of_credential;
	else
		r->config.user = self->user ? self->user : of_credential;
	if (!credential)
		return;
	r->credential = (struct fanout_credential){ credential->name, credential->key, credential->passphrase,
						    credential->certificate, credential->password };
	r->config.credential = &r->credential;
}

static int make_become(struct reach *r, const struct shell *self, const struct payload *payload,
		       const struct drover_credential *credential, struct drover_error *err)
{
	static const enum fanout_become_method methods[] = { FANOUT_SUDO, FANOUT_SU, FANOUT_DOAS };
	const char *password = credential ? credential->become_password : NULL;

	if (!payload->become_user)
		return 0;
	if (password && (strlen(password) > 500 || strpbrk(password, "\r\n")))
		return drover_error_set(
			err, DROVER_EINVALID,
			"the become_password of credential %s cannot be typed: it has more than one line",
			credential->name);
	r->config.become.method = methods[payload->become_method >= 0 ? payload->become_method : self->become_method];
	r->config.become.user = payload->become_user;
	r->config.become.password = password;
	return 0;
}

int reach_make(struct reach *r, struct drover_unit *unit, const struct payload *payload, struct drover_error *err)
{
	static const enum fanout_host_keys host_keys[] = { FANOUT_KEYS_AUTO, FANOUT_KEYS_STRICT,
							   FANOUT_KEYS_ACCEPT_NEW };
	const struct drover_credential *credential = drover_unit_credential(unit);
	const struct drover_unit_info *info = drover_unit_info(unit);
	const struct shell *self = drover_unit_self(unit);

	*r = (struct reach){ .paths = NULL };
	r->config = (struct fanout_config){
		.port = (int)self->port,
		.agent = self->agent,
		.host_keys = host_keys[self->host_keys],
		.limits = { .connect = info->connect_timeout ? info->connect_timeout : self->connect_timeout,
			    .banner = self->banner_timeout,
			    .key_exchange = self->kex_timeout,
			    .authentication = self->auth_timeout,
			    .channel = self->channel_timeout,
			    .become = self->become_timeout,
			    .total = info->host_timeout,
			    .end = self->end_timeout,
			    .end_become = self->end_timeout_become,
			    .stop = self->stop_timeout,
			    .term = self->term_grace,
			    .agent = self->agent_timeout },
		.connect_asked = info->connect_timeout > 0,
		.keepalive = self->keepalive,
	};
	make_login(r, self, info, credential);
	if (make_self(r) < 0 || make_paths(r, self) < 0)
		return drover_error_set(err, DROVER_ENOMEM, "no memory for the paths of keys");
	return make_become(r, self, payload, credential, err);
}

void reach_dispose(struct reach *r)
{
	for (size_t i = 0; r->paths && r->paths[i]; i++)
		free(r->paths[i]);
	free(r->paths);
	free(r->home);
	free(r->local_user);
}
