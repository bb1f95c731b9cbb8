/* options.c - an executor with one option of each type, and a check of two together. */
#include <string.h>

#include <drover/executor.h>

struct options {
	char *text;
	int64_t number;
	bool flag;
	int64_t pause;
	int64_t room;
	int colour;
	struct drover_list words;
	struct drover_map env;
	char *password;
	char *hosts;
	char *user;
	char *credential;
	char *needed;
};

static const char *const colours[] = { "red", "green", "blue", NULL };

static const char *const secrets[] = { "token", NULL };

static const struct drover_option options[] = {
	DROVER_OPT_STRING(struct options, text, "hello", "any text", .flags = DROVER_CONNECTION),
	DROVER_OPT_INT(struct options, number, "5", "1", "100", "a whole number"),
	DROVER_OPT_BOOL(struct options, flag, "no", "yes or no"),
	DROVER_OPT_DURATION(struct options, pause, "90s", "0s", "1h", "a duration"),
	DROVER_OPT_SIZE(struct options, room, "64K", "1K", NULL, "a size"),
	DROVER_OPT_CHOICE(struct options, colour, colours, "green", "a choice"),
	DROVER_OPT_LIST(struct options, words, "a list"),
	DROVER_OPT_MAP(struct options, env, "a mapping", .choices = secrets, .flags = DROVER_CONNECTION),
	DROVER_OPT_SECRET(struct options, password, "a secret"),
	DROVER_OPT_NODESET(struct options, hosts, "a[1-3]", "hosts"),
	DROVER_OPT_STRING(struct options, user, NULL, "any text"),
	DROVER_OPT_STRING(struct options, credential, NULL, "a name under `credentials`"),
	DROVER_OPT_STRING(struct options, needed, NULL, "must be given", .flags = DROVER_REQUIRED),
	DROVER_OPT_END
};

static int check(const void *self, struct drover_error *err)
{
	const struct options *o = self;

	if (o->number == 66 && o->flag)
		return drover_error_set(err, DROVER_EINVALID, "number 66 and flag exclude each other: leave one out");
	if (o->number == 67 && o->password)
		return drover_error_set(err, DROVER_EINVALID, "the password %s is not liked", o->password);
	for (size_t i = 0; i < o->env.count; i++)
		if (!strcmp(o->env.pairs[i].key, "bad.one"))
			return drover_error_set(err, DROVER_EINVALID, "env.bad.one: is not liked");
	return 0;
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	const char *host;

	(void)err;
	while ((host = drover_unit_next_host(unit)))
		drover_report(unit, host, DROVER_OK);
	return 0;
}

static const struct drover_payload_field payload[] = {
	{ "word", DROVER_JSON_STRING, 0, DROVER_REQUIRED, "what to say" }, DROVER_PAYLOAD_END
};

DROVER_EXECUTOR(.name = "options", .version = "1.2.3", .summary = "has one option of each type",
		.types = "options other", .self_size = sizeof(struct options), .options = options, .check = check,
		.payload = payload, .window = 7, .run = run);
