/* unit_grants.h - which hosts of its unit `run` may touch, and whether it is to stop; see drover/executor.h. */
#ifndef PROC_UNIT_GRANTS_H
#define PROC_UNIT_GRANTS_H

#include <drover/executor.h>

int grants_begin(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err);
const struct drover_target *grants_next(struct drover_unit *unit);
int grants_want(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err);
enum drover_grant grants_of(struct drover_unit *unit, size_t index);
int grants_event_fd(struct drover_unit *unit);
int grants_stop_fd(const struct drover_unit *unit);
bool grants_stopping(struct drover_unit *unit);

#endif
