/* roff.c - see roff.h. */
#include "util/roff.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* A character of UTF-8 as groff names it, since not every reader of pages takes UTF-8; the number of its bytes. */
static size_t put_wide(FILE *out, const char *text)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t size = *c >= 0xf0 ? 4 : *c >= 0xe0 ? 3 : 2;
	unsigned value = *c & (0xffu >> (size + 1));

	for (size_t i = 1; i < size; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 1;
		value = value << 6 | (c[i] & 0x3fu);
	}
	fprintf(out, "\\[u%04X]", value);
	return size;
}

/* Not a request where a line begins with it, and no escape. */
static void put(FILE *out, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!i && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		if (text[i] & 0x80) {
			i += put_wide(out, text + i) - 1;
			continue;
		}
		switch (text[i]) {
		case '\\':
			fputs("\\e", out);
			break;
		case '-':
			fputs("\\-", out);
			break;
		case '`':
			fputs("\\(ga", out);
			break;
		case '\'':
			fputs("\\(aq", out);
			break;
		case '^':
			fputs("\\(ha", out);
			break;
		case '~':
			fputs("\\(ti", out);
			break;
		default:
			fputc(text[i], out);
		}
	}
}

void roff_text(FILE *out, const char *text)
{
	put(out, text, strlen(text));
}

void roff_begin(FILE *out, const char *name, const char *section, const char *summary)
{
	fputs(".TH ", out);
	for (const char *p = name; *p; p++)
		fputc(toupper((unsigned char)*p), out);
	fprintf(out, " %s \"\" \"Drover %s\" \"Drover\"\n.SH NAME\n", section, DROVER_VERSION);
	roff_text(out, name);
	fputs(" \\- ", out);
	roff_text(out, summary);
	fputc('\n', out);
}

void roff_section(FILE *out, const char *title)
{
	fputs(".SH \"", out);
	roff_text(out, title);
	fputs("\"\n", out);
}

void roff_subsection(FILE *out, const char *title)
{
	fputs(".SS \"", out);
	roff_text(out, title);
	fputs("\"\n", out);
}

void roff_item(FILE *out, const char *head, const char *text)
{
	fputs(".TP\n.B ", out);
	roff_text(out, head);
	fputc('\n', out);
	roff_text(out, text);
	fputc('\n', out);
}

void roff_lines(FILE *out, const char *text)
{
	bool as_is = false;

	fputs(".PP\n", out);
	while (*text) {
		size_t size = strcspn(text, "\n");
		bool example = *text == ' ' || !strncmp(text, "Example", 7);

		if (example != as_is)
			fputs(example ? ".PP\n.nf\n" : ".fi\n.PP\n", out);
		as_is = example;
		if (!size)
			fputs(".PP\n", out);
		else
			put(out, text, size);
		if (size)
			fputc('\n', out);
		text += size;
		if (*text == '\n' && *++text && *text != '\n' && !as_is)
			fputs(".br\n", out);
	}
	if (as_is)
		fputs(".fi\n", out);
}

void roff_doc(FILE *out, const struct argp *argp, int half)
{
	const char *doc = argp->doc ? argp->doc : "", *rest = strchr(doc, '\v');
	char text[4096];

	if (half)
		snprintf(text, sizeof(text), "%s", rest ? rest + 1 : "");
	else
		snprintf(text, sizeof(text), "%.*s", rest ? (int)(rest - doc) : (int)strlen(doc), doc);
	if (*text)
		roff_lines(out, text);
}

/* ---------------------------------------------------------------------------------------- options */

static bool is_end(const struct argp_option *o)
{
	return !o->name && !o->key && !o->doc;
}

/* `-H, --hosts=HOSTS`, of the option and the aliases behind it. */
static void put_names(FILE *out, const struct argp_option *first)
{
	const struct argp_option *o = first;
	const char *separator = "";

	fputs(".TP\n", out);
	do {
		if (isascii(o->key) && isgraph(o->key)) {
			fprintf(out, "%s\\fB\\-%c\\fR", separator, o->key);
			separator = ", ";
		}
	} while ((++o)->flags & OPTION_ALIAS);
	o = first;
	do {
		if (!o->name)
			continue;
		fprintf(out, "%s\\fB\\-\\-", separator);
		roff_text(out, o->name);
		fputs("\\fR", out);
		if (first->arg) {
			fputs(first->flags & OPTION_ARG_OPTIONAL ? "[=\\fI" : "=\\fI", out);
			roff_text(out, first->arg);
			fputs(first->flags & OPTION_ARG_OPTIONAL ? "\\fR]" : "\\fR", out);
		}
		separator = ", ";
	} while ((++o)->flags & OPTION_ALIAS);
	fputc('\n', out);
}

void roff_options(FILE *out, const struct argp *argp)
{
	for (const struct argp_option *o = argp->options; o && !is_end(o); o++) {
		if (o->flags & (OPTION_ALIAS | OPTION_HIDDEN))
			continue;
		if (!o->name && !o->key) {
			fputs(".PP\n", out);
			roff_text(out, o->doc);
		} else {
			put_names(out, o);
			roff_text(out, o->doc ? o->doc : "");
		}
		fputc('\n', out);
	}
	for (const struct argp_child *child = argp->children; child && child->argp; child++)
		roff_options(out, child->argp);
}
