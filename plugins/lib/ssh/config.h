/*
 * config.h - ssh_config files: read once for all hosts, then asked for each.
 *
 * The files are held as lines that never change. An answer for a host is the lines that hold for it,
 * the first of each directive as ssh has it, all of those that add up (IdentityFile, …), or the first
 * problem: a directive that decides which host is reached, or as whom, and that is not understood.
 * What is harmless to a command run by a program (RequestTTY, ForwardX11, …) is passed over.
 *
 * Source of the meanings: ssh_config(5) of OpenSSH 9.2. Not thread-safe. Memory: 0 or -ENOMEM.
 */
#ifndef LIB_SSH_CONFIG_H
#define LIB_SSH_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

/* Of these the first that holds counts. */
enum config_first {
	CONFIG_HOST_NAME,
	CONFIG_USER,
	CONFIG_PORT,
	CONFIG_ADDRESS_FAMILY,
	CONFIG_BIND_ADDRESS,
	CONFIG_CA_ALGORITHMS,
	CONFIG_CIPHERS,
	CONFIG_COMPRESSION,
	CONFIG_CONNECT_TIMEOUT,
	CONFIG_GLOBAL_KNOWN_HOSTS,
	CONFIG_HOST_KEY_ALGORITHMS,
	CONFIG_HOST_KEY_ALIAS,
	CONFIG_IDENTITIES_ONLY,
	CONFIG_IDENTITY_AGENT,
	CONFIG_KBDINT,
	CONFIG_KEX,
	CONFIG_MACS,
	CONFIG_PASSWORD,
	CONFIG_PREFERRED,
	CONFIG_PROXY, /* ProxyCommand or ProxyJump, whichever comes first */
	CONFIG_PUBKEY,
	CONFIG_PUBKEY_ALGORITHMS,
	CONFIG_ALIVE_COUNT,
	CONFIG_ALIVE_INTERVAL,
	CONFIG_STRICT,
	CONFIG_USER_KNOWN_HOSTS,
	CONFIG_IGNORE_UNKNOWN,
	CONFIG_FIRST_COUNT
};

/* Of these all that hold count, in their order. */
enum config_all { CONFIG_IDENTITY_FILE, CONFIG_CERTIFICATE_FILE, CONFIG_SET_ENV, CONFIG_ALL_COUNT };

/* One line. Borrowed from the configuration. */
struct config_line {
	const char *file;
	int number;
	char *keyword;
	char **words; /* what follows it, unquoted, ended by NULL; of commands one word */
	size_t count;
	const char *broken;                  /* why it cannot be read, or NULL */
	struct config_file *const *included; /* of Include, ended by NULL */
};

struct config;

struct config_query {
	const char *name;       /* as the task has it */
	const char *user;       /* that was asked for, or NULL */
	const char *local_user; /* the daemon's */
};

struct config_answer {
	const struct config_line *first[CONFIG_FIRST_COUNT]; /* or NULL */
	struct {
		const struct config_line **lines; /* owned */
		size_t count;
	} all[CONFIG_ALL_COUNT];
	char problem[480]; /* empty: none */
};

/* Reads the files and what they include; `home` is for `~`. Files that are missing are empty. */
int config_load(struct config **config, const char *const *paths, size_t count, const char *home);
void config_free(struct config *config);

int config_ask(const struct config *config, const struct config_query *query, struct config_answer *answer);
void config_answer_dispose(struct config_answer *answer);

/* For config_read.c and config_ask.c. */
struct config_file {
	char *path; /* owned */
	struct config_line *lines;
	size_t count;
};

struct config {
	struct config_file **files; /* owned: all of them */
	size_t file_count;
	struct config_file **roots; /* those that were asked for, ended by NULL */
	const char *home;
};

/* Reads one text; for files and fuzzing. `file` is borrowed. */
int config_read_text(struct config *config, struct config_file *file, const char *text, int depth);
/* Patterns of ssh_config: `*`, `?`, letters of either case; 1 matches, 0 does not, -1 by a negated one. */
int config_match_words(char *const *words, size_t count, const char *text);
/* The same for one word of patterns between commas. */
int config_match_list(const char *list, const char *text);
bool config_match_pattern(const char *pattern, const char *text);

#endif
