/* scratch.c - see scratch.h. */
#define _GNU_SOURCE
#include "cli/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/buf.h"

char *scratch_make(const char *word)
{
	const char *tmp = getenv("TMPDIR");
	struct buf folder = BUF_INIT;

	buf_printf(&folder, "%s/drover-%s-XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp", word);
	if (mkdtemp(folder.data))
		return buf_take(&folder);
	cli_say("cannot make a folder: %s: %s", folder.data, strerror(errno));
	buf_dispose(&folder);
	return NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	if (remove(path) && errno != ENOENT)
		cli_say("cannot remove %s: %s", path, strerror(errno));
	return 0;
}

void scratch_remove(char *folder)
{
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(folder);
}
