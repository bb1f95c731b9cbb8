/* config_import.c - see config_import.h: what each section of the first generation's files becomes. */
#include "cli/config_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "cli/old_config.h"
#include "cli/secret_folder.h"
#include "task/json.h"
#include "util/buf.h"

#define MYSQL_NAMES_HOST "IP HOST SERVER ADDRESS"
#define SECRET_NAMES "PASSWORD PASSWD PASS SECRET"

struct import {
	struct old_config old;
	struct buf out;     /* the YAML */
	struct buf notes;   /* comments at its end */
	const char *folder; /* of secrets, as it was asked for */
	char *secrets;      /* its whole path, owned; NULL: not needed yet */
	struct drover_error err;
	int code;
};

/* Told at once, and kept in the file. */
static void __attribute__((format(printf, 2, 3))) note(struct import *im, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cli_say("%s", text);
	buf_printf(&im->notes, "# %s\n", text);
}

/* ` # `: parts that this version does not have are written as they will be. */
static void __attribute__((format(printf, 3, 4))) line(struct import *im, bool later, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_printf(&im->out, "%s%s\n", later ? "# " : "", text);
}

static void value_line(struct import *im, bool later, const char *key, const char *value)
{
	if (!value)
		return;
	buf_printf(&im->out, "%s%s: ", later ? "# " : "", key);
	json_quote(&im->out, value);
	buf_char(&im->out, '\n');
}

/* What the first generation's own script has encrypted is told from a password by its looks alone. */
static bool looks_encrypted(const char *value)
{
	size_t size = strlen(value);

	return size >= 32 && size % 32 == 0 && !value[strspn(value, "0123456789abcdef")];
}

/* Writes the secret to its file and the line that names it. */
static void secret_line(struct import *im, bool later, const char *key, const char *name, const struct old_key *from)
{
	struct buf path = BUF_INIT;

	if (!from || !*from->value || im->code)
		return;
	if (!im->secrets)
		im->code = secret_folder_open(im->folder, &im->secrets, &im->err);
	if (!im->code)
		im->code = secret_folder_write(im->secrets, name, from->value, &im->err);
	if (im->code)
		return;
	buf_printf(&path, "%s/%s", im->secrets, name);
	buf_printf(&im->out, "%s%s: {file: ", later ? "# " : "", key);
	json_quote(&im->out, path.data);
	buf_string(&im->out, "}\n");
	if (looks_encrypted(from->value))
		note(im,
		     "%s:%d: [%s] %s looks encrypted: decrypt it with the first generation's "
		     "utils/encrypt_decrypt.py and write it to %s",
		     from->file, from->line, from->section, from->name, path.data);
	buf_dispose(&path);
}

/* A port, a number of hosts, seconds: digits. NULL, and a note, where it is none. */
static const char *number(struct import *im, const char *section, const char *names)
{
	struct old_key *key = old_config_find(&im->old, section, names);

	if (!key || !*key->value)
		return NULL;
	if (!key->value[strspn(key->value, "0123456789")] && strlen(key->value) < 10)
		return key->value;
	note(im, "%s:%d: [%s] %s is no number, so it was left out", key->file, key->line, key->section, key->name);
	return NULL;
}

/* Keys that say how the first generation did it, which Drover does by itself. */
static void drop(struct import *im, const char *section, const char *names, const char *why)
{
	struct old_key *key = old_config_find(&im->old, section, names);

	if (key)
		note(im, "%s:%d: [%s] %s is not needed: %s", key->file, key->line, key->section, key->name, why);
}

/* ------------------------------------------------------------------------------------ the sections */

static void add_source(struct import *im)
{
	const char *size = number(im, "Exec_Engine", "NUMBER UNIT_SIZE");

	line(im, false, "sources:\n  - plugin: http\n    listen: 127.0.0.1:8007");
	line(im, false,
	     "    # For the first generation's clients, who have no tokens: this machine's address, and their "
	     "networks.");
	if (size)
		line(im, false, "    first_generation:\n      unit_size: %s\n      # listen: 192.0.2.1:8007", size);
	else
		line(im, false, "    # first_generation:\n      # listen: 192.0.2.1:8007");
	line(im, false, "      # allow_from: [10.0.0.0/8]");
}

