/* cmd_key.c - `drover key`: the keys that a cluster's units are signed with. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "cli/key_sign.h"
#include "conf/secret.h"
#include "conf/value.h"
#include "task/signing_keys.h"
#include "util/buf.h"

#define DEFAULT_FILE "/etc/drover/signing.key"

struct key_args {
	const char *verb, *file, *output;
	struct key_sign sign;
};

#define OPT_KEY 256
#define OPT_CLUSTER 257
#define OPT_EXPIRES 258

static const char *const verbs[] = { "generate", "show", "sign-task", NULL };

static error_t parse_verb(struct argp_state *state, struct key_args *args, char *arg)
{
	const char *const *verb = verbs;

	if (args->file || (args->verb && !strcmp(args->verb, "generate")))
		argp_error(state, "\"%s\" is too much", arg);
	if (args->verb)
		return args->file = arg, 0;
	while (*verb && strcmp(arg, *verb) != 0)
		verb++;
	if (!*verb)
		argp_error(state, "\"%s\" is none of generate, show and sign-task", arg);
	return args->verb = arg, 0;
}

static error_t check(struct argp_state *state, struct key_args *args)
{
	bool signs = args->verb && !strcmp(args->verb, "sign-task");

	if (!args->verb)
		argp_error(state, "generate, show or sign-task?");
	else if (!strcmp(args->verb, "show") && (!args->file || args->output))
		argp_error(state, "show takes a key's file, and nothing else");
	else if (signs && (!args->file || !args->sign.key || !args->sign.cluster || args->output))
		argp_error(state, "sign-task takes the message's file, --key and --cluster");
	else if (!signs && (args->sign.key || args->sign.cluster || args->sign.expires))
		argp_error(state, "--key, --cluster and --expires go with sign-task");
	args->sign.file = args->file;
	if (!args->sign.expires)
		args->sign.expires = 3600000;
	return 0;
}

static error_t parse_expires(struct argp_state *state, const char *arg, int64_t *ms)
{
	struct drover_error err = { 0 };

	if (value_duration(arg, ms, &err) || *ms < 1000)
		argp_error(state, "--expires takes a time of at least 1s, as 1h, not \"%s\"", arg);
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct key_args *args = state->input;

	switch (key) {
	case 'o':
		return args->output = arg, 0;
	case OPT_KEY:
		return args->sign.key = arg, 0;
	case OPT_CLUSTER:
		return args->sign.cluster = arg, 0;
	case OPT_EXPIRES:
		return parse_expires(state, arg, &args->sign.expires);
	case ARGP_KEY_ARG:
		return parse_verb(state, args, arg);
	case ARGP_KEY_END:
		return check(state, args);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A new file of that mode with one line; nothing is replaced. */
static int write_line(const char *file, const char *line, mode_t mode)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	size_t size = strlen(line);
	int error = 0;

	if (fd < 0) {
		if (errno == EEXIST)
			cli_say("%s is there already: name another file by -o, so that no key is lost", file);
		else
			cli_say("cannot make %s: %m", file);
		return -1;
	}
	if (fchmod(fd, mode) || write(fd, line, size) != (ssize_t)size || write(fd, "\n", 1) != 1 || fsync(fd))
		error = errno ? errno : ENOSPC;
	close(fd);
	if (!error)
		return 0;
	cli_say("cannot write %s: %s", file, strerror(error));
	unlink(file);
	return -1;
}

static void print(const struct cli *cli, const struct signing_key *key)
{
	char id[DROVER_SIGNING_ID_TEXT], text[SIGNING_KEY_TEXT];

	signing_key_id_text(key->id, id);
	signing_key_public_text(key, text);
	if (cli->json)
		printf("{\"id\": \"%s\", \"public_key\": \"%s\"}\n", id, text);
	else
		printf("%s\n", text);
	if (!cli->json)
		cli_say("the key's id is %s", id);
}

static int generate(const struct cli *cli, const char *file)
{
	struct signing_key key;
	struct drover_error err = { 0 };
	struct buf name = BUF_INIT;
	char text[SIGNING_KEY_TEXT];
	int code = signing_key_make(&key, &err);

	if (code)
		cli_say("%s", err.message);
	buf_printf(&name, "%s.pub", file);
	signing_key_private_text(&key, text);
	if (!code)
		code = write_line(file, text, 0600);
	signing_key_public_text(&key, text);
	if (!code && (code = write_line(name.data, text, 0644)))
		unlink(file);
	if (!code) {
		print(cli, &key);
		cli_say("%s is what distributors sign with, and nobody else needs; engines get %s.pub", file, file);
	}
	sodium_memzero(&key, sizeof(key));
	sodium_memzero(text, sizeof(text));
	buf_dispose(&name);
	return code ? CLI_ERROR : CLI_OK;
}

static int show(const struct cli *cli, const char *file)
{
	struct signing_key key;
	struct drover_error err = { 0 };
	const char *fault;
	char *text = secret_read(file, true, &fault);
	int code;

	if (!text) {
		cli_say("the key's file %s: %s", file, fault);
		return CLI_ERROR;
	}
	code = signing_key_parse(text, &key, &err);
	if (code)
		cli_say("%s %s", file, err.message);
	else
		print(cli, &key);
	secret_free(text);
	sodium_memzero(&key, sizeof(key));
	return code ? CLI_ERROR : CLI_OK;
}

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0,
	  "Where the new private key goes; the public one goes to FILE.pub (default: " DEFAULT_FILE ")", 0 },
	{ "key", OPT_KEY, "FILE", 0, "The producer's private key (sign-task)", 0 },
	{ "cluster", OPT_CLUSTER, "NAME", 0, "The cluster that may take the task (sign-task)", 0 },
	{ "expires", OPT_EXPIRES, "TIME", 0, "How long from now it may be taken (sign-task; default: 1h)", 0 },
	{ 0 },
};

const struct argp cmd_key_argp = {
	options,
	parse,
	"generate\nshow FILE\nsign-task FILE --key FILE --cluster NAME",
	"Makes the keys that distributors sign units with, so that engines execute no others. "
	"generate writes a pair: the private key, which distributors need "
	"(`cluster: {signing_key: {file: FILE}}'), and FILE.pub, which engines need "
	"(`cluster: {public_keys: [FILE.pub]}'); it prints the public one. show prints the public "
	"key of either file, and its id. sign-task prints the headers, NAME=VALUE a line, that a message with the "
	"task of FILE (-: standard input) needs to be taken from a topic of tasks; the task needs an id, and the "
	"public key is in the file of `producers'."
	"\vExample: drover key generate -o /etc/drover/signing.key",
	NULL,
	NULL,
	NULL
};

int cmd_key(struct cli *cli, int argc, char **argv)
{
	struct key_args args = { 0 };

	cli_parse(cli, "key", &cmd_key_argp, 0, argc, argv, &args);
	if (!strcmp(args.verb, "sign-task"))
		return key_sign_task(cli, &args.sign);
	if (!strcmp(args.verb, "show"))
		return show(cli, args.file);
	return generate(cli, args.output ? args.output : DEFAULT_FILE);
}
