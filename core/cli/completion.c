/* completion.c - the script; see completion.h. */
#include "cli/completion.h"

#include <ctype.h>
#include <string.h>

#include <drover/status.h>

/* What stands for an option's value or a command's word, by its name in the help; the script knows what to offer. */
static const struct {
	const char *name, *kind;
} kinds[] = {
	{ "HOSTS", "hosts" },    { "FILE", "files" },          { "DIR", "folders" },      { "FOLDERS", "folders" },
	{ "ID", "tasks" },       { "STATUS,...", "statuses" }, { "ROLE", "roles" },       { "ORDER", "orders" },
	{ "METHOD", "methods" }, { "WHAT", "on_lost" },        { "STATE,...", "states" }, { "STATE", "states" },
};

static const char *kind_of(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strlen(kinds[i].name) == size && !memcmp(kinds[i].name, name, size))
			return kinds[i].kind;
	return "";
}

static bool is_end(const struct argp_option *o)
{
	return !o->name && !o->key && !o->doc;
}

typedef void option_fn(FILE *out, const char *command, const struct argp_option *option,
		       const struct argp_option *first);

/* Each option that is shown, aliases too; `first` is the one that an alias stands for. */
static void each_option(FILE *out, const char *command, const struct argp *argp, option_fn *fn)
{
	const struct argp_option *first = argp->options;

	for (const struct argp_option *o = argp->options; o && !is_end(o); o++) {
		if (!(o->flags & OPTION_ALIAS))
			first = o;
		if (!((first->flags | o->flags) & OPTION_HIDDEN) && (o->name || o->key))
			fn(out, command, o, first);
	}
	for (const struct argp_child *child = argp->children; child && child->argp; child++)
		each_option(out, command, child->argp, fn);
}

static bool is_letter(int key)
{
	return isascii(key) && isgraph(key);
}

static void put_option(FILE *out, const char *command, const struct argp_option *o, const struct argp_option *first)
{
	(void)command, (void)first;
	if (o->name)
		fprintf(out, " --%s", o->name);
	if (is_letter(o->key))
		fprintf(out, " -%c", o->key);
}

/* Of an option with a value: a case of the command and the option. */
static void put_value(FILE *out, const char *command, const struct argp_option *o, const struct argp_option *first)
{
	const char *kind = first->arg ? kind_of(first->arg, strlen(first->arg)) : "";

	if (!first->arg || first->flags & OPTION_ARG_OPTIONAL)
		return;
	if (o->name)
		fprintf(out, "\t\"%s --%s\") echo %s ;;\n", command, o->name, *kind ? kind : "none");
	if (is_letter(o->key))
		fprintf(out, "\t\"%s -%c\") echo %s ;;\n", command, o->key, *kind ? kind : "none");
}

/*
 * `expand|fold HOSTS...`: verbs, and what comes behind each of them; `ID`: what comes at once. A NAME is the
 * command's own.
 */
static void put_words(FILE *out, const struct command *command)
{
	const char *line = command->argp->args_doc;

	fprintf(out, "\t\"%s\") echo", command->name);
	for (; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *p = line + strspn(line, "[");
		size_t size = strcspn(p, " ]\n"), next;

		if (islower((unsigned char)*p)) {
			for (size_t i = 0; i < size; i++)
				fputc(i ? (p[i] == '|' ? ' ' : p[i]) : (fputc(' ', out), p[i]), out);
			continue;
		}
		next = strcspn(p, " ].|\n");
		if (*kind_of(p, next))
			fprintf(out, " =%s", kind_of(p, next));
	}
	fputs(" ;;\n", out);
}

static void put_second_words(FILE *out, const struct command *command)
{
	const char *line = command->argp->args_doc;

	for (; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *verbs = line + strspn(line, "["), *what;
		size_t size = strcspn(verbs, " ]\n");
		const char *kind;

		if (!islower((unsigned char)*verbs) || verbs[size] != ' ')
			continue;
		what = verbs + size + 1 + strspn(verbs + size + 1, "[");
		kind = kind_of(what, strcspn(what, " ].\n"));
		if (!strncmp(what, "NAME", 4))
			kind = !strcmp(command->name, "engines")  ? "engines"
			       : !strcmp(command->name, "plugin") ? "plugins"
								  : "";
		for (const char *verb = verbs; *kind && verb < verbs + size;) {
			size_t length = strcspn(verb, "| ]\n");

			fprintf(out, "\t\"%s %.*s\") echo =%s ;;\n", command->name, (int)length, verb, kind);
			verb += length + 1;
		}
	}
}

static void put_table(FILE *out, const char *function, const char *otherwise,
		      void (*row)(FILE *out, const struct command *command))
{
	fprintf(out, "\n%s() {\n\tcase \"$1\" in\n", function);
	for (const struct command *command = commands; command->name; command++)
		if (command->argp)
			row(out, command);
	if (otherwise)
		fputs(otherwise, out);
	fputs("\tesac\n}\n", out);
}

static void put_options(FILE *out, const struct command *command)
{
	fprintf(out, "\t\"%s\") echo", command->name);
	each_option(out, command->name, command->argp, put_option);
	each_option(out, command->name, &cli_shared_argp, put_option);
	fputs(" --help ;;\n", out);
}

static void put_values(FILE *out, const struct command *command)
{
	each_option(out, command->name, command->argp, put_value);
	each_option(out, command->name, &cli_shared_argp, put_value);
}

static const char script[] =
#include "cli/completion_bash.h"
	;

void completion_script(FILE *out)
{
	fputs("# bash completion for drover, made by `drover completion bash`.\n"
	      "# zsh: autoload -U bashcompinit; bashcompinit; source this file.\n\n"
	      "_drover_commands='",
	      out);
	for (const struct command *command = commands; command->name; command++)
		fprintf(out, "%s%s", command == commands ? "" : " ", command->name);
	fputs("'\n_drover_statuses='", out);
	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		fprintf(out, "%s%s", i ? " " : "", drover_status_name((enum drover_status)i));
	fputs("'\n", out);
	put_table(out, "_drover_options", "\t\"\") echo --url --standalone --json --verbose --help --version ;;\n",
		  put_options);
	put_table(out, "_drover_value", "\t\" --url\") echo none ;;\n", put_values);
	put_table(out, "_drover_words", NULL, put_words);
	put_table(out, "_drover_second_words", NULL, put_second_words);
	fputs(script, out);
}