static void add_credential(struct import *im)
{
	const char *user = old_config_value(&im->old, "Ansible", "SSH_USER USER USERNAME");
	struct old_key *password = old_config_find(&im->old, "Ansible", "SSH_PASSWORD SSH_PASS PASSWORD");
	struct old_key *sudo = old_config_find(&im->old, "Ansible", "SSH_SUDO_PASSWORD SUDO_PASSWORD BECOME_PASSWORD");

	if (!user && !password && !sudo)
		return;
	line(im, false, "\ncredentials:\n  first_generation:");
	value_line(im, false, "    user", user);
	secret_line(im, false, "    password", "ssh_password", password);
	secret_line(im, false, "    become_password", "ssh_sudo_password", sudo);
	line(im, false, "\nexecutors:");
	for (int i = 0; i < 2; i++) {
		line(im, false, "  - plugin: %s\n    credential: first_generation",
		     i ? "ansible_playbook" : "ansible_adhoc");
		line(im, false, "    become: true   # as the first generation did, by sudo");
		line(im, true,
		     "   environment: {ANSIBLE_HOST_KEY_CHECKING: \"false\"}   # it did not check host keys, either");
	}
}

/* The same database in both files, under two names. */
static void add_store(struct import *im)
{
	static const char *const sections[] = { "MySQL", "Fil_EXEC_MySQL" };
	const char *section = NULL;

	for (int i = 0; i < 2 && !section; i++)
		if (old_config_find(&im->old, sections[i], MYSQL_NAMES_HOST " PORT DATABASE USER " SECRET_NAMES))
			section = sections[i];
	line(im, false, "\nstore:\n  plugin: sqlite");
	if (!section)
		return;
	line(im, true,
	     "This version has no MySQL yet. Drover makes its own tables; the first generation's stay as they are.");
	line(im, true, "store:\n#   plugin: mysql");
	value_line(im, true, "  host", old_config_value(&im->old, section, MYSQL_NAMES_HOST));
	value_line(im, true, "  port", number(im, section, "PORT MYSQL_PORT"));
	value_line(im, true, "  database", old_config_value(&im->old, section, "DATABASE DB DBNAME DB_NAME NAME"));
	value_line(im, true, "  user", old_config_value(&im->old, section, "USER USERNAME"));
	secret_line(im, true, "  password", "mysql_password", old_config_find(&im->old, section, SECRET_NAMES));
}

/* With the port, where the servers have none. */
static char *with_port(const char *servers, const char *port)
{
	struct buf text = BUF_INIT;

	while (servers && *servers) {
		size_t size = strcspn(servers, ", ");

		if (size)
			buf_printf(&text, "%s%.*s", text.size ? "," : "", (int)size, servers);
		if (size && port && !memchr(servers, ':', size))
			buf_printf(&text, ":%s", port);
		servers += size;
		servers += strspn(servers, ", ");
	}
	return text.data ? buf_take(&text) : NULL;
}

static void add_kafka(struct import *im)
{
	const char *servers =
		old_config_value(&im->old, "Kafka_Cluster", "BOOTSTRAP_SERVERS BROKERS SERVERS HOST HOSTS IP");
	char *brokers = with_port(servers, number(im, "Kafka_Cluster", "PORT"));

	drop(im, "Kafka_Cluster", "GROUP_ID GROUP", "engines of a pool share its units");
	drop(im, "Kafka_Cluster", "TOPIC TOPIC_NAME", "topics are named after pools: drover.units.POOL");
	drop(im, "Kafka_Cluster", "AUTO_OFFSET_RESET", "the store says what is still to be done");
	if (!brokers)
		return;
	line(im, true, "This version has no Kafka yet: units are executed on this node.");
	line(im, true, "connections:\n#   k1:\n#     kafka:");
	value_line(im, true, "      brokers", brokers);
	line(im, true, "dispatcher: {plugin: kafka, use: k1}");
	line(im, true, "and among the sources of engines: {plugin: kafka, use: k1}");
	free(brokers);
}

static void add_zabbix(struct import *im)
{
	const char *servers = old_config_value(&im->old, "Zabbix", "IP HOST SERVER SERVERS URL");
	const char *interval;
	char *whole = with_port(servers, number(im, "Zabbix", "ZABBIX_PORT PORT"));

	drop(im, "Data_Send", "EXEC", "engines take units when they have room for them");
	if (whole) {
		line(im, true, "This version has no Zabbix yet.");
		line(im, true, "monitors:\n#   - plugin: zabbix");
		value_line(im, true, "    servers", whole);
		value_line(im, true, "    item", old_config_value(&im->old, "Zabbix", "ITEM KEY"));
		interval = number(im, "Data_Send", "ZABBIX INTERVAL");
		if (interval)
			line(im, true, "    interval: %ss", interval);
	}
	free(whole);
}

static void add_gitlab(struct import *im)
{
	const char *host = old_config_value(&im->old, "Gitlab", "IP HOST SERVER URL");
	struct old_key *token = old_config_find(&im->old, "Gitlab", "TOKEN " SECRET_NAMES);

	if (!host)
		return;
	line(im, true,
	     "This version has no projects yet. The first generation logged in as git, with the key of its user.");
	line(im, true, "projects:\n#   gitlab:");
	value_line(im, true, "    host", host);
	value_line(im, true, "    group", old_config_value(&im->old, "Gitlab", "GROUP"));
	value_line(im, true, "    user", old_config_value(&im->old, "Gitlab", "USER USERNAME"));
	secret_line(im, true, "    token", "gitlab_token", token);
	line(im, true, "  first_generation_root: /mnt");
}

