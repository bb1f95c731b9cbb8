/* doctor_brokers.c - of `drover doctor`: the servers that units and tasks go by, as the plugins see them. */
#include <string.h>

#include <drover/error.h>

#include "cli/doctor.h"
#include "cli/field.h"
#include "conf/option.h"
#include "loader/loader.h"

typedef int examine_fn(void *self, const struct drover_examination *how, drover_finding_fn *fn, void *context,
		       struct drover_error *err);

struct broker {
	struct doctor *doctor;
	const char *what; /* "source kafka" */
};

static void take_finding(void *context, enum drover_finding finding, const char *why, const char *advice)
{
	static const enum doctor_level levels[] = { [DROVER_FINDING_FINE] = DOCTOR_OK,
						    [DROVER_FINDING_BAD] = DOCTOR_ERROR,
						    [DROVER_FINDING_DOUBTFUL] = DOCTOR_WARNING };
	struct broker *broker = context;

	broker->doctor->examined = true;
	doctor_say(broker->doctor, levels[finding], broker->what,
		   finding == DROVER_FINDING_FINE ? NULL
		   : advice                       ? advice
						  : "look at its log",
		   "%s", why);
}

static examine_fn *examine_of(const struct drover_module *module, enum plugin_kind kind)
{
	if (kind == PLUGIN_DISPATCHER)
		return DROVER_DISPATCHER_HAS(module->dispatcher, examine) ? module->dispatcher->examine : NULL;
	return DROVER_SOURCE_HAS(module->source, examine) ? module->source->examine : NULL;
}

/* An instance that is not opened. */
static int examine(struct broker *broker, struct json_object *instance, enum plugin_kind kind,
		   const struct drover_module *module, struct drover_error *err)
{
	const struct doctor *doctor = broker->doctor;
	const struct drover_examination how = { .size = sizeof(how),
						.make = doctor->make,
						.engines = doctor->engines > 0 ? doctor->engines : 1,
						.partitions = doctor->partitions,
						.replication = doctor->replication };
	const struct drover_plugin_info *info = loader_info(module, kind);
	examine_fn *fn = info ? examine_of(module, kind) : NULL;
	void *self = NULL;
	int code;

	if (!fn)
		return 0;
	code = slice_options(field(instance, "options"), info->options, info->self_size, &self, err);
	if (!code)
		code = fn(self, &how, take_finding, broker, err);
	option_free(info->options, self);
	return code;
}

static void look(struct doctor *doctor, struct json_object *instance, enum plugin_kind kind)
{
	struct broker broker = { .doctor = doctor };
	struct drover_error err = { 0 };
	struct loaded_plugin plugin;
	char what[128];
	int code = loader_open_file(field_text(instance, "path"), &loader_host, &plugin, &err);

	snprintf(what, sizeof(what), "%s %s", loader_kind_name(kind), field_text(instance, "name"));
	broker.what = what;
	if (!code) {
		code = examine(&broker, instance, kind, plugin.module, &err);
		loader_dispose(&plugin);
	}
	if (code)
		doctor_say(doctor, DOCTOR_ERROR, what, "see whether it runs, and at the addresses in the configuration",
			   "%s", err.message);
}

void doctor_brokers(struct doctor *doctor)
{
	struct json_object *sources = field(doctor->slice, "sources"), *dispatcher = field(doctor->slice, "dispatcher");

	if (dispatcher)
		look(doctor, dispatcher, PLUGIN_DISPATCHER);
	for (size_t i = 0; i < field_count(sources); i++)
		look(doctor, json_object_array_get_idx(sources, i), PLUGIN_SOURCE);
	if (doctor->make && doctor->slice && !doctor->examined && !doctor->errors)
		doctor_say(doctor, DOCTOR_WARNING, "topics", "configure a dispatcher or a source that uses some",
			   "the configuration names none, so none was made");
}
