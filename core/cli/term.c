/* term.c - see term.h. */
#include "cli/term.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The bytes of the UTF-8 sequence at `p`, or 0: it is none, or stands for a control character. */
static size_t harmless(const unsigned char *p, size_t size)
{
	size_t length = *p < 0x80 ? 1 : (*p & 0xe0) == 0xc0 ? 2 : (*p & 0xf0) == 0xe0 ? 3 : (*p & 0xf8) == 0xf0 ? 4 : 0;
	unsigned long code = length == 1 ? *p : *p & (0xffu >> (length + 1));
	static const unsigned long least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	if (!length || length > size)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code < least[length] || code > 0x10ffff)
		return 0;
	/* Surrogates, and what turns the direction of the text around. */
	if ((code >= 0xd800 && code < 0xe000) || (code >= 0x202a && code <= 0x202e) ||
	    (code >= 0x2066 && code <= 0x2069))
		return 0;
	return length;
}

static void escaped(FILE *out, const char *text, size_t size, const char *pass)
{
	for (size_t i = 0; i < size;) {
		size_t length = harmless((const unsigned char *)text + i, size - i);

		if (!length && text[i] && strchr(pass, text[i]))
			length = 1;
		if (length)
			fwrite(text + i, 1, length, out);
		else
			fprintf(out, "\\x%02x", (unsigned char)text[i]);
		i += length ? length : 1;
	}
}

static bool is_terminal(const struct cli *cli, const FILE *out)
{
	return out == stderr ? cli->stderr_terminal : cli->stdout_terminal;
}

void term_bytes(const struct cli *cli, FILE *out, const char *line, size_t size)
{
	/* What programs end their lines with for terminals is no harm. */
	if (is_terminal(cli, out) && size && line[size - 1] == '\r')
		size--;
	if (is_terminal(cli, out))
		escaped(out, line, size, "\t");
	else
		fwrite(line, 1, size, out);
}

void term_text(const struct cli *cli, FILE *out, const char *text, size_t size)
{
	if (!size)
		return;
	if (is_terminal(cli, out))
		escaped(out, text, size, "\n\t");
	else
		fwrite(text, 1, size, out);
	if (text[size - 1] != '\n')
		fputc('\n', out);
}

void term_line(const struct cli *cli, FILE *out, const char *text)
{
	if (!text)
		return;
	while (*text) {
		size_t size = strcspn(text, "\n");

		if (cli->stdout_terminal || cli->stderr_terminal)
			escaped(out, text, size, "\t");
		else
			fwrite(text, 1, size, out);
		text += size;
		text += strspn(text, "\n");
		if (*text)
			fputc(' ', out);
	}
}

void term_json(const struct cli *cli, struct json_object *value, int flags)
{
	size_t size;
	const char *text = json_object_to_json_string_length(value, flags | JSON_C_TO_STRING_NOSLASHESCAPE, &size);

	/* Control characters below 0x20 are escaped in any JSON; those above 0x7f only matter to a terminal. */
	if (cli->stdout_terminal)
		escaped(stdout, text, size, "\n\t");
	else
		fwrite(text, 1, size, stdout);
}

void term_json_line(const struct cli *cli, struct json_object *value, bool pretty)
{
	term_json(cli, value, pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : JSON_C_TO_STRING_PLAIN);
	putchar('\n');
}

const char *term_color(const struct cli *cli, const char *status)
{
	static const struct {
		const char *status, *color;
	} colors[] = {
		{ "ok", "\033[32m" },      { "failed", "\033[31m" },  { "unreachable", "\033[35m" },
		{ "timeout", "\033[33m" }, { "lost", "\033[31;1m" },  { "cancelled", "\033[36m" },
		{ "expired", "\033[36m" }, { "skipped", "\033[36m" }, { "running", "\033[34m" },
		{ "aborted", "\033[31m" }, { "down", "\033[31m" },    { "up", "\033[32m" },
	};

	for (size_t i = 0; cli->color && status && i < sizeof(colors) / sizeof(*colors); i++)
		if (!strcmp(colors[i].status, status))
			return colors[i].color;
	return "";
}

const char *term_reset(const struct cli *cli)
{
	return cli->color ? "\033[0m" : "";
}

int term_columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 20)
		return 80;
	return size.ws_col;
}
