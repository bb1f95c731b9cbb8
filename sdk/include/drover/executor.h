/*
 * drover/executor.h - the contract of an executor: it performs one unit of a task on its hosts.
 *
 * Process and thread. `open`, `close` and `drain` are called in the executor host, a single-threaded
 * process that has loaded this one plugin and forks. `run` is called in a process of its own for
 * each unit, forked from that one; it may block, fork, start threads and crash: at the unit's
 * deadline plus 2 s the process and everything it has started are killed, and nothing that it
 * leaves behind survives. What `run` changes in memory is seen by no other unit.
 *
 * Truth. Report each host exactly once. The first report for a host stands; a second one, or one
 * for a host of another unit, is refused and named in the log and in the task's messages. A host
 * that is not reported when `run` returns ends `failed`, and its message says so; if `run` returned
 * an error, that error is the message. When the process dies first, hosts that were begun end
 * `lost` and the others go to the unit's next attempt. When the deadline ends it: `timeout`.
 *
 * Standard output and error of the unit process go to the daemon's log (bounded); they are no
 * host's output.
 */
#ifndef DROVER_EXECUTOR_H
#define DROVER_EXECUTOR_H

#include <stdint.h>

#include <drover/plugin.h>

/* One host of the unit. Borrowed; valid until `run` returns. */
struct drover_target {
	size_t size;
	const char *name;    /* lower-cased, of the host grammar, never starting with `-` */
	const char *address; /* to connect to, or NULL: the name */
	int port;            /* or 0: the executor's default */
	const char *user;    /* or NULL: the executor's default */
	const char *vars;    /* a JSON object as text, or NULL */
};

/* What is to be done. Borrowed; valid until `run` returns. Durations are milliseconds, 0: none. */
struct drover_unit_info {
	size_t size;
	const char *task;        /* the task's id */
	int64_t unit;            /* the unit's number within the task, from 0 */
	int attempt;             /* the fencing token, from 1 */
	const char *type;        /* one of the executor's types */
	const char *payload;     /* a JSON object as text, as submitted */
	const char *credential;  /* its name, or NULL */
	int64_t deadline;        /* CLOCK_BOOTTIME in ms at which the unit is asked to stop; killed 2 s later */
	int64_t host_timeout;    /* one host's total */
	int64_t connect_timeout; /* 0: the executor's default */
	int64_t output_limit;    /* bytes kept of each of a host's streams, head and tail */
	int64_t fanout;          /* hosts at once, 0: the executor's default */
	size_t count;            /* hosts */
	const struct drover_target *targets;
};

/* What became of a host. Zero is a good default for each member. Borrowed for the call. */
struct drover_report {
	const void *out; /* standard output: bytes of any kind */
	size_t out_size; /* 0 with a non-NULL `out`: it is a string */
	const void *err;
	size_t err_size;
	uint64_t out_total; /* bytes that the host wrote, where only a part is given above; 0: all given */
	uint64_t err_total;
	bool has_rc; /* `rc` says something */
	int rc;
	const char *signal;  /* the name without SIG of what ended the command, or NULL */
	const char *message; /* for people; needed where the status is not ok */
	const char *via;     /* how the host was reached: "local", "ssh", … */
	const char *result;  /* a JSON value as text, or NULL */
	const char *waiting_for;
	enum drover_changed changed;
	enum drover_phase phase;
	enum drover_remote remote;
};

/*
 * How to log in on hosts, as the configuration's `credentials` have it; the secrets are clear text.
 * Borrowed; valid until `run` returns. Strings are NULL when absent.
 */
struct drover_credential {
	size_t size;
	const char *name;
	const char *user;
	const char *key;             /* a private key's text */
	const char *certificate;     /* of the key, as `ssh-keygen -s` writes it */
	const char *passphrase;      /* of the key */
	const char *password;        /* of the user */
	const char *become_password; /* for becoming another user */
};

struct drover_unit; /* opaque */

/* Whether a host may be touched. */
enum drover_grant {
	DROVER_GRANT_NONE = 0,    /* nobody has asked */
	DROVER_GRANT_WAITING = 1, /* asked; there is no room for it now, or its intent is not on disk yet */
	DROVER_GRANT_GIVEN = 2,   /* yes: its intent is on disk */
	DROVER_GRANT_REFUSED = 3  /* no, and it never may: leave it alone, without a report */
};

