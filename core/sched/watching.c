/* watching.c - tasks whose output is watched: their units are told, and what these show goes to the hub. */
#include <stdlib.h>
#include <string.h>

#include "events/hub.h"
#include "sched/engine_state.h"
#include "util/buf.h"

/* Told to units in one byte. */
#define WATCHED_MOST 255

char **watching_names(const struct drover_target *targets, size_t count)
{
	size_t size = count * sizeof(char *);
	char **names, *text;

	for (size_t i = 0; i < count; i++)
		size += strlen(targets[i].name) + 1;
	names = xmalloc(size + 1);
	text = (char *)(names + count);
	for (size_t i = 0; i < count; i++) {
		names[i] = strcpy(text, targets[i].name);
		text += strlen(text) + 1;
	}
	return names;
}

void watching_tell(struct engine *e, const struct running_unit *unit)
{
	struct exec_link *link = e->slots[unit->executor].link;

	if (link)
		exec_link_watch(link, unit->handle, unit->task->watchers ? unit->task->watched : 0);
}

void engine_watch(struct engine *e, const char *id, bool watched)
{
	struct active_task *task = e->tasks;

	while (task && strcmp(task->task.id, id) != 0)
		task = task->hh.next;
	if (!task || (!watched && !task->watchers))
		return; /* it has ended: nothing is printed any more */
	task->watchers += watched ? 1 : -1;
	if (watched)
		task->watched = task->watched % WATCHED_MOST + 1;
	else if (task->watchers)
		return;
	for (const struct running_unit *unit = e->units; unit; unit = unit->hh.next)
		if (unit->task == task)
			watching_tell(e, unit);
}

/* A unit process runs a plugin's code: it can show something about its own hosts only, until their ends. */
void watching_output(void *context, uint64_t handle, const struct exec_output *output)
{
	struct executor_slot *slot = context;
	struct engine *e = slot->engine;
	struct running_unit *unit;

	HASH_FIND(hh, e->units, &handle, sizeof(handle), unit);
	if (!unit || unit->executor != (int)slot->position || output->position >= unit->count ||
	    unit->reported[output->position] || !unit->task->watchers)
		return;
	hub_output(e->hub, unit->task->task.id, unit->hosts[output->position], output->stream, output->offset,
		   output->data, output->size);
}
