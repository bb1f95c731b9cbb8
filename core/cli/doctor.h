/*
 * doctor.h - what the checks of `drover doctor` share. Each says what it found, by doctor_say, and changes nothing.
 *
 * Checks are run in the order of the table in cmd_doctor.c, on one thread; later ones use what earlier ones found.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/cli.h"
#include "cli/client.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_ERROR };

struct doctor {
	struct cli *cli;
	const char *file; /* -c, or NULL: the default */
	bool make;        /* --create-topic: nothing else is looked at then */
	int64_t partitions, replication;
	bool examined;              /* some plugin had something to tell of its servers */
	struct json_object *checks; /* owned: what was said, for --json */
	int errors;

	struct json_object *plan;  /* owned: of the configuration (conf/plan.h), or NULL */
	struct json_object *slice; /* the core's part of it, borrowed; or NULL */
	struct client client;      /* of the daemon, where `open` */
	bool open, reached;
	int64_t engines; /* that the daemon told of */
	pid_t pid; /* of the droverd that has the configuration's state folder; 0: none, -1: that cannot be told */
};

/* One line. `advice` is what to do about it, NULL where it is ok. */
void __attribute__((format(printf, 5, 6)))
doctor_say(struct doctor *doctor, enum doctor_level level, const char *what, const char *advice, const char *why, ...);

/* The processes of the plan that have this role: calls `fn` for each. */
void doctor_each(struct doctor *doctor, const char *role,
		 void (*fn)(struct doctor *doctor, struct json_object *process));
/* An option of an instance in a slice that is a scalar, or "". */
const char *doctor_option(struct json_object *instance, const char *name);
/* Who a process of the plan runs as: its account, else this user. False: there is no such account. */
bool doctor_account(struct json_object *process, uid_t *uid);
/* The core's process, or NULL. */
struct json_object *doctor_core(struct doctor *doctor);

/* The checks, by file. */
void doctor_configuration(struct doctor *doctor);
void doctor_tokens(struct doctor *doctor);
void doctor_tls_key(struct doctor *doctor);
void doctor_state(struct doctor *doctor);
void doctor_store(struct doctor *doctor);
void doctor_brokers(struct doctor *doctor);
void doctor_daemon(struct doctor *doctor);
void doctor_engine(struct doctor *doctor);
void doctor_executors(struct doctor *doctor);
void doctor_spools(struct doctor *doctor);
void doctor_isolation(struct doctor *doctor);
void doctor_descriptors(struct doctor *doctor);
void doctor_clock(struct doctor *doctor);
void doctor_ssh(struct doctor *doctor);
void doctor_audit(struct doctor *doctor);

#endif
