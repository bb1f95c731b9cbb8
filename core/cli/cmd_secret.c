/* cmd_secret.c - `drover secret`: secrets that can be written into a configuration, since they are encrypted. */
#define _GNU_SOURCE /* explicit_bzero */
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "cli/term.h"
#include "conf/secret.h"
#include "conf/secret_box.h"
#include "util/buf.h"

struct secret_args {
	const char *verb, *file, *key;
};

enum { OPT_KEY = 0x100 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const verbs[] = { "keygen", "encrypt", "decrypt" };
	struct secret_args *args = state->input;

	switch (key) {
	case OPT_KEY:
		return args->key = arg, 0;
	case ARGP_KEY_ARG:
		if (args->file || (args->verb && strcmp(args->verb, "keygen")))
			argp_error(state, "\"%s\" is too much (a secret is read from standard input)", arg);
		if (args->verb)
			return args->file = arg, 0;
		for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
			if (!strcmp(arg, verbs[i]))
				args->verb = verbs[i];
		if (!args->verb)
			argp_error(state, "\"%s\" is not one of keygen, encrypt, decrypt", arg);
		return 0;
	case ARGP_KEY_END:
		if (!args->verb)
			argp_error(state, "keygen, encrypt or decrypt?");
		if (args->verb && !strcmp(args->verb, "keygen") && !args->file)
			argp_error(state, "into which file? %s is looked for without a configuration's `secret_key'",
				   SECRET_BOX_DEFAULT);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* All of standard input, without one line end; a terminal shows nothing of it, and gives one line. */
static bool read_input(const char *prompt, char text[SECRET_SIZE + 2], size_t *size)
{
	struct termios before, silent;
	bool terminal = !tcgetattr(STDIN_FILENO, &before);
	ssize_t got = 1;

	*size = 0;
	if (terminal) {
		silent = before;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
		fprintf(stderr, "%s: ", prompt);
	}
	while (got > 0 && *size <= SECRET_SIZE && !(terminal && *size && text[*size - 1] == '\n')) {
		got = read(STDIN_FILENO, text + *size, SECRET_SIZE + 1 - *size);
		*size += got > 0 ? (size_t)got : 0;
	}
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (got >= 0 && *size <= SECRET_SIZE) {
		*size -= *size && text[*size - 1] == '\n';
		text[*size] = '\0';
	}
	if (got < 0)
		cli_say("cannot read standard input: %m");
	else if (*size > SECRET_SIZE)
		cli_say("that is more than 64 KiB, so it is no secret");
	else if (!*size)
		cli_say("there is nothing on standard input");
	else if (strlen(text) != *size)
		cli_say("a secret is text: a NUL cannot be in it");
	else
		return true;
	return false;
}

static int encrypt(struct cli *cli, const char *key, const char *secret, size_t size)
{
	struct drover_error err = { 0 };
	char *text;

	if (secret_box_seal(key, secret, size, &text, &err)) {
		cli_say("%s", err.message);
		return CLI_ERROR;
	}
	printf(cli->json ? "{\"encrypted\": \"%s\"}\n" : "{encrypted: \"%s\"}\n", text);
	free(text);
	return CLI_OK;
}

/* Takes what encrypt printed, or the text in it alone. */
static int decrypt(struct cli *cli, const char *key, char *given)
{
	struct drover_error err = { 0 };
	char *text = strstr(given, "sealed1:"), *secret;

	text = text ? text : given;
	text[strcspn(text, "\"'} \t\r\n")] = '\0';
	if (secret_box_open(key, text, &secret, &err)) {
		cli_say("%s%s", strncmp(err.message, "is ", 3) && strncmp(err.message, "cannot", 6) ? "" : "the text ",
			err.message);
		return CLI_ERROR;
	}
	term_text(cli, stdout, secret, strlen(secret));
	secret_free(secret);
	return CLI_OK;
}

static const struct argp_option options[] = {
	{ "key", OPT_KEY, "FILE", 0,
	  "The key: of a pair the public one (FILE.pub) is enough to encrypt (default: " SECRET_BOX_DEFAULT ")", 0 },
	{ 0 },
};

const struct argp cmd_secret_argp = { options,
				      parse,
				      "keygen FILE\nencrypt\ndecrypt",
				      "Encrypts a secret, read from standard input, so that it can be written into a "
				      "configuration: `password: {encrypted: "
				      "\"...\"}'. keygen makes a pair of keys: FILE, which droverd needs (`secret_key: "
				      "FILE'), and FILE.pub, which encrypts."
				      "\vExample: drover secret encrypt --key /etc/drover/secret.key.pub",
				      NULL,
				      NULL,
				      NULL };

int cmd_secret(struct cli *cli, int argc, char **argv)
{
	struct secret_args args = { 0 };
	struct drover_error err = { 0 };
	char *key, *text;
	size_t size;
	int code = CLI_ERROR;

	cli_parse(cli, "secret", &cmd_secret_argp, 0, argc, argv, &args);
	if (!strcmp(args.verb, "keygen")) {
		if (secret_box_make(args.file, &err))
			cli_say("%s", err.message);
		else
			cli_say("%s is what droverd needs, and nobody else; %s.pub encrypts", args.file, args.file);
		return err.code ? CLI_ERROR : CLI_OK;
	}
	key = secret_box_file(args.key);
	text = xcalloc(1, SECRET_SIZE + 2);
	if (read_input(!strcmp(args.verb, "encrypt") ? "The secret" : "What was encrypted", text, &size))
		code = !strcmp(args.verb, "encrypt") ? encrypt(cli, key, text, size) : decrypt(cli, key, text);
	explicit_bzero(text, SECRET_SIZE + 2);
	free(text);
	free(key);
	return code;
}
