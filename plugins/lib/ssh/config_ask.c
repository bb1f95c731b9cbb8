#define _GNU_SOURCE

/*
 * config_ask.c - which lines of the ssh_config files hold for a host.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ssh/config.h"

/* How a directive is treated. */
enum kind {
	FIRST,  /* `to` is its enum config_first */
	ALL,    /* `to` is its enum config_all */
	UNLESS, /* a problem, unless its value is one of `harmless` */
	HARMLESS
};

static const struct directive {
	const char *name;
	enum kind kind;
	int to;
	const char *harmless; /* words between blanks */
} directives[] = {
	{ "HostName", FIRST, CONFIG_HOST_NAME, NULL },
	{ "User", FIRST, CONFIG_USER, NULL },
	{ "Port", FIRST, CONFIG_PORT, NULL },
	{ "AddressFamily", FIRST, CONFIG_ADDRESS_FAMILY, NULL },
	{ "BindAddress", FIRST, CONFIG_BIND_ADDRESS, NULL },
	{ "CASignatureAlgorithms", FIRST, CONFIG_CA_ALGORITHMS, NULL },
	{ "Ciphers", FIRST, CONFIG_CIPHERS, NULL },
	{ "Compression", FIRST, CONFIG_COMPRESSION, NULL },
	{ "ConnectTimeout", FIRST, CONFIG_CONNECT_TIMEOUT, NULL },
	{ "GlobalKnownHostsFile", FIRST, CONFIG_GLOBAL_KNOWN_HOSTS, NULL },
	{ "HostKeyAlgorithms", FIRST, CONFIG_HOST_KEY_ALGORITHMS, NULL },
	{ "HostKeyAlias", FIRST, CONFIG_HOST_KEY_ALIAS, NULL },
	{ "IdentitiesOnly", FIRST, CONFIG_IDENTITIES_ONLY, NULL },
	{ "IdentityAgent", FIRST, CONFIG_IDENTITY_AGENT, NULL },
	{ "KbdInteractiveAuthentication", FIRST, CONFIG_KBDINT, NULL },
	{ "ChallengeResponseAuthentication", FIRST, CONFIG_KBDINT, NULL },
	{ "KexAlgorithms", FIRST, CONFIG_KEX, NULL },
	{ "MACs", FIRST, CONFIG_MACS, NULL },
	{ "PasswordAuthentication", FIRST, CONFIG_PASSWORD, NULL },
	{ "PreferredAuthentications", FIRST, CONFIG_PREFERRED, NULL },
	{ "ProxyCommand", FIRST, CONFIG_PROXY, NULL },
	{ "ProxyJump", FIRST, CONFIG_PROXY, NULL },
	{ "PubkeyAuthentication", FIRST, CONFIG_PUBKEY, NULL },
	{ "PubkeyAcceptedAlgorithms", FIRST, CONFIG_PUBKEY_ALGORITHMS, NULL },
	{ "PubkeyAcceptedKeyTypes", FIRST, CONFIG_PUBKEY_ALGORITHMS, NULL },
	{ "ServerAliveCountMax", FIRST, CONFIG_ALIVE_COUNT, NULL },
	{ "ServerAliveInterval", FIRST, CONFIG_ALIVE_INTERVAL, NULL },
	{ "StrictHostKeyChecking", FIRST, CONFIG_STRICT, NULL },
	{ "UserKnownHostsFile", FIRST, CONFIG_USER_KNOWN_HOSTS, NULL },
	{ "IgnoreUnknown", FIRST, CONFIG_IGNORE_UNKNOWN, NULL },
	{ "IdentityFile", ALL, CONFIG_IDENTITY_FILE, NULL },
	{ "CertificateFile", ALL, CONFIG_CERTIFICATE_FILE, NULL },
	{ "SetEnv", ALL, CONFIG_SET_ENV, NULL },
	/* Which host, by what way, as whom, with which trust. */
	{ "BindInterface", UNLESS, 0, "none" },
	{ "CanonicalizeHostname", UNLESS, 0, "no false none" },
	{ "KnownHostsCommand", UNLESS, 0, "none" },
	{ "PKCS11Provider", UNLESS, 0, "none" },
	{ "ProxyUseFdpass", UNLESS, 0, "no false" },
	{ "RemoteCommand", UNLESS, 0, "none" },
	{ "RevokedHostKeys", UNLESS, 0, "none" },
	{ "SessionType", UNLESS, 0, "default" },
	/* The rest changes nothing for a command that a program runs. */
	{ "AddKeysToAgent", HARMLESS, 0, NULL },
	{ "BatchMode", HARMLESS, 0, NULL },
	{ "CanonicalDomains", HARMLESS, 0, NULL },
	{ "CanonicalizeFallbackLocal", HARMLESS, 0, NULL },
	{ "CanonicalizeMaxDots", HARMLESS, 0, NULL },
	{ "CanonicalizePermittedCNAMEs", HARMLESS, 0, NULL },
	{ "CheckHostIP", HARMLESS, 0, NULL },
	{ "Cipher", HARMLESS, 0, NULL },
	{ "ClearAllForwardings", HARMLESS, 0, NULL },
	{ "CompressionLevel", HARMLESS, 0, NULL },
	{ "ConnectionAttempts", HARMLESS, 0, NULL },
	{ "ControlMaster", HARMLESS, 0, NULL },
	{ "ControlPath", HARMLESS, 0, NULL },
	{ "ControlPersist", HARMLESS, 0, NULL },
	{ "DSAAuthentication", HARMLESS, 0, NULL },
	{ "DynamicForward", HARMLESS, 0, NULL },
	{ "EnableEscapeCommandline", HARMLESS, 0, NULL },
	{ "EnableSSHKeysign", HARMLESS, 0, NULL },
	{ "EscapeChar", HARMLESS, 0, NULL },
	{ "ExitOnForwardFailure", HARMLESS, 0, NULL },
	{ "FingerprintHash", HARMLESS, 0, NULL },
	{ "ForkAfterAuthentication", HARMLESS, 0, NULL },
	{ "ForwardAgent", HARMLESS, 0, NULL },
	{ "ForwardX11", HARMLESS, 0, NULL },
	{ "ForwardX11Timeout", HARMLESS, 0, NULL },
	{ "ForwardX11Trusted", HARMLESS, 0, NULL },
	{ "GatewayPorts", HARMLESS, 0, NULL },
	{ "GSSAPIAuthentication", HARMLESS, 0, NULL },
	{ "GSSAPIClientIdentity", HARMLESS, 0, NULL },
	{ "GSSAPIDelegateCredentials", HARMLESS, 0, NULL },
	{ "GSSAPIKexAlgorithms", HARMLESS, 0, NULL },
	{ "GSSAPIKeyExchange", HARMLESS, 0, NULL },
	{ "GSSAPIRenewalForcesRekey", HARMLESS, 0, NULL },
	{ "GSSAPIServerIdentity", HARMLESS, 0, NULL },
	{ "GSSAPITrustDns", HARMLESS, 0, NULL },
	{ "HashKnownHosts", HARMLESS, 0, NULL },
	{ "HostbasedAcceptedAlgorithms", HARMLESS, 0, NULL },
	{ "HostbasedAuthentication", HARMLESS, 0, NULL },
	{ "HostbasedKeyTypes", HARMLESS, 0, NULL },
	{ "IPQoS", HARMLESS, 0, NULL },
	{ "KbdInteractiveDevices", HARMLESS, 0, NULL },
	{ "LocalCommand", HARMLESS, 0, NULL },
	{ "LocalForward", HARMLESS, 0, NULL },
	{ "LogLevel", HARMLESS, 0, NULL },
	{ "LogVerbose", HARMLESS, 0, NULL },
	{ "NoHostAuthenticationForLocalhost", HARMLESS, 0, NULL },
	{ "NumberOfPasswordPrompts", HARMLESS, 0, NULL },
	{ "PermitLocalCommand", HARMLESS, 0, NULL },
	{ "PermitRemoteOpen", HARMLESS, 0, NULL },
	{ "Protocol", HARMLESS, 0, NULL },
	{ "RekeyLimit", HARMLESS, 0, NULL },
	{ "RemoteForward", HARMLESS, 0, NULL },
	{ "RequestTTY", HARMLESS, 0, NULL },
	{ "RequiredRSASize", HARMLESS, 0, NULL },
	{ "RhostsRSAAuthentication", HARMLESS, 0, NULL },
	{ "RSAAuthentication", HARMLESS, 0, NULL },
	{ "RSAMinSize", HARMLESS, 0, NULL },
	{ "SecurityKeyProvider", HARMLESS, 0, NULL },
	{ "SendEnv", HARMLESS, 0, NULL }, /* the daemon's environment is nobody's */
	{ "StdinNull", HARMLESS, 0, NULL },
	{ "StreamLocalBindMask", HARMLESS, 0, NULL },
	{ "StreamLocalBindUnlink", HARMLESS, 0, NULL },
	{ "SyslogFacility", HARMLESS, 0, NULL },
	{ "TCPKeepAlive", HARMLESS, 0, NULL },
	{ "Tunnel", HARMLESS, 0, NULL },
	{ "TunnelDevice", HARMLESS, 0, NULL },
	{ "UpdateHostKeys", HARMLESS, 0, NULL },
	{ "UseKeychain", HARMLESS, 0, NULL },
	{ "UsePrivilegedPort", HARMLESS, 0, NULL },
	{ "UseRoaming", HARMLESS, 0, NULL },
	{ "VerifyHostKeyDNS", HARMLESS, 0, NULL },
	{ "VisualHostKey", HARMLESS, 0, NULL },
	{ "XAuthLocation", HARMLESS, 0, NULL },
};

