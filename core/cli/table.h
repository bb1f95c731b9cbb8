/* table.h - rows and columns on stdout, by libsmartcols. Control characters in cells are shown harmlessly. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/cli.h"

struct libscols_table;

struct table_column {
	const char *name;
	bool right; /* numbers */
	bool cut;   /* may be shortened to fit the terminal */
};

/* NULL: no memory, said so. */
struct libscols_table *table_new(const struct cli *cli, const struct table_column *columns, size_t count);
/* As many cells as columns, copied; NULL is an empty one. `status` (or NULL) colours the cell number `colored`. */
void table_row(const struct cli *cli, struct libscols_table *table, const char *const *cells, size_t count, int colored,
	       const char *status);
/* Prints and frees it. Returns what to exit with. */
int table_print(struct libscols_table *table);
/* A time of the daemon's as `2024-11-23 04:24:10` of this machine's time zone; in `local`, which is returned. */
const char *table_time(const char *text, char *local, size_t size);

#endif
