/*
 * fake_core.c - a core for the tests of sources: loads one, and gives it services over tasks that live in
 * memory and change only when the test says so.
 *
 *	fake_core PLUGIN [OPTION=VALUE]…
 *
 * Commands come on standard input, one a line; each is answered by one line on standard output.
 *
 *	add ID HOSTS            a running task with the hosts h0, h1, …
 *	host ID HOST STATUS [text|binary|nul|badmsg|big:BYTES|hex:XX…]
 *	                        a host's end, with its event
 *	unit ID UNIT STATE      a unit's event, which has no number
 *	end ID                  the task's end, with its event
 *	flood ID COUNT BYTES    events of a host that are in no row
 *	store away|back         services answer DROVER_ERETRY meanwhile
 *	slow MS                 each service takes so long
 *	busy                    how many services are under way
 *	subscribers             how many there are
 *	drain, close            as a core does; after `close` only the input's end is left
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_core.h"
#include "fake_host.h"

struct fake_core core = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool core_enter(void)
{
	int slow;
	bool away;

	pthread_mutex_lock(&core.lock);
	slow = core.slow;
	away = core.away;
	if (!slow && !away)
		return true;
	core.busy++;
	pthread_mutex_unlock(&core.lock);
	usleep((useconds_t)slow * 1000);
	pthread_mutex_lock(&core.lock);
	core.busy--;
	if (away)
		pthread_mutex_unlock(&core.lock);
	return !away;
}

int core_leave(int code)
{
	pthread_mutex_unlock(&core.lock);
	return code;
}

int core_is_away(struct drover_error *err)
{
	return drover_error_set(err, DROVER_ERETRY, "the store is away");
}

struct task *core_find(const char *id)
{
	for (int i = 0; i < core.count; i++)
		if (!strcmp(core.tasks[i].id, id))
			return &core.tasks[i];
	return NULL;
}

struct task *core_add(const char *id, int64_t hosts)
{
	struct task *t = &core.tasks[core.count++];

	snprintf(t->id, sizeof(t->id), "%s", id);
	t->key = core.count;
	t->hosts = hosts;
	t->state = DROVER_TASK_RUNNING;
	t->seq = ++core.seq;
	t->rows = calloc((size_t)hosts, sizeof(*t->rows));
	for (int64_t i = 0; i < hosts; i++) {
		snprintf(t->rows[i].host, sizeof(t->rows[i].host), "h%lld", (long long)i);
		t->rows[i].status = DROVER_RUNNING;
		t->rows[i].seq = ++core.seq;
	}
	return t;
}

/* ----------------------------------------------------------------------------------- subscribers */

static int subscribe(void *c, const char *task, unsigned kinds, drover_subscriber_fn *fn, void *context,
		     void **subscription, struct drover_error *err)
{
	struct subscription *s = calloc(1, sizeof(*s));

	(void)c;
	(void)err;
	snprintf(s->task, sizeof(s->task), "%s", task);
	s->kinds = kinds;
	s->fn = fn;
	s->context = context;
	pthread_mutex_lock(&core.lock);
	s->next = core.subscriptions;
	core.subscriptions = s;
	*subscription = s;
	return core_leave(0);
}

static void unsubscribe(void *c, void *subscription)
{
	struct subscription **at = &core.subscriptions;

	(void)c;
	pthread_mutex_lock(&core.lock);
	while (*at != subscription)
		at = &(*at)->next;
	*at = (*at)->next;
	free(subscription);
	pthread_mutex_unlock(&core.lock);
}

/* --------------------------------------------------------------------------------------- commands */

static void publish(enum drover_event_kind kind, const struct task *t, const char *host, int64_t seq, const char *json)
{
	struct drover_event event = { .size = sizeof(event),
				      .seq = seq,
				      .kind = kind,
				      .task = t->id,
				      .host = host,
				      .json = json,
				      .json_size = strlen(json) };

	for (struct subscription *s = core.subscriptions; s; s = s->next)
		if ((s->kinds >> event.kind & 1) && !strcmp(s->task, t->id))
			s->fn(s->context, &event);
}

static void set_output(struct row *row, const char *kind)
{
	static const char binary[] = "\x80\xff\x00tail", nul[] = "a\0b", text[] = "h\xc3\xa9llo \"quoted\"\n\x01";

	free(row->out);
	row->out = NULL;
	row->out_size = !strcmp(kind, "binary") ? sizeof(binary) - 1 : !strcmp(kind, "nul") ? 3 : sizeof(text) - 1;
	if (!strncmp(kind, "big:", 4)) {
		row->out_size = strtoul(kind + 4, NULL, 10);
		row->out = malloc(row->out_size);
		memset(row->out, 'x', row->out_size);
	} else if (!strncmp(kind, "hex:", 4)) {
		row->out_size = strlen(kind + 4) / 2;
		row->out = malloc(row->out_size);
		for (size_t i = 0; i < row->out_size; i++)
			sscanf(kind + 4 + 2 * i, "%2hhx", (unsigned char *)&row->out[i]);
	} else {
		row->out = malloc(row->out_size);
		memcpy(row->out, !strcmp(kind, "binary") ? binary : !strcmp(kind, "nul") ? nul : text, row->out_size);
	}
	if (!strcmp(kind, "badmsg"))
		row->message = "caf\xe9 \xc3(\xed\xa0\x80) \x7f";
}

