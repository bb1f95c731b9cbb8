/* cli.c - see cli.h. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/term.h"
#include "conf/suggest.h"
#include "util/buf.h"

enum { OPT_URL = 0x1000, OPT_JSON, OPT_STANDALONE };

static const struct argp_option shared_options[] = {
	{ NULL, 0, NULL, 0, "Every command takes:", 90 },
	{ "url", OPT_URL, "URL", 0,
	  "The daemon: http://HOST:PORT or unix:PATH (else $DROVER_URL, ~/.config/drover/config.yaml)", 0 },
	{ "standalone", OPT_STANDALONE, NULL, 0, "The private daemon of this user, started where it is needed", 0 },
	{ "json", OPT_JSON, NULL, 0, "Data as JSON", 0 },
	{ "verbose", 'v', NULL, 0, "Say more on stderr", 0 },
	{ 0 },
};

static error_t parse_shared(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case OPT_URL:
		cli->url = arg;
		return 0;
	case OPT_STANDALONE:
		cli->standalone = true;
		return 0;
	case OPT_JSON:
		cli->json = true;
		return 0;
	case 'v':
		cli->verbose = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp cli_shared_argp = { shared_options, parse_shared, NULL, NULL, NULL, NULL, NULL };

void cli_init(struct cli *cli)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	*cli = (struct cli){ .stdout_terminal = isatty(STDOUT_FILENO), .stderr_terminal = isatty(STDERR_FILENO) };
	cli->color = cli->stdout_terminal && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}

void cli_say(const char *format, ...)
{
	const struct cli plain = { .stderr_terminal = isatty(STDERR_FILENO) };
	struct buf text = BUF_INIT;
	va_list args;

	/* Names and messages of a daemon may be in it. */
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	fflush(stdout);
	fputs("drover: ", stderr);
	term_line(&plain, stderr, text.data);
	fputc('\n', stderr);
	buf_dispose(&text);
}

int cli_usage(const char *command, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, format);
	fputs("drover: ", stderr);
	vfprintf(stderr, format, args);
	fprintf(stderr, "\nTry `drover %s%s--help'.\n", command, *command ? " " : "");
	va_end(args);
	return CLI_USAGE;
}

/* ------------------------------------------------------------------- options that do not exist */

static const struct argp_option builtin_options[] = {
	{ "help", '?', NULL, 0, NULL, 0 },
	{ "usage", 0, NULL, 0, NULL, 0 },
	{ "version", 'V', NULL, 0, NULL, 0 },
	{ 0 },
};

/* All tables that a command's options are in: its own, those of its argp's children, the shared ones. */
#define TABLES 5

struct tables {
	const struct argp_option *all[TABLES];
};

static bool is_end(const struct argp_option *option)
{
	return !option->name && !option->key && !option->doc;
}

/* The long option `name` of one table: exactly, or the only one that begins so (counted in `begin`). */
static const struct argp_option *find_long(const struct argp_option *table, const char *name, size_t size,
					   const struct argp_option **prefix, int *begin)
{
	for (const struct argp_option *o = table; o && !is_end(o); o++) {
		if (!o->name || strncmp(o->name, name, size))
			continue;
		if (!o->name[size])
			return o;
		*prefix = o;
		++*begin;
	}
	return NULL;
}

static const struct argp_option *find_option(const struct tables *tables, const char *name, size_t size)
{
	const struct argp_option *prefix = NULL, *exact;
	int begin = 0;

	for (int i = 0; i < TABLES; i++) {
		exact = find_long(tables->all[i], name, size, &prefix, &begin);
		if (exact)
			return exact;
	}
	return begin ? prefix : NULL;
}

static const struct argp_option *find_short(const struct tables *tables, char key)
{
	for (int i = 0; i < TABLES; i++)
		for (const struct argp_option *o = tables->all[i]; o && !is_end(o); o++)
			if (o->key == key)
				return o;
	return NULL;
}

/* Does a short cluster such as `-vH` take the next word as its value? */
static bool takes_next(const struct tables *tables, const char *cluster)
{
	for (const char *p = cluster; *p; p++) {
		const struct argp_option *o = find_short(tables, *p);

		if (!o)
			return false;
		while (o->flags & OPTION_ALIAS)
			o--;
		if (o->arg)
			return !p[1];
	}
	return false;
}

static void unknown_option(const struct tables *tables, const char *command, const char *word, size_t size)
{
	char name[64], hint[128];
	struct suggest suggest;

	snprintf(name, sizeof(name), "%.*s", (int)size, word);
	suggest_begin(&suggest, name);
	for (int i = 0; i < TABLES; i++)
		for (const struct argp_option *o = tables->all[i]; o && !is_end(o); o++)
			if (o->name && !(o->flags & OPTION_HIDDEN))
				suggest_consider(&suggest, o->name);
	if (suggest.best)
		snprintf(hint, sizeof(hint), "; did you mean --%s?", suggest.best);
	else
		*hint = '\0';
	exit(cli_usage(command, "there is no option --%s%s", name, hint));
}

/* getopt says "unrecognized option"; this says which one was probably meant. */
static void check_options(const char *command, const struct argp *argp, bool in_order, int argc, char **argv)
{
	struct tables known = { { shared_options, builtin_options, argp->options } }, *tables = &known;

	for (int i = 3; i < TABLES && argp->children && argp->children[i - 3].argp; i++)
		known.all[i] = argp->children[i - 3].argp->options;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		const struct argp_option *option;
		size_t size;

		if (!strcmp(word, "--"))
			return;
		if (word[0] != '-' || !word[1]) {
			if (in_order)
				return;
			continue;
		}
		if (word[1] != '-') {
			i += takes_next(tables, word + 1);
			continue;
		}
		size = strcspn(word + 2, "=");
		option = find_option(tables, word + 2, size);
		if (!option)
			unknown_option(tables, command, word + 2, size);
		while (option->flags & OPTION_ALIAS)
			option--;
		if (option->arg && !(option->flags & OPTION_ARG_OPTIONAL) && !word[2 + size])
			i++;
	}
}

/* The command's own input and the shared one, for the two argps below the root. */
struct inputs {
	void *own;
	struct cli *cli;
};

static error_t parse_root(int key, char *arg, struct argp_state *state)
{
	struct inputs *inputs = state->input;

	(void)arg;
	if (key == ARGP_KEY_INIT) {
		state->child_inputs[0] = inputs->own;
		state->child_inputs[1] = inputs->cli;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

void cli_parse(struct cli *cli, const char *command, const struct argp *argp, unsigned flags, int argc, char **argv,
	       void *input)
{
	const struct argp_child children[] = { { argp, 0, NULL, 0 }, { &cli_shared_argp, 0, NULL, 90 }, { 0 } };
	struct argp root = { NULL, parse_root, argp->args_doc, argp->doc, children, NULL, NULL };
	struct argp own = *argp;
	struct argp_child own_children[2];
	struct inputs inputs = { input, cli };
	static char name[64]; /* argv[0] stays */

	/* The texts are the root's; the child's own would be shown a second time. */
	own.args_doc = own.doc = NULL;
	memcpy(own_children, children, sizeof(own_children));
	own_children[0].argp = &own;
	root.children = (const struct argp_child[]){ own_children[0], own_children[1], { 0 } };
	snprintf(name, sizeof(name), "drover%s%s", *command ? " " : "", command);
	argv[0] = name;
	check_options(command, argp, flags & ARGP_IN_ORDER, argc, argv);
	argp_parse(&root, argc, argv, flags, NULL, &inputs);
}