/* ------------------------------------------------------------------------------- what is left over */

/* The name alone: its value may be a secret. */
static void name_unused(struct import *im)
{
	for (size_t i = 0; i < im->old.count; i++) {
		const struct old_key *key = &im->old.keys[i];

		if (!key->used)
			note(im, "%s:%d: [%s] %s is not known, so nothing was made of it", key->file, key->line,
			     key->section, key->name);
	}
}

/* Two files may say the same; where they do not, the first one was taken. */
static void name_conflicts(struct import *im)
{
	for (size_t i = 0; i < im->old.count; i++) {
		const struct old_key *a = &im->old.keys[i];

		for (size_t k = 0; k < i; k++) {
			const struct old_key *b = &im->old.keys[k];

			if (strcasecmp(a->section, b->section) || strcasecmp(a->name, b->name))
				continue;
			if (strcmp(a->value, b->value))
				note(im, "%s:%d: [%s] %s differs from %s:%d, which was taken", a->file, a->line,
				     a->section, a->name, b->file, b->line);
			break;
		}
	}
}

/* [Fil_EXEC_MySQL] is the other file's name for the database of [MySQL]. */
static void merge_databases(struct import *im)
{
	bool has_mysql = false;

	for (size_t i = 0; i < im->old.count; i++)
		has_mysql |= !strcasecmp(im->old.keys[i].section, "MySQL");
	for (size_t i = 0; has_mysql && i < im->old.count; i++) {
		struct old_key *key = &im->old.keys[i];

		if (!strcasecmp(key->section, "Fil_EXEC_MySQL")) {
			free(key->section);
			key->section = xstrdup("MySQL");
		}
	}
}

static void make_yaml(struct import *im, char *const *files, size_t count)
{
	line(im, false, "# Made by `drover config import`. `drover config check FILE` says whether it can be used.");
	for (size_t i = 0; i < count; i++)
		line(im, false, "# from %s", files[i]);
	line(im, false, "\nnode:\n  state_dir: /var/lib/drover\n");
	add_source(im);
	add_credential(im);
	add_store(im);
	add_kafka(im);
	add_zabbix(im);
	add_gitlab(im);
	drop(im, "Data_Send", "DISTRIBUTE_IP", "engines find their work in the store");
	name_conflicts(im);
	name_unused(im);
	if (im->notes.size)
		buf_printf(&im->out, "\n# What could not be taken over as it was:\n%s", im->notes.data);
}

static int write_yaml(struct import *im, const char *output)
{
	int fd = output ? open(output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;
	FILE *file = output ? NULL : stdout;

	if (fd >= 0)
		file = fdopen(fd, "w");
	if (!file || fwrite(im->out.data, 1, im->out.size, file) != im->out.size || fflush(file))
		return drover_error_set(&im->err, DROVER_EFAULT, "cannot write %s: %s",
					output ? output : "standard output", strerror(errno));
	if (output && fclose(file))
		return drover_error_set(&im->err, DROVER_EFAULT, "cannot write %s: %s", output, strerror(errno));
	return 0;
}

/* Where nobody has said where the secrets are to be. */
static char *usual_folder(const char *output)
{
	const char *slash = output ? strrchr(output, '/') : NULL;
	struct buf path = BUF_INIT;

	if (!output)
		buf_string(&path, "drover-secrets");
	else
		buf_printf(&path, "%.*s%ssecrets", slash ? (int)(slash - output) : 0, output, slash ? "/" : "");
	return buf_take(&path);
}

int config_import(char *const *files, size_t count, const char *output, const char *secrets)
{
	char *usual = secrets ? NULL : usual_folder(output);
	struct import im = { .folder = secrets ? secrets : usual };

	for (size_t i = 0; i < count && !im.code; i++)
		im.code = old_config_read(&im.old, files[i], &im.err);
	/* Before a secret is written anywhere. */
	if (!im.code && output && !access(output, F_OK))
		im.code = drover_error_set(&im.err, DROVER_ECONFLICT, "%s is there already: remove it, or name another",
					   output);
	if (!im.code) {
		merge_databases(&im);
		make_yaml(&im, files, count);
	}
	if (!im.code)
		im.code = write_yaml(&im, output);
	if (im.code)
		cli_say("%s", im.err.message);
	else if (im.secrets)
		cli_say("the secrets are in %s", im.secrets);
	old_config_dispose(&im.old);
	buf_dispose(&im.out);
	buf_dispose(&im.notes);
	free(im.secrets);
	free(usual);
	return im.code ? CLI_ERROR : CLI_OK;
}
