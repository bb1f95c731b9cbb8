/*
 * roff.h - manual pages: text and tables of options as man(7) has them. So that pages are made from what the programs
 * themselves read, and cannot say anything else.
 */
#ifndef UTIL_ROFF_H
#define UTIL_ROFF_H

#include <argp.h>
#include <stdio.h>

/* The page's head: `section` is "1"; ends with the heading NAME and its line. */
void roff_begin(FILE *out, const char *name, const char *section, const char *summary);
/* One line's text, without a newline behind it. */
void roff_text(FILE *out, const char *text);
/* Lines, each on a line of its own; an empty one begins a paragraph, indented ones are shown as they are. */
void roff_lines(FILE *out, const char *text);
void roff_section(FILE *out, const char *title);
void roff_subsection(FILE *out, const char *title);
/* An item of a list: its head in bold, and what it is. */
void roff_item(FILE *out, const char *head, const char *text);
/* The options of an argp that are not hidden, and those of its children. */
void roff_options(FILE *out, const struct argp *argp);
/* What a text of argp's says before (`half` 0) or after (1) its \v. */
void roff_doc(FILE *out, const struct argp *argp, int half);

#endif
