/* inventory_files.h - have the files of an inventory changed? Told by names, sizes and times, without reading them. */
#ifndef DAEMON_INVENTORY_FILES_H
#define DAEMON_INVENTORY_FILES_H

#define INVENTORY_MARK_SIZE 16

struct json_object;

/*
 * Of the sources (an array of paths), all that is in those that are folders, and `group_vars` and `host_vars` beside
 * those that are files: two marks are equal where nothing has changed. Looks at 20,000 files at most.
 */
void inventory_files_mark(struct json_object *sources, unsigned char mark[INVENTORY_MARK_SIZE]);

#endif
