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
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include <drover/source.h>

#include "fake_host.h"

#define TASKS 64
#define HOST_BASE 1000000 /* ids of a task's hosts begin at its key times this */
#define NOW 1700000000123

struct row {
	char host[64];
	enum drover_status status;
	char *out;
	size_t out_size;
	const char *message;
	int64_t seq;
};

struct task {
	char id[161];
	char name[64], owner[64];
	char *body; /* as submitted, or NULL */
	int64_t key, hosts, seq;
	enum drover_task_state state;
	struct row *rows;
};

struct subscription {
	char task[161];
	unsigned kinds;
	drover_subscriber_fn *fn;
	void *context;
	struct subscription *next;
};

/* The one core of this process. */
static struct {
	pthread_mutex_t lock;
	struct task tasks[TASKS];
	int count;
	int64_t seq;
	struct subscription *subscriptions;
	bool away;
	int slow;
	int busy;
} core = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Begins a service: true when the store is there; the lock is held then. */
static bool enter(void)
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

static int leave(int code)
{
	pthread_mutex_unlock(&core.lock);
	return code;
}

static int is_away(struct drover_error *err)
{
	return drover_error_set(err, DROVER_ERETRY, "the store is away");
}

static struct task *find(const char *id)
{
	for (int i = 0; i < core.count; i++)
		if (!strcmp(core.tasks[i].id, id))
			return &core.tasks[i];
	return NULL;
}

static struct task *find_key(int64_t key)
{
	return key > 0 && key <= core.count ? &core.tasks[key - 1] : NULL;
}

static int unknown(struct drover_error *err)
{
	return leave(drover_error_set(err, DROVER_ENOTFOUND, "no such task"));
}

static struct task *add_task(const char *id, int64_t hosts)
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

/* --------------------------------------------------------------------------------------- as rows */

static struct drover_task as_task(const struct task *t)
{
	struct drover_task task = { .size = sizeof(task),
				    .key = t->key,
				    .id = t->id,
				    .name = *t->name ? t->name : NULL,
				    .owner = *t->owner ? t->owner : NULL,
				    .type = "shell",
				    .executor = "shell",
				    .pool = "default",
				    .priority = 50,
				    .labels = "{\"team\":\"web\"}",
				    .payload = "{\"command\":\"true\"}",
				    .options = "{}",
				    .timeout = 100000,
				    .host_timeout = 2500,
				    .unit_size = 30,
				    .hosts = t->hosts,
				    .units = (t->hosts + 29) / 30,
				    .state = t->state,
				    .created_at = NOW,
				    .started_at = NOW + 1,
				    .seq = t->seq };

	for (int64_t i = 0; i < t->hosts; i++)
		task.counts[t->rows[i].status]++;
	if (drover_task_state_is_final(t->state)) {
		task.finished_at = NOW + 1000;
		task.units_done = task.units;
	}
	return task;
}

static struct drover_result_row as_row(const struct task *t, int64_t index, const struct drover_result_filter *filter)
{
	const struct row *r = &t->rows[index];
	struct drover_result_row row = { .size = sizeof(row),
					 .id = t->key * HOST_BASE + index,
					 .task_key = t->key,
					 .task = t->id,
					 .host = r->host,
					 .unit = index / 30,
					 .status = r->status,
					 .message = r->message,
					 .attempt = 1,
					 .started_at = NOW,
					 .seq = r->seq,
					 .engine = "node1",
					 .stdout_size = (int64_t)r->out_size,
					 .stdout_total = (int64_t)r->out_size,
					 .has_rc = r->status == DROVER_OK };

	if (drover_status_is_final(r->status))
		row.finished_at = NOW + 10;
	if (filter->outputs)
		row.out = (struct drover_bytes){ r->out, r->out_size };
	return row;
}

/* --------------------------------------------------------------------------------------- services */

static int validate(struct drover_submission *s, struct json_object *json)
{
	struct json_object *value, *hosts;
	int wrong = 0;

	if (!json_object_object_get_ex(json, "type", &value))
		wrong++, s->problem(s->context, "/type", "is required");
	if (json_object_object_get_ex(json, "unit_size", &value) && json_object_get_int64(value) < 1)
		wrong++, s->problem(s->context, "/unit_size", "must be 1 to 10000");
	if (!json_object_object_get_ex(json, "hosts", &hosts) || !json_object_is_type(hosts, json_type_array))
		wrong++, s->problem(s->context, "/hosts", "is required");
	else
		s->hosts = (int64_t)json_object_array_length(hosts);
	return wrong;
}

