/* thresholds.c - see thresholds.h. */
#include "task/thresholds.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"

#define WHOLE 10000 /* hundredths of a percent */

/* A number of hosts, or a share of them. */
struct amount {
	bool share;
	int64_t value; /* hosts, or hundredths of a percent */
};

/* `10%`, `2.5%`: up to two places. */
static bool read_share(const char *text, size_t size, struct amount *amount)
{
	int64_t value = 0, places = -1;

	if (size < 2 || size > 8 || text[0] == '.')
		return false;
	for (const char *p = text; p < text + size - 1; p++) {
		if (*p == '.' && places < 0) {
			places = 0;
			continue;
		}
		if (*p < '0' || *p > '9' || places == 2)
			return false;
		value = value * 10 + (*p - '0');
		places += places >= 0;
	}
	for (places = places < 0 ? 0 : places; places < 2; places++)
		value *= 10;
	*amount = (struct amount){ .share = true, .value = value };
	return value <= WHOLE;
}

static bool read_amount(struct json_object *value, struct amount *amount)
{
	const char *text;
	size_t size;
	char *end;

	*amount = (struct amount){ .value = 0 };
	if (json_object_is_type(value, json_type_int)) {
		amount->value = json_object_get_int64(value);
		return amount->value >= 0 && amount->value <= 1000000000;
	}
	if (!json_object_is_type(value, json_type_string))
		return false;
	text = json_object_get_string(value);
	size = strlen(text);
	if (size && text[size - 1] == '%')
		return read_share(text, size, amount);
	if (!size || size > 9 || text[0] < '0' || text[0] > '9')
		return false;
	amount->value = strtoll(text, &end, 10);
	return !*end;
}

static int64_t hosts_of(struct amount amount, int64_t hosts)
{
	int64_t count = amount.share ? (hosts * amount.value + WHOLE - 1) / WHOLE : amount.value;

	return count < hosts ? count : hosts;
}

static bool read_wave(struct json_object *array, size_t i, struct amount *wave, struct amount last[2],
		      struct problems *problems)
{
	char pointer[32];

	snprintf(pointer, sizeof(pointer), "/waves/%zu", i);
	if (!read_amount(json_object_array_get_idx(array, i), wave) || !wave->value) {
		problems_add(problems, pointer,
			     "must be a number of hosts from 1 on, or a share such as \"10%%\" up to 100%%");
		return false;
	}
	if (wave->value <= last[wave->share].value) {
		problems_add(problems, pointer, "must be larger than the wave before it: waves are cumulative");
		return false;
	}
	last[wave->share] = *wave;
	return true;
}

static void read_waves(struct submission *s, struct json_object *array, int64_t most, struct problems *problems)
{
	size_t count = json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
	int64_t hosts = (int64_t)s->host_count, end = 0;
	struct amount last[2] = { { .value = 0 }, { .value = 0 } }, wave;

	if (!count || (int64_t)count > most) {
		problems_add(problems, "/waves", "must be an array of 1 to %lld sizes (limits.waves)", (long long)most);
		return;
	}
	s->wave_ends = xcalloc(count + 1, sizeof(*s->wave_ends));
	for (size_t i = 0; i < count; i++) {
		if (!read_wave(array, i, &wave, last, problems) || hosts_of(wave, hosts) <= end)
			continue;
		end = hosts_of(wave, hosts);
		s->wave_ends[s->wave_count++] = end;
	}
	if (end < hosts)
		s->wave_ends[s->wave_count++] = hosts;
}

static void read_max_failed(struct submission *s, struct json_object *value, struct problems *problems)
{
	struct amount amount;

	if (!read_amount(value, &amount)) {
		problems_add(problems, "/max_failed",
			     "must be a number of hosts from 0 on, or a share of a wave's hosts such as \"10%%\"");
		return;
	}
	s->task.max_failed_as = amount.share ? DROVER_THRESHOLD_PERCENT : DROVER_THRESHOLD_HOSTS;
	s->task.max_failed = amount.value;
}

/* What a retry reads again, as it was submitted. */
static void keep_options(struct submission *s)
{
	static const char *const names[] = { "waves", "wave_pause", "max_failed" };
	struct json_object *options = json_object_new_object(), *value;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if ((value = json_object_object_get(s->root, names[i])))
			json_object_object_add(options, names[i], json_object_get(value));
	s->task.options = s->options = xstrdup(json_object_to_json_string_ext(options, JSON_C_TO_STRING_PLAIN));
	json_object_put(options);
}

void thresholds_read(struct submission *s, const struct task_limits *limits, struct problems *problems)
{
	struct json_object *waves = json_object_object_get(s->root, "waves");
	struct json_object *max_failed = json_object_object_get(s->root, "max_failed");

	if (waves)
		read_waves(s, waves, limits->waves, problems);
	else if (json_object_object_get(s->root, "wave_pause"))
		problems_add(problems, "/wave_pause", "says nothing without waves");
	if (max_failed)
		read_max_failed(s, max_failed, problems);
	keep_options(s);
}

/* ------------------------------------------------------------------------------------- units */

static int64_t wave_first(const struct submission *s, size_t wave)
{
	return wave ? s->wave_ends[wave - 1] : 0;
}

static int64_t count_units(const struct submission *s, size_t wave)
{
	return (s->wave_ends[wave] - wave_first(s, wave) + s->task.unit_size - 1) / s->task.unit_size;
}

void thresholds_split(struct submission *s)
{
	struct drover_task *t = &s->task;

	if (!s->wave_count) {
		s->wave_ends = xrealloc(s->wave_ends, sizeof(*s->wave_ends));
		s->wave_ends[s->wave_count++] = t->hosts;
	}
	t->waves = (int64_t)s->wave_count;
	t->wave_hosts = s->wave_ends[0];
	t->wave_units = count_units(s, 0);
	t->units = 0;
	for (size_t wave = 0; wave < s->wave_count; wave++)
		t->units += count_units(s, wave);
}

struct drover_unit_spec submission_unit(const struct submission *s, int64_t unit)
{
	struct drover_unit_spec spec = { .wave = 0 };
	int64_t left;

	while (unit >= count_units(s, (size_t)spec.wave))
		unit -= count_units(s, (size_t)spec.wave++);
	spec.first = wave_first(s, (size_t)spec.wave) + unit * s->task.unit_size;
	left = s->wave_ends[spec.wave] - spec.first;
	spec.count = left < s->task.unit_size ? left : s->task.unit_size;
	return spec;
}
