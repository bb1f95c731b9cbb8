/* manual.c - see manual.h. */
#include "cli/manual.h"

#include <string.h>

#include "cli/cli.h"
#include "util/roff.h"

/* How it is called: a line for each line of its words. */
static void put_usage(FILE *out, const struct command *command)
{
	const char *words = command->argp->args_doc;

	do {
		size_t size = words ? strcspn(words, "\n") : 0;
		char line[256];

		snprintf(line, sizeof(line), "%.*s", (int)size, words ? words : "");
		fputs(".br\n.B drover ", out);
		roff_text(out, command->name);
		fputs("\n[OPTION...]", out);
		if (*line)
			fputc(' ', out);
		roff_text(out, line);
		fputc('\n', out);
		words = words && words[size] ? words + size + 1 : NULL;
	} while (words);
}

static void put_commands(FILE *out)
{
	roff_section(out, "COMMANDS");
	for (const struct command *command = commands; command->name; command++)
		roff_item(out, command->name, command->summary);
	for (const struct command *command = commands; command->name; command++) {
		char title[64];

		if (!command->argp)
			continue;
		snprintf(title, sizeof(title), "drover %s", command->name);
		roff_subsection(out, title);
		put_usage(out, command);
		roff_doc(out, command->argp, 0);
		roff_options(out, command->argp);
		roff_doc(out, command->argp, 1);
	}
}

static void put_surroundings(FILE *out)
{
	roff_section(out, "EXIT STATUS");
	roff_item(out, "0", "done; of run, watch and retry --watch: every host is ok or skipped");
	roff_item(out, "1", "an error, said on standard error");
	roff_item(out, "2", "wrong usage");
	roff_item(out, "3", "some hosts are not ok");
	roff_item(out, "4", "aborted by a threshold");
	roff_item(out, "5", "cancelled");
	roff_item(out, "69", "the daemon cannot be reached");
	roff_item(out, "78", "bad configuration");
	roff_item(out, "130", "interrupted; the task goes on");
	roff_section(out, "ENVIRONMENT");
	roff_item(out, "DROVER_URL", "the daemon, where --url does not say");
	roff_item(out, "DROVER_TOKEN", "the token that it is asked with");
	roff_item(out, "DROVER_CA", "file of the authority that its certificate is verified by");
	roff_item(out, "NO_COLOR", "no colours, whatever it is set to");
	roff_section(out, "FILES");
	roff_item(out, "~/.config/drover/config.yaml", "the client's: url, token_file, ca");
	roff_item(out, "~/.local/state/drover", "the private daemon's state ($XDG_STATE_HOME/drover)");
	roff_section(out, "SEE ALSO");
	fputs(".BR droverd (8),\n.BR drover.yaml (5),\n.BR nodeset (1)\n", out);
}

void manual_write(FILE *out)
{
	roff_begin(out, "drover", "1", "drives a herd of hosts: one final, truthful status for each of them");
	roff_section(out, "SYNOPSIS");
	fputs(".B drover\n.I COMMAND\n[OPTION...]\n", out);
	roff_section(out, "DESCRIPTION");
	fputs("Submits tasks to \\fBdroverd\\fR(8) and shows what becomes of them: shell commands and whatever its "
	      "executors\n"
	      "perform, on many hosts. A task is named by its id, the beginning of it, or by \\fBlast\\fR. Data goes "
	      "to\n"
	      "standard output, progress and messages to standard error.\n",
	      out);
	put_commands(out);
	roff_section(out, "OPTIONS OF EVERY COMMAND");
	roff_options(out, &cli_shared_argp);
	put_surroundings(out);
}