/* The host's side. Call them through the functions below. Thread of `run` only. */
struct drover_executor_services {
	size_t size;
	const void *(*self)(const struct drover_unit *unit);
	const struct drover_unit_info *(*info)(const struct drover_unit *unit);
	int (*begin)(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err);
	const struct drover_target *(*next)(struct drover_unit *unit);
	int (*report)(struct drover_unit *unit, const char *host, enum drover_status status,
		      const struct drover_report *report, size_t report_size);
	void (*cork)(struct drover_unit *unit, bool corked);
	int (*stop_fd)(const struct drover_unit *unit);
	bool (*stopping)(struct drover_unit *unit);
	const char *(*format)(const char *format, va_list args);
	int (*want)(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err);
	enum drover_grant (*grant)(struct drover_unit *unit, size_t index);
	int (*event_fd)(struct drover_unit *unit);
	unsigned (*watched)(const struct drover_unit *unit);
	void (*output)(struct drover_unit *unit, const char *host, int stream, int64_t offset, const void *data,
		       size_t size);
	const char *(*mark)(struct drover_unit *unit);
	int (*adopt)(struct drover_unit *unit, int pid, struct drover_error *err);
	const struct drover_credential *(*credential)(const struct drover_unit *unit);
};

/* The instance's options. Borrowed. */
static inline const void *drover_unit_self(const struct drover_unit *unit)
{
	return drover_host->executor->self(unit);
}

/* What is to be done. Borrowed. */
static inline const struct drover_unit_info *drover_unit_info(const struct drover_unit *unit)
{
	return drover_host->executor->info(unit);
}

/*
 * What the unit is to log in with: the credential that the task names, else the one of the instance's option
 * `credential`, else NULL. Only executors whose options have a DROVER_OPT_STRING called `credential` are given
 * any; a unit whose task names one that this node has not is ended before `run`. Borrowed. Never log its secrets.
 */
static inline const struct drover_credential *drover_unit_credential(const struct drover_unit *unit)
{
	const struct drover_executor_services *host = drover_host->executor;

	return host->size > offsetof(struct drover_executor_services, credential) && host->credential
		       ? host->credential(unit)
		       : NULL;
}

/*
 * The simple way: the next host that nobody has begun, or NULL when there is none or the unit is
 * to stop. Its intent is on disk when this returns, so the host may be touched. May block.
 */
static inline const struct drover_target *drover_unit_next(struct drover_unit *unit)
{
	return drover_host->executor->next(unit);
}

/* As drover_unit_next, but only the name. */
static inline const char *drover_unit_next_host(struct drover_unit *unit)
{
	const struct drover_target *target = drover_unit_next(unit);

	return target ? target->name : NULL;
}

/*
 * The way for executors that do many hosts at once: returns 0 when the intents of targets
 * [first, first + count) are on disk, so that they may be touched; blocks until then. At once where
 * they are already, as most are when the executor's `window` is 0. In a task with a `fanout` it blocks
 * until hosts have ended, perhaps this unit's own: use drover_unit_want there.
 * Errors: DROVER_ECANCELLED: not all of them may be touched; DROVER_ELIMIT: more than the task's
 * fanout, which could never be.
 */
static inline int drover_unit_begin(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err)
{
	return drover_host->executor->begin(unit, first, count, err);
}

/*
 * The way that does not block, for executors that go on with other hosts meanwhile: asks for the
 * intents of targets [first, first + count) and returns. They are given in this order, as the task's
 * `fanout` has room; ask for as many as could be begun now, since a host counts as running from its
 * intent on, and in a task with `max_failed` those that nobody has asked for are not begun any more
 * once it is exceeded. In such tasks few intents come with the claim: ask for every host before it
 * is touched. Asking twice is harmless.
 * Errors: DROVER_EINVALID: no such targets; DROVER_ECANCELLED: the unit is to stop.
 */
static inline int drover_unit_want(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err)
{
	return drover_host->executor->want(unit, first, count, err);
}

