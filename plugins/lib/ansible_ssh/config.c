/* config.c - whether ssh's configuration files say anything of sessions that is not understood.
 *
 * What they say of connections is the master's business. SendEnv for all hosts is what Debian's file has.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

#define SYSTEM_CONFIG "/etc/ssh/ssh_config"
#define SYSTEM_FOLDER "/etc/ssh/ssh_config.d"

/* Everything else is: an unknown keyword may be of sessions, or choose by Match what is of them. */
static const char *const of_connection[] = {
	"host",
	"addkeystoagent",
	"addressfamily",
	"batchmode",
	"bindaddress",
	"certificatefile",
	"checkhostip",
	"ciphers",
	"compression",
	"connecttimeout",
	"gssapiauthentication",
	"hashknownhosts",
	"hostkeyalgorithms",
	"identitiesonly",
	"identityfile",
	"kexalgorithms",
	"macs",
	"passwordauthentication",
	"port",
	"preferredauthentications",
	"proxycommand",
	"proxyjump",
	"pubkeyauthentication",
	"serveralivecountmax",
	"serveraliveinterval",
	"stricthostkeychecking",
	"tcpkeepalive",
	"user",
	"userknownhostsfile",
};

/* Where in a file its lines are. */
struct place {
	bool for_all; /* no Host before them, or `Host *` */
};

static bool add_patterns(struct session *self, char **rest)
{
	for (const char *word; (word = strsep(rest, " \t"));) {
		if (!*word)
			continue;
		if (strpbrk(word, "-\"'") || self->send_env_count == SEND_ENV_MOST || strlen(word) >= SEND_ENV_SIZE)
			return false;
		strcpy(self->send_env[self->send_env_count++], word);
	}
	return true;
}

/* Files there are read by ssh. */
static bool is_folder_empty(void)
{
	DIR *dir = opendir(SYSTEM_FOLDER);
	bool empty = dir || errno == ENOENT;

	for (struct dirent *entry; empty && dir && (entry = readdir(dir));)
		empty = fnmatch("*.conf", entry->d_name, FNM_PERIOD) != 0;
	if (dir)
		closedir(dir);
	return empty;
}

static bool take_line(struct session *self, struct place *place, char *line)
{
	char *rest = line, *word;

	rest += strspn(rest, " \t");
	line[strcspn(line, "\r\n")] = '\0';
	if (!*rest || *rest == '#')
		return true;
	word = strsep(&rest, " \t=");
	rest = rest ? rest + strspn(rest, " \t=") : word + strlen(word);
	if (!strcasecmp(word, "host"))
		place->for_all = !strcmp(rest, "*");
	if (!strcasecmp(word, "sendenv"))
		return place->for_all && add_patterns(self, &rest);
	if (!strcasecmp(word, "include"))
		return place->for_all && !strcmp(rest, SYSTEM_FOLDER "/*.conf") && is_folder_empty();
	for (size_t i = 0; i < sizeof(of_connection) / sizeof(*of_connection); i++)
		if (!strcasecmp(word, of_connection[i]))
			return true;
	return false;
}

static bool read_file(struct session *self, const char *path)
{
	struct place place = { .for_all = true };
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	bool fine = true;

	if (!file)
		return errno == ENOENT;
	while (fine && getline(&line, &room, file) >= 0)
		fine = take_line(self, &place, line);
	fine = fine && !ferror(file);
	free(line);
	fclose(file);
	return fine;
}

/* ssh goes by the user's entry in the list of users, not by $HOME. */
static bool read_users(struct session *self)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *found = NULL;
	bool fine = false;
	char path[4096];

	while (file && (found = fgetpwent(file)) && found->pw_uid != getuid())
		;
	if (found) {
		snprintf(path, sizeof(path), "%s/.ssh/config", found->pw_dir);
		fine = read_file(self, path);
	}
	if (file)
		fclose(file);
	return fine;
}

bool config_read(struct session *self)
{
	return self->no_config || (read_users(self) && read_file(self, SYSTEM_CONFIG));
}
