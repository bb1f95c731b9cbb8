/* view.h - how the outputs of hosts are shown: the options that `run`, `watch`, `retry` and `outputs` share. */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include <argp.h>
#include <stdbool.h>

#include "cli/outdir.h"

enum view_mode {
	VIEW_FOLDED,  /* hosts with the same output as one */
	VIEW_BY_HOST, /* -L: each line with its host, in the hosts' order */
	VIEW_STREAM   /* --stream: the same as it comes */
};

struct view {
	enum view_mode mode;
	const char *folder; /* --outdir, or NULL */
	struct outdir outdir;
	bool remote_code; /* -S */
};

/* Children for a command's argp; their input is a struct view. The second has no --stream and -S: the task is over. */
extern const struct argp view_argp, view_ended_argp;

/* Before anything is executed: the folder is made. CLI_OK, or says what is wrong and returns what to exit with. */
int view_open(struct view *view);
void view_close(struct view *view);

#endif
