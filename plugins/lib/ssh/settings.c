/*
 * settings.c - where a host is and how it is reached: what several sources say of it, put together.
 * Who logs in there, and who is trusted, is in settings_trust.c.
 */
#define _GNU_SOURCE

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ssh/internal.h"
#include "ssh/settings_make.h"

#define SSH_PORT 22

int __attribute__((format(printf, 3, 4)))
settings_wrong(struct making *m, const struct config_line *line, const char *format, ...)
{
	char why[200];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	snprintf(m->problem, m->size, "%.60s at %.160s:%d: %s", line->keyword, line->file, line->number, why);
	return -EINVAL;
}

int settings_expand(struct making *m, const struct config_line *line, const char *word, bool tilde, char **text)
{
	char bad[160];

	*text = expand(word, &m->expansion, tilde, bad, sizeof(bad));
	if (*text)
		return 0;
	return *bad ? settings_wrong(m, line, "%s", bad) : -ENOMEM;
}

int settings_yes(struct making *m, const struct config_line *line, bool otherwise, bool *yes)
{
	const char *word = line ? line->words[0] : NULL;

	*yes = otherwise;
	if (!word)
		return 0;
	*yes = !strcasecmp(word, "yes") || !strcasecmp(word, "true");
	if (*yes || !strcasecmp(word, "no") || !strcasecmp(word, "false"))
		return 0;
	return settings_wrong(m, line, "\"%.40s\" is neither yes nor no", word);
}

/* Seconds, or with units as in `1m30s`. `none` and 0 are 0. */
static int duration(struct making *m, const struct config_line *line, int64_t *ms)
{
	const char *at = line->words[0];
	int64_t seconds = 0;

	*ms = 0;
	if (!strcasecmp(at, "none"))
		return 0;
	while (*at) {
		static const char units[] = "smhdw";
		static const int64_t factors[] = { 1, 60, 3600, 86400, 604800 };
		const char *unit;
		int64_t number = 0;

		if (!isdigit((unsigned char)*at))
			return settings_wrong(m, line, "\"%.40s\" is no time", line->words[0]);
		while (isdigit((unsigned char)*at) && number < 1000000)
			number = number * 10 + (*at++ - '0');
		unit = *at ? strchr(units, tolower((unsigned char)*at)) : units;
		if (!unit || number >= 1000000)
			return settings_wrong(m, line, "\"%.40s\" is no time", line->words[0]);
		at += *at ? 1 : 0;
		seconds += number * factors[unit - units];
	}
	*ms = seconds * 1000;
	return 0;
}

static int number(struct making *m, const struct config_line *line, int least, int most, int *value)
{
	char *end;
	long n = strtol(line->words[0], &end, 10);

	if (*end || end == line->words[0] || n < least || n > most)
		return settings_wrong(m, line, "must be a number from %d to %d", least, most);
	*value = (int)n;
	return 0;
}

/* ------------------------------------------------------------------------------------------- where */

static int make_port(struct making *m)
{
	const struct config_line *line = m->s->answer.first[CONFIG_PORT];

	m->s->port = m->target->port ? m->target->port : m->config->port;
	if (m->s->port)
		return 0;
	m->s->port = SSH_PORT;
	return line ? number(m, line, 1, 65535, &m->s->port) : 0;
}

static int make_user(struct making *m)
{
	const struct config_line *line = m->s->answer.first[CONFIG_USER];
	const char *user = m->target->user ? m->target->user : m->config->user;

	if (!user)
		user = line ? line->words[0] : m->config->local_user;
	m->s->user = strdup(user);
	m->expansion.user = m->s->user;
	return m->s->user ? 0 : -ENOMEM;
}

static int make_address(struct making *m)
{
	const struct config_line *line = m->s->answer.first[CONFIG_HOST_NAME],
				 *alias = m->s->answer.first[CONFIG_HOST_KEY_ALIAS];
	struct settings *s = m->s;
	int code = 0;

	/* What stands behind %h while HostName itself is read. */
	m->expansion.address = m->target->name;
	if (m->target->address)
		s->address = strdup(m->target->address);
	else if (line)
		code = settings_expand(m, line, line->words[0], false, &s->address);
	else
		s->address = strdup(m->target->name);
	if (code < 0 || !s->address)
		return code < 0 ? code : -ENOMEM;
	if (line && *s->address == '-')
		return settings_wrong(m, line, "\"%.80s\" is no name of a host", s->address);
	m->expansion.address = s->address;
	s->alias = alias;
	if (alias)
		s->known_name = strdup(alias->words[0]);
	else
		s->known_name = strdup(m->target->address ? m->target->name : s->address);
	return s->known_name ? 0 : -ENOMEM;
}

