/*
 * settings_make.h - what the parts that put a host's settings together share. Internal.
 *
 * Each part returns 0, -ENOMEM, or -EINVAL with the problem set.
 */
#ifndef LIB_SSH_SETTINGS_MAKE_H
#define LIB_SSH_SETTINGS_MAKE_H

#include "ssh/fanout.h"
#include "ssh/settings.h"

struct making {
	struct settings *s;
	struct fanout *fanout;
	const struct fanout_config *config;
	const struct fanout_target *target;
	struct expansion expansion;
	char *problem;
	size_t size;
};

/* The problem is with this line. -EINVAL. */
int __attribute__((format(printf, 3, 4)))
settings_wrong(struct making *m, const struct config_line *line, const char *format, ...);
/* `*text` is the caller's. */
int settings_expand(struct making *m, const struct config_line *line, const char *word, bool tilde, char **text);
/* `line` may be NULL. */
int settings_yes(struct making *m, const struct config_line *line, bool otherwise, bool *yes);

/* settings_trust.c */
int settings_identities(struct making *m);
int settings_methods(struct making *m);
int settings_trust(struct making *m);

#endif
