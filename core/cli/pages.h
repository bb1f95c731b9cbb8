/* pages.h - the items of a list of the daemon's, one by one, however many there are: fetched page by page. */
#ifndef CLI_PAGES_H
#define CLI_PAGES_H

#include <stdint.h>

#include "cli/cli.h"
#include "cli/client.h"

/* Non-zero ends it, and is returned. `item` is borrowed for the call. */
typedef int pages_fn(void *context, struct json_object *item);

/*
 * `query`: parameters behind the limit ("&status=ok&host=a"), escaped, or "". At most `most` items. 0, an error of the
 * client, or what `fn` returned.
 */
int pages_each(struct client *client, const char *path, const char *query, int64_t most, pages_fn *fn, void *context,
	       struct drover_error *err);

/* `{"items": […]}` on stdout, an item a line, while it comes. */
void pages_json_begin(void);
void pages_json_item(const struct cli *cli, struct json_object *item, bool first);
void pages_json_end(void);

#endif