/* What became of that, for the target at `index`; takes in what has come, does not block. */
static inline enum drover_grant drover_unit_grant(struct drover_unit *unit, size_t index)
{
	return drover_host->executor->grant(unit, index);
}

static inline bool drover_unit_is_granted(struct drover_unit *unit, size_t index)
{
	return drover_unit_grant(unit, index) == DROVER_GRANT_GIVEN;
}

/*
 * A descriptor that becomes readable when hosts were granted or refused, until drover_unit_grant or
 * drover_unit_stopping is called; also when the unit is to stop. For poll, not for read.
 */
static inline int drover_unit_event_fd(struct drover_unit *unit)
{
	return drover_host->executor->event_fd(unit);
}

/*
 * Reports a host's end: drover_report(unit, host, DROVER_OK, .out = text, .has_rc = true). Sent at
 * once unless corked. Output beyond the unit's limit is cut, head and tail are kept.
 * With DROVER_RUNNING it is no end: `result` and `changed` are kept as what is known so far, in place of
 * what was told before; they stay where the unit is ended before the host is reported. Not more often
 * than about once a second and host: each one is a write.
 * Errors: DROVER_ENOTFOUND: not a host of this unit; DROVER_ECONFLICT: reported before;
 * DROVER_EINVALID: not a final status. All three are also logged and told to the task.
 */
#define drover_report(unit, host, status, ...)                                                                         \
	drover_host->executor->report((unit), (host), (status), &(struct drover_report){ __VA_ARGS__ },                \
				      sizeof(struct drover_report))

/* While corked, reports wait in memory (up to 64 KiB), to be sent together. Uncorking sends them. */
static inline void drover_unit_cork(struct drover_unit *unit, bool corked)
{
	drover_host->executor->cork(unit, corked);
}

/*
 * For processes that the executor's `helper` makes for this unit: the environment variable, as NAME=VALUE,
 * that tells whose they are. Such a process overwrites the value in the memory that it was exec'd
 * with (getenv gives the place; the length is the same), before its parent lets go of it, and gives it
 * to what it starts. Borrowed until the unit ends.
 */
static inline const char *drover_unit_mark(struct drover_unit *unit)
{
	return drover_host->executor->mark(unit);
}

/*
 * Takes such a process into this unit, so that it ends with it. It must have the mark, and wait
 * until this has returned before it starts anything: what it has started before is not taken along.
 * Errors: DROVER_EINVALID: it does not have the mark; DROVER_ENOTFOUND: it has ended; DROVER_EFAULT.
 */
static inline int drover_unit_adopt(struct drover_unit *unit, int pid, struct drover_error *err)
{
	return drover_host->executor->adopt(unit, pid, err);
}

/* A descriptor that becomes readable when the unit is to stop (deadline, cancel); for poll, not for read. */
static inline int drover_unit_stop_fd(const struct drover_unit *unit)
{
	return drover_host->executor->stop_fd(unit);
}

/* True when the unit is to stop: end the remote processes, report, and return within 2 s. */
static inline bool drover_unit_stopping(struct drover_unit *unit)
{
	return drover_host->executor->stopping(unit);
}

/* printf into memory that is the host's; valid until the next report returns. Never NULL. */
static inline const char *__attribute__((format(printf, 1, 2))) drover_format(const char *format, ...)
{
	va_list args;
	const char *text;

	va_start(args, format);
	text = drover_host->executor->format(format, args);
	va_end(args);
	return text;
}

/*
 * 0 while nobody watches the task's output; else a number that changes with each watcher who comes:
 * an executor that holds what its hosts have printed so far shows it again then. Costs nothing.
 */
static inline unsigned drover_unit_watched(const struct drover_unit *unit)
{
	const struct drover_executor_services *host = drover_host->executor;

	return host->size > offsetof(struct drover_executor_services, watched) && host->watched ? host->watched(unit)
												: 0;
}

/*
 * Shows watchers what a host has just printed to a stream (1: standard output, 2: error), `offset` bytes after
 * the stream's begin; or, with a negative `offset`, behind what was shown with such a one before, watched or
 * not. Best effort: what is too much or too fast is left out and never blocks; a gap is seen by its offset. It
 * is no report: what is to be kept comes with that. Thread of `run` only.
 */