static int store_submission(struct drover_submission *s, struct json_object *json, struct drover_error *err)
{
	struct json_object *value;
	struct task *t;

	if (json_object_object_get_ex(json, "id", &value))
		snprintf(s->id, sizeof(s->id), "%s", json_object_get_string(value));
	else
		snprintf(s->id, sizeof(s->id), "task-%d", core.count + 1);
	t = find(s->id);
	if (t) {
		s->repeated = t->body && strlen(t->body) == s->json_size && !memcmp(t->body, s->json, s->json_size);
		s->state = t->state;
		return s->repeated ? 0 : drover_error_set(err, DROVER_ECONFLICT, "the id %s is another task's", s->id);
	}
	if (core.count == TASKS)
		return drover_error_set(err, DROVER_ELIMIT, "too many tasks: option max_tasks");
	t = add_task(s->id, s->hosts);
	t->body = strndup(s->json, s->json_size);
	t->state = s->state = DROVER_TASK_QUEUED;
	snprintf(t->owner, sizeof(t->owner), "%s", s->owner ? s->owner : "");
	if (json_object_object_get_ex(json, "name", &value))
		snprintf(t->name, sizeof(t->name), "%s", json_object_get_string(value));
	return 0;
}

static int submit(void *c, struct drover_submission *s, struct drover_error *err)
{
	char *text = strndup(s->json, s->json_size);
	struct json_object *json = json_tokener_parse(text);
	int code = 0;

	(void)c;
	free(text);
	if (!enter()) {
		json_object_put(json);
		return is_away(err);
	}
	if (!json) {
		s->problem(s->context, NULL, "line 1, column 1: not JSON");
		code = DROVER_EINVALID;
	} else if (validate(s, json)) {
		code = DROVER_EINVALID;
	}
	s->units = (s->hosts + 29) / 30;
	s->waves = 1;
	strcpy(s->executor, "shell");
	if (!code && !s->dry_run)
		code = store_submission(s, json, err);
	json_object_put(json);
	return leave(code);
}

static int cancel(void *c, const char *id, const char *reason, drover_task_fn *fn, void *context,
		  struct drover_error *err)
{
	struct drover_task task;
	struct task *t;

	(void)c;
	(void)reason;
	if (!enter())
		return is_away(err);
	t = find(id);
	if (!t)
		return unknown(err);
	if (drover_task_state_is_final(t->state))
		return leave(drover_error_set(err, DROVER_ECONFLICT, "the task has ended"));
	t->state = DROVER_TASK_CANCELLING;
	task = as_task(t);
	fn(context, &task);
	return leave(0);
}

static int get_task(void *c, const char *id, drover_task_fn *fn, void *context, struct drover_error *err)
{
	struct drover_task task;
	struct task *t;

	(void)c;
	if (!enter())
		return is_away(err);
	t = find(id);
	if (!t)
		return unknown(err);
	task = as_task(t);
	return leave(fn(context, &task));
}

static int get_tasks(void *c, const struct drover_task_filter *f, drover_task_fn *fn, void *context,
		     struct drover_error *err)
{
	int64_t left = f->limit;
	int code = 0;

	(void)c;
	if (!enter())
		return is_away(err);
	for (int i = core.count - 1; i >= 0 && left && !code; i--) {
		struct drover_task task = as_task(&core.tasks[i]);

		if ((f->before_key && task.key >= f->before_key) || (f->states && !(f->states >> task.state & 1)) ||
		    (f->name && (!task.name || strncmp(task.name, f->name, strlen(f->name)))) ||
		    (f->label_key && (strcmp(f->label_key, "team") || strcmp(f->label_value, "web"))) ||
		    task.created_at < f->since || (f->until && task.created_at >= f->until))
			continue;
		code = fn(context, &task);
		left--;
	}
	return leave(code);
}

