/* options.c - which command lines are understood: those that Ansible and sftp make. */
#include "session.h"

#include <string.h>
#include <strings.h>

/* Of the connection, which the master has; a session does not ask for them. */
static const char *const of_connection[] = {
	"AddKeysToAgent",
	"AddressFamily",
	"BatchMode",
	"CertificateFile",
	"Ciphers",
	"Compression",
	"ConnectTimeout",
	"ConnectionAttempts",
	"ControlPersist",
	"GSSAPIAuthentication",
	"GlobalKnownHostsFile",
	"HashKnownHosts",
	"HostKeyAlgorithms",
	"HostbasedAuthentication",
	"IdentitiesOnly",
	"IdentityFile",
	"KbdInteractiveAuthentication",
	"KexAlgorithms",
	"MACs",
	"NumberOfPasswordPrompts",
	"PasswordAuthentication",
	"Port",
	"PreferredAuthentications",
	"ProxyCommand",
	"ProxyJump",
	"PubkeyAcceptedAlgorithms",
	"PubkeyAuthentication",
	"ServerAliveCountMax",
	"ServerAliveInterval",
	"StrictHostKeyChecking",
	"TCPKeepAlive",
	"User",
	"UserKnownHostsFile",
};

/* Of sessions, with the only value that is understood: what is so without them, too. */
static const struct {
	const char *name, *value;
} of_session[] = {
	{ "ControlMaster", "auto" },    { "ForwardAgent", "no" },         { "ForwardX11", "no" },
	{ "PermitLocalCommand", "no" }, { "ClearAllForwardings", "yes" },
};

static bool is_name(const char *text, size_t size, const char *name)
{
	return strlen(name) == size && !strncasecmp(text, name, size);
}

static bool take_control_path(struct session *self, const char *value)
{
	size_t size = strlen(value);

	if (size >= 2 && value[0] == '"' && value[size - 1] == '"') {
		value++;
		size -= 2;
	}
	/* Tokens, home folders, what is quoted otherwise; of several the first one counts. */
	if (self->control_path || value[0] != '/' || strcspn(value, "%$\"\\ ") < size)
		return false;
	self->control_path = value;
	self->control_path_size = size;
	return true;
}

static bool take_option(struct session *self, const char *text)
{
	size_t size = strcspn(text, "= \t");
	const char *value = text + size;

	if (!*value)
		return false;
	value++;
	if (is_name(text, size, "ControlPath"))
		return take_control_path(self, value);
	for (size_t i = 0; i < sizeof(of_connection) / sizeof(*of_connection); i++)
		if (is_name(text, size, of_connection[i]))
			return true;
	for (size_t i = 0; i < sizeof(of_session) / sizeof(*of_session); i++)
		if (is_name(text, size, of_session[i].name))
			return !strcasecmp(value, of_session[i].value);
	return false;
}

/* An argument before the host; `*argv` is moved on over the option's own. */
static bool take_argument(struct session *self, char *const **argv)
{
	const char *word = **argv;

	if (!strcmp(word, "-o") || !strcmp(word, "-F")) {
		const char *value = *++*argv;

		if (word[1] == 'o')
			return value && take_option(self, value);
		self->no_config = value && !strcmp(value, "none");
		return self->no_config;
	}
	if (!strncmp(word, "-o", 2))
		return take_option(self, word + 2);
	if (!strcmp(word, "-tt"))
		self->tty = true;
	else if (!strcmp(word, "-s"))
		self->subsystem = true;
	else
		return !strcmp(word, "-C");
	return true;
}

bool options_parse(struct session *self, char *const *argv)
{
	for (argv++; *argv && **argv == '-' && strcmp(*argv, "--"); argv++)
		if (!take_argument(self, &argv))
			return false;
	if (*argv && !strcmp(*argv, "--"))
		argv++;
	/* After the host ssh looks for options again; a command is in one word, or ssh would join them. */
	if (!argv[0] || !argv[1] || argv[2] || argv[1][0] == '-' || !argv[1][0])
		return false;
	self->host = argv[0];
	self->command = argv[1];
	return self->control_path && self->host[0] && !strpbrk(self->host, "@/");
}