struct asking {
	const struct config_query *query;
	struct config_answer *answer;
	bool final;       /* the second time over */
	bool wants_final; /* a `Match final` was met */
};

static void __attribute__((format(printf, 3, 4)))
problem(struct asking *a, const struct config_line *line, const char *format, ...)
{
	char why[160];
	va_list args;

	if (*a->answer->problem)
		return;
	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	snprintf(a->answer->problem, sizeof(a->answer->problem), "%.60s at %.160s:%d: %s", line->keyword, line->file,
		 line->number, why);
}

/* -------------------------------------------------------------------------------------- patterns */

bool config_match_pattern(const char *pattern, const char *text)
{
	const char *star = NULL, *again = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			again = text;
		} else if (*pattern &&
			   (*pattern == '?' || tolower((unsigned char)*pattern) == tolower((unsigned char)*text))) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++again;
		} else {
			return false;
		}
	}
	return !pattern[strspn(pattern, "*")];
}

int config_match_words(char *const *words, size_t count, const char *text)
{
	int found = 0;

	for (size_t i = 0; i < count; i++) {
		bool negated = *words[i] == '!';

		if (!config_match_pattern(words[i] + negated, text))
			continue;
		if (negated)
			return -1;
		found = 1;
	}
	return found;
}

int config_match_list(const char *list, const char *text)
{
	char *copy = strdup(list), *rest = copy, *word;
	int found = 0;

	while (found >= 0 && copy && (word = strsep(&rest, ","))) {
		int one = config_match_words(&word, 1, text);

		if (one)
			found = one;
	}
	free(copy);
	return found;
}

