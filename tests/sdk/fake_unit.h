/*
 * fake_unit.h - the host's side of an executor, for a program that runs one unit by itself: options
 * from words, the services of drover/executor.h, and reports as lines of JSON on standard output.
 */
#ifndef TESTS_SDK_FAKE_UNIT_H
#define TESTS_SDK_FAKE_UNIT_H

#include <stdio.h>
#include <string.h>

#include <drover/executor.h>

/* What a plugin sees as its opaque struct drover_unit. */
struct fake_unit {
	struct drover_unit_info info;
	void *self;
	struct drover_credential credential; /* no name: none */
	int64_t stop_at;                     /* ms of CLOCK_BOOTTIME; 0: at the deadline */
	int stop_fd;                         /* a timer */
	size_t next;                         /* the first host that nobody has begun */
	char *reported;                      /* one for each target */
	char *granted;                       /* of drover_unit_want: one for each target, enum drover_grant */
	int event_fd;                        /* an eventfd */
	int refused;                         /* reports that were wrong */
	int64_t began;
};

/* For the module's function. */
extern const struct drover_host fake_host;

/* In the unit process, before `run`. */
void fake_unit_begin(struct fake_unit *unit);

/* Fills the plugin's struct: all defaults first, then each NAME=VALUE, then the defaults of lists. Exits on errors. */
void fake_options_default(void *self, const struct drover_option *options);
void fake_option_set(void *self, const struct drover_option *options, const char *assignment);
void fake_options_finish(void *self, const struct drover_option *options);

int64_t fake_now(void);
/* Open descriptors of this process. */
int fake_descriptors(void);
/* As a JSON string, a character for each byte. */
void fake_print_string(const char *data, size_t size);

#endif
