/* table.c - see table.h. */
#include "cli/table.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <time.h>

#include "cli/term.h"
#include "util/clock.h"

struct libscols_table *table_new(const struct cli *cli, const struct table_column *columns, size_t count)
{
	struct libscols_table *table;

	scols_init_debug(0);
	table = scols_new_table();
	if (!table) {
		cli_say("out of memory");
		return NULL;
	}
	/* Into a pipe nothing is shortened. */
	scols_table_set_termforce(table, cli->stdout_terminal ? SCOLS_TERMFORCE_AUTO : SCOLS_TERMFORCE_NEVER);
	scols_table_enable_colors(table, cli->color);
	scols_table_set_column_separator(table, "  ");
	for (size_t i = 0; i < count; i++)
		scols_table_new_column(table, columns[i].name, 0,
				       (columns[i].right ? SCOLS_FL_RIGHT : 0) | (columns[i].cut ? SCOLS_FL_TRUNC : 0));
	return table;
}

void table_row(const struct cli *cli, struct libscols_table *table, const char *const *cells, size_t count, int colored,
	       const char *status)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	for (size_t i = 0; line && i < count; i++)
		scols_line_set_data(line, i, cells[i] ? cells[i] : "");
	if (line && colored >= 0 && *term_color(cli, status))
		scols_cell_set_color(scols_line_get_cell(line, (size_t)colored), term_color(cli, status));
}

int table_print(struct libscols_table *table)
{
	int rc = scols_print_table(table);

	scols_unref_table(table);
	return rc ? CLI_ERROR : CLI_OK;
}

const char *table_time(const char *text, char *local, size_t size)
{
	int64_t ms = clock_parse(text);
	time_t seconds = (time_t)(ms / 1000);
	struct tm here;

	snprintf(local, size, "%s", text);
	if (ms >= 0 && localtime_r(&seconds, &here))
		strftime(local, size, "%Y-%m-%d %H:%M:%S", &here);
	return local;
}