/* ----------------------------------------------------------------------------------------- Match */

/* What a criterion looks at, or NULL: it is none of those with patterns. */
static const char *subject(const struct asking *a, const char *criterion)
{
	const struct config_line *user = a->answer->first[CONFIG_USER], *name = a->answer->first[CONFIG_HOST_NAME];

	if (!strcasecmp(criterion, "originalhost"))
		return a->query->name;
	if (!strcasecmp(criterion, "host")) /* with %h in it, it is as good as the name */
		return name && !strchr(name->words[0], '%') ? name->words[0] : a->query->name;
	if (!strcasecmp(criterion, "localuser"))
		return a->query->local_user;
	if (!strcasecmp(criterion, "user"))
		return a->query->user ? a->query->user : user ? user->words[0] : a->query->local_user;
	return NULL;
}

/* Do all of a Match line's criteria hold? What cannot be said is a problem where all the others hold. */
static bool matches(struct asking *a, const struct config_line *line)
{
	const char *unknown = NULL;
	bool holds = true;

	for (size_t i = 0; i < line->count && holds; i++) {
		bool negated = *line->words[i] == '!', yes = true;
		const char *criterion = line->words[i] + negated, *text = subject(a, criterion);

		if (!strcasecmp(criterion, "all")) {
			continue;
		} else if (!strcasecmp(criterion, "final")) {
			a->wants_final = true;
			yes = a->final;
		} else if (!strcasecmp(criterion, "canonical")) {
			yes = false; /* names are not made canonical here */
		} else if (i + 1 == line->count) {
			problem(a, line, "`%s` needs a value", criterion);
			return false;
		} else if (text) {
			yes = config_match_list(line->words[++i], text) > 0;
		} else {
			unknown = criterion;
			i++;
			continue;
		}
		holds = yes != negated;
	}
	if (holds && unknown)
		problem(a, line, "`%s` is not supported, so it is not known whether the lines below it hold", unknown);
	return holds && !unknown;
}

