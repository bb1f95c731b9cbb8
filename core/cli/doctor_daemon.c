/* doctor_daemon.c - of `drover doctor`: does the daemon answer, and what does it say of itself? */
#define _GNU_SOURCE

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/doctor.h"
#include "cli/field.h"
#include "cli/private.h"
#include "util/clock.h"

#define PATIENCE_MS 5000
#define APART_MS 60000         /* clocks that differ by more are wrong */
#define EXPIRES_S (14 * 86400) /* a certificate's last days */
#define DEATH_MS (600 * 1000)  /* so long a death is news */

/* ------------------------------------------------------------------------------------ its address */

/* `0.0.0.0:8007` and `[::]:8007` are reached on this machine's own address. */
static char *url_of(const char *listen, bool tls)
{
	struct buf url = BUF_INIT;

	if (!strncmp(listen, "unix:", 5))
		return xstrdup(listen);
	buf_printf(&url, "http%s://", tls ? "s" : "");
	if (!strncmp(listen, "0.0.0.0:", 8))
		buf_printf(&url, "127.0.0.1%s", listen + 7);
	else if (!strncmp(listen, "[::]:", 5))
		buf_printf(&url, "[::1]%s", listen + 4);
	else
		buf_string(&url, listen);
	return buf_take(&url);
}

/* Where a source took any free port, and wrote down which. */
static char *written_address(const char *path)
{
	char line[256] = "";
	FILE *file = fopen(path, "re");

	if (file) {
		if (fgets(line, sizeof(line), file))
			line[strcspn(line, "\r\n")] = '\0';
		fclose(file);
	}
	return *line ? xstrdup(line) : NULL;
}

/* Of the first HTTP source of the configuration, or NULL. */
static char *configured_url(struct doctor *doctor)
{
	struct json_object *sources = field(doctor->slice, "sources");

	for (size_t i = 0; i < field_count(sources); i++) {
		struct json_object *source = json_object_array_get_idx(sources, i);
		const char *listen = doctor_option(source, "listen"), *port_file = doctor_option(source, "port_file");
		bool tls = field(field(source, "options"), "tls");
		char *written, *url;

		if (strcmp(field_text(source, "plugin"), "http"))
			continue;
		written = *port_file ? written_address(port_file) : NULL;
		url = url_of(written ? written : *listen ? listen : "127.0.0.1:8007", tls);
		free(written);
		return url;
	}
	return NULL;
}

static char *private_daemon(void)
{
	struct drover_error err = { 0 };
	char *state = NULL, *url = NULL;

	if (!private_state(&state, &err) && private_exists(state))
		url = private_url(state);
	free(state);
	return url;
}

static bool open_client(struct doctor *doctor)
{
	struct drover_error err = { 0 };
	struct address address;
	char *other = NULL;

	if (address_find(doctor->cli->url, &address, &err)) {
		doctor_say(doctor, DOCTOR_ERROR, "daemon", "correct --url, $DROVER_URL or ~/.config/drover/config.yaml",
			   "%s", err.message);
		return false;
	}
	if (address.assumed)
		other = doctor->slice ? configured_url(doctor) : private_daemon();
	if (other) {
		free(address.url);
		address.url = other;
	}
	doctor->open = !client_open(&doctor->client, &address, &err);
	if (!doctor->open)
		doctor_say(doctor, DOCTOR_ERROR, "daemon", "see whether there is memory", "%s", err.message);
	address_dispose(&address);
	doctor->client.patience = PATIENCE_MS;
	return doctor->open;
}

/* ------------------------------------------------------------------------------------------ answers */

/* The certificate that it served; curl tells it as lines `Expire date:…`, the server's own first. */
static void check_certificate(struct doctor *doctor)
{
	struct curl_certinfo *chain = NULL;
	const char *expires = NULL;
	time_t end, left;

	if (strncmp(doctor->client.base, "https:", 6) ||
	    curl_easy_getinfo(doctor->client.easy, CURLINFO_CERTINFO, &chain) || !chain || chain->num_of_certs < 1)
		return;
	for (struct curl_slist *line = chain->certinfo[0]; line; line = line->next)
		if (!strncasecmp(line->data, "Expire date:", 12))
			expires = line->data + 12;
	end = expires ? curl_getdate(expires, NULL) : -1;
	if (end < 0)
		return;
	left = end - clock_utc_ms() / 1000;
	doctor_say(doctor, left < EXPIRES_S ? DOCTOR_WARNING : DOCTOR_OK, "TLS",
		   left < EXPIRES_S ? "renew it; the daemon reads the files again by itself" : NULL,
		   "the certificate expires in %ld days: %s", (long)(left / 86400), expires);
}

