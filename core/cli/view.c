/* view.c - see view.h. */
#include "cli/view.h"

enum { OPT_STREAM = 0x200, OPT_OUTDIR };

/* clang-format off */
#define ENDED_OPTIONS \
	{ "line-by-line", 'L', NULL, 0, "Each line with its host in front, in the order of the hosts", 5 }, \
	{ "outdir", OPT_OUTDIR, "DIR", 0, "Also write each host's output to DIR/HOST.stdout and .stderr", 5 }
/* clang-format on */

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "What is shown (else outputs are folded: hosts with the same one as a group):", 5 },
	ENDED_OPTIONS,
	{ "stream", OPT_STREAM, NULL, 0, "Each line with its host in front, as it comes", 5 },
	{ "remote-exit-code", 'S', NULL, 0, "Exit with the largest exit code of the hosts", 5 },
	{ 0 },
};

static const struct argp_option ended_options[] = { ENDED_OPTIONS, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct view *view = state->input;

	switch (key) {
	case 'L':
	case OPT_STREAM:
		if (view->mode != VIEW_FOLDED && view->mode != (key == 'L' ? VIEW_BY_HOST : VIEW_STREAM))
			argp_error(state, "-L and --stream exclude each other: which shall it be?");
		view->mode = key == 'L' ? VIEW_BY_HOST : VIEW_STREAM;
		return 0;
	case OPT_OUTDIR:
		if (!*arg)
			argp_error(state, "--outdir: which folder?");
		return view->folder = arg, 0;
	case 'S':
		return view->remote_code = true, 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp view_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };
const struct argp view_ended_argp = { ended_options, parse, NULL, NULL, NULL, NULL, NULL };

int view_open(struct view *view)
{
	return outdir_open(&view->outdir, view->folder);
}

void view_close(struct view *view)
{
	outdir_close(&view->outdir);
}
