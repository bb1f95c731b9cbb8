/*
 * thresholds.h - `waves`, `wave_pause` and `max_failed` of a task, and its split into units.
 *
 * Waves are cumulative sizes: numbers of hosts, or shares of them, rounded up. One that adds no host to the
 * one before it (a tenth of five hosts after the first host) is left out; what the last leaves over is one
 * more. A unit never straddles the border of a wave.
 */
#ifndef TASK_THRESHOLDS_H
#define TASK_THRESHOLDS_H

#include "task/submission.h"

/* Needs the hosts. Tells `problems` what is wrong. */
void thresholds_read(struct submission *submission, const struct task_limits *limits, struct problems *problems);
/* Fills the task's waves and units; needs its unit_size. */
void thresholds_split(struct submission *submission);

#endif
