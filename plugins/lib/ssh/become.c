#define _GNU_SOURCE

#include "ssh/become.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "ssh/quote.h"

static const char *const method_names[] = { "nothing", "sudo", "su", "doas" };

bool fanout_user_valid(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@\\";

	return *name && *name != '-' && strlen(name) <= 64 && strspn(name, letters) == strlen(name);
}

const char *become_name(const struct become *b)
{
	return method_names[b->method];
}

/* ---------------------------------------------------------------------------------- what is sent */

static int random_word(char *word, size_t size, const char *what)
{
	unsigned char bytes[16];
	size_t length = 0;

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		length += (size_t)snprintf(word + length, size - length, "%02x", bytes[i]);
	snprintf(word + length, size - length, "-%s:", what);
	return 0;
}

/*
 * Run by /bin/sh as the user who logged in, with what is to be run as the other one in $1; its
 * parent is what sshd has started for this channel, which the end of a command needs to know.
 */
static char *outer(const struct become *b)
{
	char *text = NULL;
	int size = -1;

	switch (b->method) {
	case FANOUT_SUDO:
		if (b->password)
			size = asprintf(&text, "exec sudo -H -S -p %s -u '%s' -- /bin/sh -c \"D=$PPID; $1\"", b->prompt,
					b->user);
		else
			size = asprintf(&text, "exec sudo -H -n -u '%s' -- /bin/sh -c \"D=$PPID; $1\"", b->user);
		break;
	case FANOUT_SU:
		size = asprintf(&text, "printf %%s %s >&2; exec su -s /bin/sh -c \"D=$PPID; $1\" '%s'", b->prompt,
				b->user);
		break;
	case FANOUT_DOAS:
		size = asprintf(&text, "printf %%s %s >&2; exec doas %s-u '%s' -- /bin/sh -c \"D=$PPID; $1\"",
				b->prompt, b->terminal ? "" : "-n ", b->user);
		break;
	case FANOUT_BECOME_NONE:
		break;
	}
	return size < 0 ? NULL : text;
}

/* `inner` goes to /bin/sh as the other user. Takes it. */
static char *wrap(const struct become *b, char *inner)
{
	char *first = outer(b), *words = NULL, *text = NULL;

	if (first && inner) {
		const char *const all[] = { "exec", "/bin/sh", "-c", first, "sh", inner };

		words = quote_words(all, sizeof(all) / sizeof(*all));
	}
	text = words;
	free(first);
	free(inner);
	return text;
}

/* On a terminal nothing may be changed on its way, and the end of the input cannot be told: its size is. */
static char *inner_command(const struct become *b, const struct fanout_config *config)
{
	char *quoted = quote_words(&config->command, 1), *text = NULL;
	int size = -1;

	if (quoted && !b->terminal)
		size = asprintf(&text, "printf %%s %s >&2; exec /bin/sh -c %s", b->start, quoted);
	else if (quoted && config->input_size)
		size = asprintf(&text, "stty raw -echo; printf %%s %s; head -c %zu | /bin/sh -c %s", b->start,
				config->input_size, quoted);
	else if (quoted)
		size = asprintf(&text, "stty raw -echo; printf %%s %s; exec /bin/sh -c %s </dev/null", b->start,
				quoted);
	free(quoted);
	return size < 0 ? NULL : text;
}

int become_make(struct become *b, const struct fanout_config *config, const char *end)
{
	char *inner = NULL;
	const char *const plain[] = { "exec", "/bin/sh", "-c", end };

	*b = (struct become){ .method = config->become.method,
			      .user = config->become.user,
			      .password = config->become.password };
	if (b->method == FANOUT_BECOME_NONE) {
		b->command = strdup(config->command);
		b->end = quote_words(plain, sizeof(plain) / sizeof(*plain));
		return b->command && b->end ? 0 : -ENOMEM;
	}
	b->terminal = b->method == FANOUT_DOAS && b->password;
	if (random_word(b->prompt, sizeof(b->prompt), "ask") < 0 || random_word(b->start, sizeof(b->start), "go") < 0)
		return -EIO;
	b->command = wrap(b, inner_command(b, config));
	if (asprintf(&inner, "printf %%s %s >&2; %s", b->start, end) < 0)
		inner = NULL;
	b->end = wrap(b, inner);
	return b->command && b->end ? 0 : -ENOMEM;
}

void become_dispose(struct become *b)
{
	free(b->command);
	free(b->end);
	b->command = b->end = NULL;
}

/* ------------------------------------------------------------------------------- what comes back */

void gate_init(struct gate *g, const struct become *become)
{
	*g = (struct gate){ .become = become->method == FANOUT_BECOME_NONE ? NULL : become };
	g->open = !g->become;
}

static void forget(struct gate *g, size_t size)
{
	g->size -= size;
	memmove(g->said, g->said + size, g->size);
}

/* Does what was said end as a question does? Its own name and a colon begin a complaint. */
static bool asks(const struct gate *g)
{
	const char *name = become_name(g->become);
	size_t size = g->size, from = 0;

	while (from < size && strchr(" \t\r\n", g->said[from]))
		from++;
	while (size > from && (g->said[size - 1] == ' ' || g->said[size - 1] == '\t'))
		size--;
	if (size - from == strlen(name) + 1 && !memcmp(g->said + from, name, strlen(name)))
		return false;
	return size && (g->said[size - 1] == ':' || (size >= 3 && !memcmp(g->said + size - 3, "\xef\xbc\x9a", 3)));
}

static void asked(struct gate *g)
{
	if (!g->become->password)
		g->wish = GATE_NO_PASSWORD;
	else
		g->wish = g->given ? GATE_WRONG : GATE_PASSWORD;
	g->given = true;
}

static void look_for_question(struct gate *g)
{
	const size_t length = strlen(g->become->prompt);
	const char *found = memmem(g->said, g->size, g->become->prompt, length);

	if (found)
		forget(g, (size_t)(found - g->said) + length);
	if (found && g->become->method == FANOUT_SUDO)
		asked(g);
	else if (found)
		g->armed = g->become->terminal || g->become->method == FANOUT_SU; /* doas -n asks nothing */
	if (g->armed && !g->given && g->become->method != FANOUT_SUDO && asks(g))
		asked(g);
}

size_t gate_feed(struct gate *g, const char *data, size_t size)
{
	while (size && !g->open) {
		size_t part = sizeof(g->said) - g->size;
		const char *found;

		if (!part) {
			forget(g, sizeof(g->said) / 2);
			continue;
		}
		if (part > size)
			part = size;
		memcpy(g->said + g->size, data, part);
		g->size += part;
		data += part;
		size -= part;
		found = memmem(g->said, g->size, g->become->start, strlen(g->become->start));
		if (found) {
			/* What is behind it is the command's; it came with this part. */
			size += (size_t)(g->said + g->size - found) - strlen(g->become->start);
			g->open = true;
		} else {
			look_for_question(g);
		}
	}
	return size;
}

const char *gate_said(const struct gate *g)
{
	static char text[200]; /* of the one thread */
	size_t from = g->size > sizeof(text) - 1 ? g->size - (sizeof(text) - 1) : 0, size = 0;
	const char *password = g->become ? g->become->password : NULL;
	char *found;

	for (; from < g->size; from++) {
		char c = g->said[from];

		if ((unsigned char)c < ' ' || c == 127)
			c = ' ';
		if (c != ' ' || (size && text[size - 1] != ' '))
			text[size++] = c;
	}
	text[size && text[size - 1] == ' ' ? size - 1 : size] = '\0';
	while (password && *password && (found = strstr(text, password)))
		memset(found, '*', strlen(password));
	return text;
}
