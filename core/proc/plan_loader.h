/*
 * plan_loader.h - reads the configuration in a process of its own, since plugins must be loaded to
 * check it and the supervisor loads none.
 */
#ifndef PROC_PLAN_LOADER_H
#define PROC_PLAN_LOADER_H

#include <stdbool.h>
#include <sys/types.h>

struct drover_error;
struct json_object;
struct plan_loader;
struct sd_event;

/* `plan` (owned) is NULL where `errors`, a JSON array of strings (borrowed), says what is wrong. The loader is freed. */
typedef void plan_loaded_fn(void *context, struct json_object *plan, struct json_object *errors);

/* `file` may be NULL. `fn` is called once, later. */
int plan_loader_start(struct sd_event *event, const char *program, const char *file, plan_loaded_fn *fn, void *context,
		      struct plan_loader **loader, struct drover_error *err);
void plan_loader_free(struct plan_loader *loader);
/* Is this its process? `loader` may be NULL. */
bool plan_loader_is(const struct plan_loader *loader, pid_t pid);

#endif
