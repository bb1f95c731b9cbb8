/* plan.c - see plan.h. */
#include "plan.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "output.h"

#define PIECES_MAX 1000000
#define LATENCY_MAX_US (24 * 3600 * INT64_C(1000000))

/* One end of a latency: a number and perhaps a unit; `*unit` is 0 where none was given. */
static const char *read_time(const char *text, double *number, double *unit)
{
	char *end;

	errno = 0;
	*number = strtod(text, &end);
	*unit = 0;
	if (errno || end == text || !(*number >= 0))
		return NULL;
	if (!strncmp(end, "us", 2))
		*unit = 1;
	else if (!strncmp(end, "ms", 2))
		*unit = 1000;
	else if (*end == 's')
		*unit = 1000000;
	else if (*end == 'm')
		*unit = 60000000;
	if (*unit)
		end += *unit == 1 || *unit == 1000 ? 2 : 1;
	return end;
}

/* "20ms", "0-50ms", "1.5"; without a unit seconds, as for every duration. */
static int read_latency(const char *text, struct plan *plan, struct drover_error *err)
{
	double low, high, low_unit, high_unit;
	const char *end = read_time(text, &low, &low_unit);

	high = low;
	high_unit = low_unit;
	if (end && *end == '-')
		end = read_time(end + 1, &high, &high_unit);
	if (!high_unit)
		high_unit = 1000000;
	if (!low_unit)
		low_unit = high_unit;
	low *= low_unit;
	high *= high_unit;
	if (!end || *end || low > high || high > (double)LATENCY_MAX_US)
		return drover_error_set(err, DROVER_EINVALID,
					"latency: \"%s\" is neither a duration like 20ms nor a range like 0-50ms",
					text);
	plan->latency_min = (int64_t)low;
	plan->latency_max = (int64_t)high;
	return 0;
}

static int read_options(const struct sim *self, struct plan *plan, struct drover_error *err)
{
	int code = 0;

	plan->seed = self->seed;
	plan->step = self->step;
	plan->output = self->output ? self->output : "";
	plan->output_size = strlen(plan->output);
	plan->lock_dir = self->lock_dir;
	if (self->latency)
		code = read_latency(self->latency, plan, err);
	if (!code)
		code = choice_parse_text("hang", self->hang, &plan->hang, err);
	if (!code)
		code = choice_parse_text("fail", self->fail, &plan->fail, err);
	if (!code)
		code = choice_parse_text("unreachable", self->unreachable, &plan->unreachable, err);
	if (!code)
		code = choice_parse_text("skip", self->skip, &plan->skip, err);
	return code;
}

static int read_choices(struct plan *plan, struct drover_error *err)
{
	struct {
		const char *name;
		struct choice *choice;
	} choices[] = {
		{ "crash", &plan->crash }, { "hang", &plan->hang }, { "unreachable", &plan->unreachable },
		{ "fail", &plan->fail },   { "flap", &plan->flap }, { "skip", &plan->skip },
	};
	struct json_object *value;

	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		int code = 0;

		if (json_object_object_get_ex(plan->json, choices[i].name, &value))
			code = choice_parse(choices[i].name, value, choices[i].choice, err);
		if (code)
			return code;
	}
	return 0;
}

/* Whoever submits a task must not choose where the daemon writes: only the configured folder, or below it. */
static int read_lock_dir(const struct sim *self, const char *wanted, struct plan *plan, struct drover_error *err)
{
	size_t size = self->lock_dir ? strlen(self->lock_dir) : 0;

	if (!size)
		return drover_error_set(err, DROVER_EINVALID,
					"lock_dir: the executor's own option lock_dir is not set");
	if (strncmp(wanted, self->lock_dir, size) || (wanted[size] && wanted[size] != '/') || strstr(wanted, ".."))
		return drover_error_set(err, DROVER_EINVALID, "lock_dir: \"%s\" is not below \"%s\"", wanted,
					self->lock_dir);
	plan->lock_dir = wanted;
	return 0;
}

static int read_output(struct json_object *value, struct plan *plan, struct drover_error *err)
{
	if (json_object_is_type(value, json_type_string)) {
		plan->output = json_object_get_string(value);
		plan->output_size = (size_t)json_object_get_string_len(value);
		return 0;
	}
	plan->made = output_make(value, &plan->output_size, err);
	plan->output = plan->made;
	return plan->made ? 0 : err ? err->code : DROVER_EINVALID;
}

static int read_member(const struct sim *self, const char *name, struct json_object *value, struct plan *plan,
		       struct drover_error *err)
{
	if (!strcmp(name, "latency"))
		return read_latency(json_object_get_string(value), plan, err);
	if (!strcmp(name, "output"))
		return read_output(value, plan, err);
	if (!strcmp(name, "lock_dir"))
		return read_lock_dir(self, json_object_get_string(value), plan, err);
	if (!strcmp(name, "seed"))
		plan->seed = json_object_get_int64(value);
	else if (!strcmp(name, "step"))
		plan->step = json_object_get_int64(value);
	else if (!strcmp(name, "pieces"))
		plan->pieces = json_object_get_int64(value);
	else if (!strcmp(name, "changed"))
		plan->changed = json_object_get_boolean(value) ? DROVER_CHANGED_YES : DROVER_CHANGED_NO;
	else if (!strcmp(name, "rc")) {
		plan->has_rc = true;
		plan->rc = json_object_get_int(value);
	}
	return 0;
}

int plan_read(const struct sim *self, const char *payload, struct plan *plan, struct drover_error *err)
{
	int code = read_options(self, plan, err);

	if (code || !payload)
		return code;
	plan->json = json_tokener_parse(payload);
	if (!json_object_is_type(plan->json, json_type_object))
		return drover_error_set(err, DROVER_EINVALID, "the payload is not a JSON object");
	code = read_choices(plan, err);
	if (code)
		return code;
	json_object_object_foreach (plan->json, name, value) {
		code = read_member(self, name, value, plan, err);
		if (code)
			return code;
	}
	if (plan->step < 0)
		return drover_error_set(err, DROVER_EINVALID, "step: must not be negative");
	if (plan->pieces < 0 || plan->pieces > PIECES_MAX)
		return drover_error_set(err, DROVER_EINVALID, "pieces: must be 0 to %d", PIECES_MAX);
	return 0;
}

void plan_dispose(struct plan *plan)
{
	choice_dispose(&plan->crash);
	choice_dispose(&plan->hang);
	choice_dispose(&plan->unreachable);
	choice_dispose(&plan->fail);
	choice_dispose(&plan->flap);
	choice_dispose(&plan->skip);
	free(plan->made);
	json_object_put(plan->json);
}

int64_t plan_latency(const struct plan *plan, uint64_t hash)
{
	uint64_t span = (uint64_t)(plan->latency_max - plan->latency_min);

	if (!span)
		return plan->latency_min;
	return plan->latency_min + (int64_t)(choice_mix(hash, 0x6c6174656e6379u) % (span + 1));
}