static int get_units(void *c, int64_t key, int64_t after, int64_t limit, drover_unit_row_fn *fn, void *context,
		     struct drover_error *err)
{
	struct task *t;
	int code = 0;

	(void)c;
	if (!enter())
		return is_away(err);
	t = find_key(key);
	for (int64_t unit = after + 1; unit < (t->hosts + 29) / 30 && limit-- && !code; unit++) {
		struct drover_unit_row row = { .size = sizeof(row),
					       .task_key = key,
					       .unit = unit,
					       .first = unit * 30,
					       .count = 30,
					       .state = DROVER_UNIT_CLAIMED,
					       .attempt = 1,
					       .engine = "node1" };

		code = fn(context, &row);
	}
	return leave(code);
}

static int results_of_task(const struct task *t, const struct drover_result_filter *f, drover_result_fn *fn,
			   void *context)
{
	int64_t left = f->limit;
	int code = 0;

	for (int64_t i = 0; i < t->hosts && left && !code; i++) {
		struct drover_result_row row = as_row(t, i, f);

		if ((f->statuses && !(f->statuses >> row.status & 1)) || (f->host && strcmp(f->host, row.host)) ||
		    row.id <= f->after_id || row.seq <= f->since_seq)
			continue;
		code = fn(context, &row);
		left--;
	}
	return code;
}

static int results_of_host(const struct drover_result_filter *f, drover_result_fn *fn, void *context)
{
	int64_t left = f->limit;
	int code = 0;

	for (int k = core.count - 1; k >= 0; k--)
		for (int64_t i = 0; i < core.tasks[k].hosts && left && !code; i++) {
			struct drover_result_row row = as_row(&core.tasks[k], i, f);

			if (strcmp(f->host, row.host) || (f->after_id && row.id >= f->after_id))
				continue;
			code = fn(context, &row);
			left--;
		}
	return code;
}

static int get_results(void *c, const struct drover_result_filter *f, drover_result_fn *fn, void *context,
		       struct drover_error *err)
{
	(void)c;
	if (!enter())
		return is_away(err);
	return leave(f->task_key ? results_of_task(find_key(f->task_key), f, fn, context)
				 : results_of_host(f, fn, context));
}

static int get_output_part(void *c, int64_t key, const char *host, int stream, drover_output_want_fn *want,
			   drover_output_fn *fn, void *context, struct drover_error *err)
{
	struct drover_output_info info = { .size = sizeof(info) };
	struct task *t;
	int code;

	(void)c;
	if (!enter())
		return is_away(err);
	t = find_key(key);
	for (int64_t i = 0; i < t->hosts; i++) {
		const struct row *row = &t->rows[i];

		if (strcmp(row->host, host))
			continue;
		info.kept = info.total = stream == 1 ? (int64_t)row->out_size : 0;
		info.status = row->status;
		if (info.kept)
			snprintf(info.digest, sizeof(info.digest), "%lld", (long long)row->seq);
		code = want(context, &info);
		if (!code && info.count)
			code = fn(context, (struct drover_bytes){ row->out + info.first, (size_t)info.count });
		return leave(code);
	}
	return leave(drover_error_set(err, DROVER_ENOTFOUND, "no such host"));
}

static int get_verification(void *c, int64_t key, struct drover_verification *v, struct drover_error *err)
{
	struct drover_task task;

	(void)c;
	if (!enter())
		return is_away(err);
	task = as_task(find_key(key));
	*v = (struct drover_verification){ .hosts = task.hosts,
					   .rows = task.hosts,
					   .distinct = task.hosts,
					   .units = task.units,
					   .units_done = task.units_done,
					   .state = task.state };
	memcpy(v->counted, task.counts, sizeof(task.counts));
	memcpy(v->stored, task.counts, sizeof(task.counts));
	if (!strcmp(task.id, "broken")) {
		v->rows--;
		v->stored[DROVER_OK]++;
	}
	return leave(0);
}

