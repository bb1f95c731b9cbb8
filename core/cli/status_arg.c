/* status_arg.c - see status_arg.h. */
#include "cli/status_arg.h"

#include <stdlib.h>
#include <string.h>

#include <drover/status.h>

#include "conf/suggest.h"
#include "util/buf.h"

void status_arg_check(const char *list, struct argp_state *state)
{
	char *copy = xstrdup(list);

	for (char *save, *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		struct suggest suggest;

		if (drover_status_parse(word) >= 0)
			continue;
		suggest_begin(&suggest, word);
		for (int i = 0; i < DROVER_STATUS_COUNT; i++)
			suggest_consider(&suggest, drover_status_name((enum drover_status)i));
		argp_error(state, "--status: there is no status \"%s\"%s%s%s", word,
			   suggest.best ? "; did you mean " : "", suggest.best ? suggest.best : "",
			   suggest.best ? "?" : "");
	}
	free(copy);
}