static void not_reached(struct doctor *doctor, const struct drover_error *err)
{
	if (doctor->pid > 0)
		doctor_say(doctor, DOCTOR_ERROR, "daemon",
			   "look at its log; `systemctl restart droverd' ends a hung one",
			   "it runs as pid %d, and does not answer: %s", (int)doctor->pid, err->message);
	else if (!doctor->slice && !doctor->cli->url && !getenv("DROVER_URL"))
		doctor_say(doctor, DOCTOR_WARNING, "daemon", "`drover run' starts one of your own where it is needed",
			   "nobody answers: %s", err->message);
	else
		doctor_say(doctor, DOCTOR_ERROR, "daemon",
			   "start it: `systemctl start droverd'; its log says why it ended", "%s", err->message);
}

void doctor_daemon(struct doctor *doctor)
{
	struct drover_error err = { 0 };
	struct json_object *health = NULL;
	int code;

	if (!open_client(doctor))
		return;
	curl_easy_setopt(doctor->client.easy, CURLOPT_CERTINFO, 1L);
	code = client_call(&doctor->client, "GET", "/-/ready", NULL, &health, &err);
	doctor->reached = !doctor->client.unreachable;
	if (!doctor->reached) {
		not_reached(doctor, &err);
	} else if (code) {
		/* A 503 is the health document, too. */
		struct json_object *said = health ? health : doctor->client.problem;
		const char *message = field_text(said, "message");

		doctor_say(doctor, DOCTOR_ERROR, "daemon", "look at its log, and at the disk of its state folder",
			   "it answers, and is not ready: %s", *message ? message : err.message);
	} else {
		doctor_say(doctor, DOCTOR_OK, "daemon", NULL, "%s, version %s, takes tasks at %s",
			   field_text(health, "node"), field_text(health, "version"), doctor->client.address.url);
		if (strcmp(field_text(health, "version"), DROVER_VERSION))
			doctor_say(doctor, DOCTOR_WARNING, "daemon", "restart it, or use the client of its version",
				   "it has version %s, this program %s", field_text(health, "version"), DROVER_VERSION);
	}
	if (doctor->reached)
		check_certificate(doctor);
	json_object_put(health);
}

/* A question that wants a token: false, and it was said what is wrong. */
static bool ask(struct doctor *doctor, const char *what, const char *path, struct json_object **answer)
{
	struct drover_error err = { 0 };

	*answer = NULL;
	if (!doctor->reached)
		return false;
	if (!client_call(&doctor->client, "GET", path, NULL, answer, &err))
		return true;
	if (doctor->client.status == 401 || doctor->client.status == 403)
		doctor_say(doctor, DOCTOR_WARNING, what,
			   "give a token by $DROVER_TOKEN or ~/.config/drover/config.yaml",
			   "the daemon does not tell: %s", err.message);
	else
		doctor_say(doctor, DOCTOR_ERROR, what, "look at the daemon's log", "%s", err.message);
	return false;
}

static void check_parts(struct doctor *doctor, struct json_object *parts)
{
	for (size_t i = 0; i < field_count(parts); i++) {
		struct json_object *part = json_object_array_get_idx(parts, i);
		int64_t died = clock_parse(field_text(part, "died_at"));

		if (!field_int(part, "pid", 0))
			doctor_say(doctor, DOCTOR_ERROR, field_text(part, "name"),
				   "its log says why; it is started again", "it is down: %s",
				   field_text(part, "last_death"));
		else if (died > 0 && clock_utc_ms() - died < DEATH_MS)
			doctor_say(doctor, DOCTOR_WARNING, field_text(part, "name"), "its log says why",
				   "it was restarted %" PRId64 " times, last at %s: %s", field_int(part, "restarts", 0),
				   field_text(part, "died_at"), field_text(part, "last_death"));
	}
}

/* A part without a process, of the node that answered, is told by check_parts. */
static bool part_is_dead(struct json_object *parts, const char *executor)
{
	static const char prefix[] = "executor: ";

	for (size_t i = 0; i < field_count(parts); i++) {
		struct json_object *part = json_object_array_get_idx(parts, i);
		const char *name = field_text(part, "name");

		if (!strncmp(name, prefix, strlen(prefix)) && !strcmp(name + strlen(prefix), executor))
			return !field_int(part, "pid", 0);
	}
	return false;
}