static int make_family(struct making *m)
{
	const struct config_line *line = m->s->answer.first[CONFIG_ADDRESS_FAMILY],
				 *bound = m->s->answer.first[CONFIG_BIND_ADDRESS];

	m->s->family = AF_UNSPEC;
	if (line && !strcasecmp(line->words[0], "inet"))
		m->s->family = AF_INET;
	else if (line && !strcasecmp(line->words[0], "inet6"))
		m->s->family = AF_INET6;
	else if (line && strcasecmp(line->words[0], "any") != 0)
		return settings_wrong(m, line, "must be any, inet or inet6");
	if (bound)
		m->s->bind_address = strdup(bound->words[0]);
	return bound && !m->s->bind_address ? -ENOMEM : 0;
}

/* ------------------------------------------------------------------------------------ by way of */

/* A jump's name goes into a command line: letters that no shell takes for its own, and no option. */
static bool sound_jump(const char *jump)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:@/[],%";

	return *jump && *jump != '-' && !strstr(jump, ",-") && strspn(jump, letters) == strlen(jump);
}

/* As ssh itself does it: `ssh -W` to the last of the jumps, by way of the others. */
static int make_jump(struct making *m, const struct config_line *line)
{
	const char *jumps = line->words[0], *last = strrchr(jumps, ',');
	char file[400] = "", before[400] = "";
	int size;

	if (!sound_jump(jumps) || strlen(jumps) > 300 || line->count > 1)
		return settings_wrong(m, line, "\"%.80s\" is no list of hosts", jumps);
	if (m->config->ssh_config_own && m->config->ssh_config_count &&
	    strcspn(m->config->ssh_config[0], "'\n") == strlen(m->config->ssh_config[0]))
		snprintf(file, sizeof(file), " -F '%.380s'", m->config->ssh_config[0]);
	if (last)
		snprintf(before, sizeof(before), " -J %.*s", (int)(last - jumps), jumps);
	last = last ? last + 1 : jumps;
	size = asprintf(&m->s->proxy, "ssh -o BatchMode=yes%s%s -W '[%s]:%d' -- %s%s", file, before, m->s->address,
			m->s->port, strncmp(last, "ssh://", 6) ? "ssh://" : "", last);
	if (size < 0)
		m->s->proxy = NULL;
	return size < 0 ? -ENOMEM : 0;
}

static int make_proxy(struct making *m)
{
	const struct config_line *line = m->s->answer.first[CONFIG_PROXY];

	if (!line || !strcasecmp(line->words[0], "none"))
		return 0;
	m->s->proxy_line = line;
	if (!strcasecmp(line->keyword, "ProxyJump"))
		return make_jump(m, line);
	return settings_expand(m, line, line->words[0], false, &m->s->proxy);
}

/* ------------------------------------------------------------------------------------- how long */

static int make_times(struct making *m)
{
	const struct config_line *const *first = m->s->answer.first;
	struct settings *s = m->s;
	int code = 0;

	s->keepalive = m->config->keepalive;
	s->keepalive_count = 3;
	if (first[CONFIG_CONNECT_TIMEOUT] && !m->config->connect_asked)
		code = duration(m, first[CONFIG_CONNECT_TIMEOUT], &s->connect);
	if (!code && first[CONFIG_ALIVE_INTERVAL])
		code = duration(m, first[CONFIG_ALIVE_INTERVAL], &s->keepalive);
	if (!code && first[CONFIG_ALIVE_COUNT])
		code = number(m, first[CONFIG_ALIVE_COUNT], 1, 1000, &s->keepalive_count);
	return code ? code : settings_yes(m, first[CONFIG_COMPRESSION], false, &s->compression);
}

int settings_make(struct settings *s, struct fanout *fanout, const struct fanout_target *target, char *problem,
		  size_t size)
{
	const struct fanout_config *config = &fanout->config;
	const struct config_query query = { target->name, target->user ? target->user : config->user,
					    config->local_user };
	struct making m = {
		.s = s, .fanout = fanout, .config = config, .target = target, .problem = problem, .size = size
	};
	int code;

	*s = (struct settings){ .port = 0 };
	m.expansion =
		(struct expansion){ .name = target->name, .local_user = config->local_user, .home = config->home };
	code = config_ask(fanout->ssh_config, &query, &s->answer);
	if (code < 0)
		return code;
	if (*s->answer.problem) {
		snprintf(problem, size, "%s", s->answer.problem);
		return -EINVAL;
	}
	(void)((code = make_port(&m)) || (code = make_user(&m)) || (code = make_address(&m)));
	m.expansion.port = s->port;
	(void)(code || (code = make_family(&m)) || (code = make_proxy(&m)) || (code = make_times(&m)) ||
	       (code = settings_identities(&m)) || (code = settings_methods(&m)) || (code = settings_trust(&m)));
	return code;
}

void settings_dispose(struct settings *s)
{
	free(s->known_name);
	free(s->address);
	free(s->user);
	free(s->bind_address);
	free(s->proxy);
	free(s->identities);
	config_answer_dispose(&s->answer);
	*s = (struct settings){ .port = 0 };
}
