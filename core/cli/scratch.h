/* scratch.h - a state folder for a private daemon that is gone with the command. */
#ifndef CLI_SCRATCH_H
#define CLI_SCRATCH_H

/* Makes it below $TMPDIR or /tmp; `word` is in its name. Owned by the caller; NULL: it was told why not. */
char *scratch_make(const char *word);
/* Removes it with all that is in it, and frees the name. Tells what could not be removed. */
void scratch_remove(char *folder);

#endif