static int get_engines(void *c, int (*fn)(void *context, const struct drover_engine *engine), void *context,
		       struct drover_error *err)
{
	struct drover_part parts[] = {
		{ .size = sizeof(*parts), .name = "core", .pid = 42, .started_at = NOW },
		{ .size = sizeof(*parts),
		  .name = "executor: shell",
		  .pid = 43,
		  .started_at = NOW,
		  .restarts = 1,
		  .died_at = NOW,
		  .last_death = "killed by signal 9" },
	};
	struct drover_engine engine = { .size = sizeof(engine),
					.name = "node1",
					.version = "0.1",
					.state = "up",
					.incarnation = 7,
					.started_at = NOW,
					.renewed_at = NOW,
					.pools = "default gpu",
					.executors = "shell sim",
					.isolation = "subreaper",
					.capacity_hosts = 2000,
					.capacity_units = 512,
					.parts = parts,
					.part_count = 2 };

	(void)c;
	if (!enter())
		return is_away(err);
	return leave(fn(context, &engine));
}

static int get_executors(void *c, int (*fn)(void *context, const struct drover_executor_row *row), void *context,
			 struct drover_error *err)
{
	struct drover_executor_row row = { .size = sizeof(row),
					   .name = "shell",
					   .plugin = "shell",
					   .version = "1.0",
					   .types = "shell",
					   .summary = "commands",
					   .state = "up" };

	(void)c;
	if (!enter())
		return is_away(err);
	return leave(fn(context, &row));
}

static void get_health(void *c, struct drover_core_health *health)
{
	(void)c;
	pthread_mutex_lock(&core.lock);
	health->ready = health->store_ok = !core.away;
	health->message = core.away ? "the store is away" : NULL;
	pthread_mutex_unlock(&core.lock);
}

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
	return leave(0);
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

static const char *get_name(void *c)
{
	(void)c;
	return "node1";
}

static void tell_metrics(void *c, drover_metric_fn *fn, void *context)
{
	static const double bounds[] = { 0.001, 0.5 };
	static const int64_t buckets[] = { 3, 2, 1 };
	static const char *const states[][3] = { { "state", "queued", NULL }, { "state", "run\\n\"ing\"\n", NULL } };

	(void)c;
	for (int i = 0; i < 2; i++)
		fn(context, &(struct drover_metric){ .size = sizeof(struct drover_metric),
						     .name = "tasks",
						     .help = "Open tasks,\nby \\state.",
						     .type = DROVER_GAUGE,
						     .labels = states[i],
						     .value = i + 0.25 });
	fn(context, &(struct drover_metric){ .size = sizeof(struct drover_metric),
					     .name = "commit_seconds",
					     .help = "Commits.",
					     .type = DROVER_HISTOGRAM,
					     .value = 1.5,
					     .bounds = bounds,
					     .buckets = buckets,
					     .bucket_count = 2 });
}

static const struct drover_source_services services = {
	.size = sizeof(services),
	.submit = submit,
	.cancel = cancel,
	.task = get_task,
	.tasks = get_tasks,
	.units = get_units,
	.results = get_results,
	.verify = get_verification,
	.engines = get_engines,
	.executors = get_executors,
	.health = get_health,
	.subscribe = subscribe,
	.unsubscribe = unsubscribe,
	.node = get_name,
	.version = get_name,
	.metrics = tell_metrics,
	.output_part = get_output_part,
};

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
	struct task *t = find(id);
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
	struct task *t = find(id);
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
	publish(DROVER_EVENT_UNIT, find(id), NULL, 0, json);
}

static void flood(const char *id, int count, int bytes)
{
	char *json = malloc((size_t)bytes + 64);

	for (int i = 0; i < count; i++) {
		int64_t seq = ++core.seq;

		sprintf(json, "{\"seq\":%lld,\"kind\":\"host\",\"fill\":\"%0*d\"}", (long long)seq, bytes, 0);
		publish(DROVER_EVENT_HOST, find(id), "h0", seq, json);
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
		add_task(w[1], atoll(w[2]));
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
	struct drover_error err = { 0 };
	char line[512];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (source->open(self, &services, &core, &err)) {
		fprintf(stderr, "open: %s\n", err.message);
		return 1;
	}
	puts("ready");
	while (fgets(line, sizeof(line), stdin))
		obey(line, source, self);
	printf("left %d\n", subscribers());
	fake_host_free(&source->info, self);
	free_tasks();
	free(options);
	return 0;
}