/* --------------------------------------------------------------------------------------- applying */

static bool is_one_of(const char *words, const char *word)
{
	size_t size = strlen(word);

	for (; *words; words += strspn(words, " ")) {
		size_t length = strcspn(words, " ");

		if (length == size && !strncasecmp(words, word, size))
			return true;
		words += length;
	}
	return false;
}

static int add(struct config_answer *answer, int to, const struct config_line *line)
{
	const struct config_line **lines;

	for (size_t i = 0; i < answer->all[to].count; i++)
		if (answer->all[to].lines[i] == line)
			return 0; /* the second time over */
	lines = reallocarray(answer->all[to].lines, answer->all[to].count + 1, sizeof(const struct config_line *));
	if (!lines)
		return -ENOMEM;
	lines[answer->all[to].count++] = line;
	answer->all[to].lines = lines;
	return 0;
}

static int apply(struct asking *a, const struct config_line *line)
{
	const struct config_line *ignored = a->answer->first[CONFIG_IGNORE_UNKNOWN];
	const struct directive *d = NULL;

	for (size_t i = 0; i < sizeof(directives) / sizeof(*directives) && !d; i++)
		if (!strcasecmp(directives[i].name, line->keyword))
			d = &directives[i];
	if (!d && ignored && config_match_list(ignored->words[0], line->keyword) > 0)
		return 0;
	if (line->broken)
		problem(a, line, "%s", line->broken);
	else if (!d)
		problem(a, line, "there is no such directive");
	else if (d->kind == UNLESS && !is_one_of(d->harmless, line->words[0]))
		problem(a, line, "this is not supported, and it decides how the host is reached");
	else if (d->kind == FIRST && !a->answer->first[d->to])
		a->answer->first[d->to] = line;
	else if (d->kind == ALL)
		return add(a->answer, d->to, line);
	return 0;
}

static int ask_file(struct asking *a, const struct config_file *file, bool outer)
{
	bool active = outer;
	int code = 0;

	for (size_t i = 0; i < file->count && !code; i++) {
		const struct config_line *line = &file->lines[i];

		if (!strcasecmp(line->keyword, "Host") && !line->broken)
			active = outer && config_match_words(line->words, line->count, a->query->name) > 0;
		else if (!strcasecmp(line->keyword, "Match") && !line->broken)
			active = outer && matches(a, line);
		else if (!strcasecmp(line->keyword, "Include") && !line->broken)
			for (size_t f = 0; active && !code && line->included && line->included[f]; f++)
				code = ask_file(a, line->included[f], true);
		else if (active)
			code = apply(a, line);
	}
	return code;
}

int config_ask(const struct config *config, const struct config_query *query, struct config_answer *answer)
{
	struct asking a = { .query = query, .answer = answer };
	int code = 0;

	*answer = (struct config_answer){ .problem = "" };
	for (size_t i = 0; config->roots[i] && !code; i++)
		code = ask_file(&a, config->roots[i], true);
	a.final = true;
	for (size_t i = 0; a.wants_final && config->roots[i] && !code; i++)
		code = ask_file(&a, config->roots[i], true);
	if (code < 0)
		config_answer_dispose(answer);
	return code;
}

void config_answer_dispose(struct config_answer *answer)
{
	for (size_t i = 0; i < CONFIG_ALL_COUNT; i++) {
		free(answer->all[i].lines);
		answer->all[i].lines = NULL;
		answer->all[i].count = 0;
	}
}