/* That an engine is down as a whole is said of it once. */
static void check_executor_states(struct doctor *doctor, struct json_object *engine)
{
	struct json_object *states = field(engine, "executor_states");
	const char *name = field_text(engine, "name");

	for (size_t i = 0; strcmp(field_text(engine, "state"), "down") && i < field_count(states); i++) {
		struct json_object *state = json_object_array_get_idx(states, i);
		const char *executor = field_text(state, "name"), *since = field_text(state, "since");
		const char *why = field_text(state, "message");

		if (!strcmp(field_text(state, "state"), "down") && !part_is_dead(field(engine, "parts"), executor))
			doctor_say(doctor, DOCTOR_WARNING, "engine",
				   "`journalctl -u droverd' there says more; it is started again by itself",
				   "the executor %s is down on %s%s%s%s%s", executor, name, *since ? " since " : "",
				   since, *why ? ": " : "", why);
	}
}

static void check_inventory(struct doctor *doctor, struct json_object *inventory)
{
	static const char advice[] = "`ansible-inventory -i SOURCE --list' as the core's user shows it, too";
	const char *state = field_text(inventory, "state");

	if (!*state || !strcmp(state, "none"))
		return;
	if (!strcmp(state, "stale"))
		doctor_say(doctor, DOCTOR_WARNING, "inventory", advice, "it is as of %s: %s",
			   field_text(inventory, "read_at"), field_text(inventory, "message"));
	else if (!strcmp(state, "failed"))
		doctor_say(doctor, DOCTOR_ERROR, "inventory", advice, "there is none, tasks with groups get 503: %s",
			   field_text(inventory, "message"));
	else
		doctor_say(doctor, DOCTOR_OK, "inventory", NULL, "%s: %" PRId64 " hosts, %" PRId64 " groups", state,
			   field_int(inventory, "hosts", 0), field_int(inventory, "groups", 0));
}

static void check_engine(struct doctor *doctor, struct json_object *engine)
{
	const char *name = field_text(engine, "name"), *state = field_text(engine, "state");
	int64_t renewed = clock_parse(field_text(engine, "renewed_at"));
	int64_t apart = renewed > 0 ? clock_utc_ms() - renewed : 0;

	if (strcmp(state, "up"))
		doctor_say(doctor, DOCTOR_WARNING, "engine", "`drover engines undrain' lets it take units again",
			   "%s is %s: tasks wait", name, state);
	else
		doctor_say(doctor, DOCTOR_OK, "engine", NULL,
			   "%s runs %" PRId64 " of %" PRId64 " hosts at once, processes held together by %s", name,
			   field_int(field(engine, "running"), "hosts", 0),
			   field_int(field(engine, "capacity"), "hosts", 0), field_text(engine, "isolation"));
	if (apart > APART_MS || apart < -APART_MS)
		doctor_say(doctor, DOCTOR_ERROR, "clock", "set the clocks by NTP; if they are right, the store is away",
			   "%s renewed its lease %" PRId64 " s ago by this machine's clock", name, apart / 1000);
	check_parts(doctor, field(engine, "parts"));
	check_executor_states(doctor, engine);
	check_inventory(doctor, field(engine, "inventory"));
}

void doctor_engine(struct doctor *doctor)
{
	struct json_object *answer;

	if (ask(doctor, "engine", "/v1/engines", &answer))
		doctor->engines = (int64_t)field_count(field_items(answer));
	if (answer)
		for (size_t i = 0; i < field_count(field_items(answer)); i++)
			check_engine(doctor, json_object_array_get_idx(field_items(answer), i));
	json_object_put(answer);
}

void doctor_executors(struct doctor *doctor)
{
	struct json_object *answer;

	if (ask(doctor, "executors", "/v1/executors", &answer) && !field_count(field_items(answer)))
		doctor_say(doctor, DOCTOR_ERROR, "executors", "configure one under `executors'", "there is none");
	for (size_t i = 0; i < field_count(field_items(answer)); i++) {
		struct json_object *executor = json_object_array_get_idx(field_items(answer), i);
		bool up = !strcmp(field_text(executor, "state"), "up");

		doctor_say(doctor, up ? DOCTOR_OK : DOCTOR_ERROR, "executor",
			   up ? NULL : "its log says why; tasks for it wait", "%s (%s) is %s",
			   field_text(executor, "name"), field_text(executor, "plugin"), field_text(executor, "state"));
	}
	json_object_put(answer);
}