static inline void drover_output_at(struct drover_unit *unit, const char *host, int stream, int64_t offset,
				    const void *data, size_t size)
{
	const struct drover_executor_services *services = drover_host->executor;

	if (services->size > offsetof(struct drover_executor_services, output) && services->output)
		services->output(unit, host, stream, offset, data, size);
}

/* The same for executors that show each byte once: call it for all of them, so that offsets are right. */
static inline void drover_output(struct drover_unit *unit, const char *host, int stream, const void *data, size_t size)
{
	drover_output_at(unit, host, stream, -1, data, size);
}

/* JSON types that a member of a payload may have, as bits. */
enum drover_json_type {
	DROVER_JSON_STRING = 1 << 0,
	DROVER_JSON_INT = 1 << 1,
	DROVER_JSON_NUMBER = 1 << 2, /* with a fraction too */
	DROVER_JSON_BOOL = 1 << 3,
	DROVER_JSON_STRINGS = 1 << 4, /* an array of strings, not empty */
	DROVER_JSON_MAP = 1 << 5,     /* an object whose values are strings, numbers or booleans */
	DROVER_JSON_OBJECT = 1 << 6,  /* any object */
	DROVER_JSON_ANY = 1 << 7,
	DROVER_JSON_DURATION = 1 << 8 /* seconds, or `90s`, `5m` */
};

/* One member of a payload. Of the members with the same `group` (not 0) exactly one must be there. */
struct drover_payload_field {
	const char *name;
	unsigned types; /* enum drover_json_type */
	int group;
	unsigned flags; /* DROVER_REQUIRED */
	const char *help;
};

#define DROVER_PAYLOAD_END                                                                                             \
	{                                                                                                              \
		.name = NULL                                                                                           \
	}

enum drover_executor_flags {
	/*
	 * What a task says may act on other hosts than the task's, or on the engine itself: a playbook's
	 * delegate_to, a template that runs a program. Tokens that are bound to a node set may not use it.
	 */
	DROVER_EXECUTOR_UNCONFINED = 1 << 0
};

struct drover_executor {
	DROVER_PLUGIN_INFO;
	const char *types; /* the task types that it serves, separated by blanks */
	/*
	 * How many hosts of a unit are begun at once. 0: the whole unit, its intents come with the
	 * claim. N: at most N at a time by drover_unit_next, so that a process that dies leaves no
	 * more than N hosts `lost`; each step costs a commit.
	 */
	int window;
	/* What a payload may hold, as data: the core checks tasks by it without running the plugin. */
	const struct drover_payload_field *payload; /* ended by DROVER_PAYLOAD_END; NULL: any object */
	int (*open)(void *self, struct drover_error *err);
	int (*run)(struct drover_unit *unit, struct drover_error *err); /* required */
	void (*close)(void *self);
	/*
	 * Optional: becomes a process that the units share, such as a server that has loaded what each of
	 * them would have to load. Called in a process of its own, which has the descriptors that `open`
	 * has made; usually ends in an exec. Should not return: what it returns is logged. The process is
	 * started again when it ends, after pauses that grow, and killed with the executor. Units may run
	 * before it is ready. It has no permit and no deadline: what is done for a unit belongs into a
	 * process that it forks for it and that the unit adopts.
	 */
	int (*helper)(void *self, struct drover_error *err);
	unsigned flags; /* enum drover_executor_flags */
	/*
	 * Memory (MiB) that the processes of one running host take on the engine; 0: nothing to speak of. Where the
	 * configuration gives the executor no `capacity.hosts`, no more run at once than half of the machine's
	 * memory holds, nor more than 150 for each of its cores.
	 */
	unsigned host_memory;
};

/* A module that is one executor: DROVER_EXECUTOR(.name = "greet", .types = "greet", .run = run, …); */
#define DROVER_EXECUTOR(...)                                                                                           \
	static const struct drover_executor drover_executor_ = { .size = sizeof(struct drover_executor),               \
								 __VA_ARGS__ };                                        \
	DROVER_MODULE(.executor = &drover_executor_)

#endif