static void end_host(const char *id, const char *host, const char *status, const char *kind)
{
	struct task *t = core_find(id);
	char json[256];

	for (int64_t i = 0; i < t->hosts; i++) {
		struct row *row = &t->rows[i];

		if (strcmp(row->host, host))
			continue;
		row->status = (enum drover_status)drover_status_parse(status);
		row->seq = ++core.seq;
		if (kind)
			set_output(row, kind);
		snprintf(json, sizeof(json), "{\"seq\":%lld,\"kind\":\"host\",\"task\":\"%s\",\"host\":\"%s\"}",
			 (long long)row->seq, id, host);
		t->seq = ++core.seq;
		publish(DROVER_EVENT_HOST, t, host, row->seq, json);
	}
}

static void end_task(const char *id)
{
	struct task *t = core_find(id);
	char json[256];

	t->state = DROVER_TASK_DONE;
	t->seq = ++core.seq;
	for (int64_t i = 0; i < t->hosts; i++)
		if (!drover_status_is_final(t->rows[i].status))
			t->rows[i].status = DROVER_OK;
	snprintf(json, sizeof(json), "{\"seq\":%lld,\"kind\":\"task\",\"task\":\"%s\",\"state\":\"done\"}",
		 (long long)t->seq, id);
	publish(DROVER_EVENT_TASK, t, NULL, t->seq, json);
}

static void tell_unit(const char *id, const char *unit, const char *state)
{
	char json[256];

	snprintf(json, sizeof(json), "{\"kind\":\"unit\",\"task\":\"%s\",\"unit\":%s,\"state\":\"%s\"}", id, unit,
		 state);
	publish(DROVER_EVENT_UNIT, core_find(id), NULL, 0, json);
}

static void flood(const char *id, int count, int bytes)
{
	char *json = malloc((size_t)bytes + 64);

	for (int i = 0; i < count; i++) {
		int64_t seq = ++core.seq;

		sprintf(json, "{\"seq\":%lld,\"kind\":\"host\",\"fill\":\"%0*d\"}", (long long)seq, bytes, 0);
		publish(DROVER_EVENT_HOST, core_find(id), "h0", seq, json);
	}
	free(json);
}

static int subscribers(void)
{
	int count = 0;

	for (struct subscription *s = core.subscriptions; s; s = s->next)
		count++;
	return count;
}

static void obey(char *line, const struct drover_source *source, void *self)
{
	char *w[5] = { NULL };
	int n = 0;

	for (char *save, *word = strtok_r(line, " \n", &save); word && n < 5; word = strtok_r(NULL, " \n", &save))
		w[n++] = word;
	if (!n)
		return;
	if (!strcmp(w[0], "drain")) {
		source->drain(self, 0, NULL);
		puts("ok");
		return;
	}
	if (!strcmp(w[0], "close")) {
		source->close(self);
		puts("ok");
		return;
	}
	pthread_mutex_lock(&core.lock);
	if (!strcmp(w[0], "add"))
		core_add(w[1], atoll(w[2]));
	else if (!strcmp(w[0], "host"))
		end_host(w[1], w[2], w[3], w[4]);
	else if (!strcmp(w[0], "unit"))
		tell_unit(w[1], w[2], w[3]);
	else if (!strcmp(w[0], "end"))
		end_task(w[1]);
	else if (!strcmp(w[0], "flood"))
		flood(w[1], atoi(w[2]), atoi(w[3]));
	else if (!strcmp(w[0], "store"))
		core.away = !strcmp(w[1], "away");
	else if (!strcmp(w[0], "slow"))
		core.slow = atoi(w[1]);
	if (!strcmp(w[0], "subscribers"))
		printf("%d\n", subscribers());
	else if (!strcmp(w[0], "busy"))
		printf("%d\n", core.busy);
	else
		puts("ok");
	pthread_mutex_unlock(&core.lock);
}

static const char **split_options(int count, char **arguments)
{
	const char **options = calloc((size_t)count * 2 + 1, sizeof(*options));

	for (int i = 0; i < count; i++) {
		char *equals = strchr(arguments[i], '=');

		*equals = '\0';
		options[2 * i] = arguments[i];
		options[2 * i + 1] = equals + 1;
	}
	return options;
}

static void free_tasks(void)
{
	for (int i = 0; i < core.count; i++) {
		for (int64_t k = 0; k < core.tasks[i].hosts; k++)
			free(core.tasks[i].rows[k].out);
		free(core.tasks[i].rows);
		free(core.tasks[i].body);
	}
}

int main(int argc, char **argv)
{
	const char **options = split_options(argc - 2, argv + 2);
	const struct drover_source *source = fake_host_load(argv[1])->source;
	void *self = fake_host_new(&source->info, options);
	struct drover_source_services services = { .size = sizeof(services),
						   .subscribe = subscribe,
						   .unsubscribe = unsubscribe };
	struct drover_error err = { 0 };
	char line[512];
	int code;

	core_set_task_services(&services);
	core_set_about_services(&services);
	setvbuf(stdout, NULL, _IOLBF, 0);
	code = source->open(self, &services, &core, &err);
	if (code)
		fprintf(stderr, "open: %s\n", err.message);
	else
		puts("ready");
	while (!code && fgets(line, sizeof(line), stdin))
		obey(line, source, self);
	if (!code)
		printf("left %d\n", subscribers());
	fake_host_free(&source->info, self);
	free_tasks();
	free(options);
	return code ? 1 : 0;
}
