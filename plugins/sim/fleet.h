/*
 * fleet.h - the simulated hosts of one unit, all at once in one loop: when each answers, and what.
 *
 * Thread: that of `run`.
 */
#ifndef SIM_FLEET_H
#define SIM_FLEET_H

#include <drover/executor.h>

#include "plan.h"

/* Returns when every host was reported or the unit is to stop. */
int fleet_run(struct drover_unit *unit, const struct plan *plan, struct drover_error *err);

#endif
