/* private_files.h - what a private daemon is started with: its program and its configuration. */
#ifndef CLI_PRIVATE_FILES_H
#define CLI_PRIVATE_FILES_H

struct drover_error;

/* Where this is in the state folder, the configuration includes it. */
#define PRIVATE_MORE "more.yaml"

/* `folder/name`; owned by the caller. */
char *private_below(const char *folder, const char *name);
/* Writes the configuration of the daemon with that state folder. */
int private_write_config(const char *path, const char *state, struct drover_error *err);
/*
 * The Python interpreter of the `ansible-playbook` on the PATH, as its first line names it. Owned by the caller, or
 * NULL: there is none.
 */
char *private_find_ansible(void);
/* `droverd`: beside this program, where it is installed, or on the PATH. Owned by the caller, or NULL. */
char *private_find_daemon(void);

#endif
