/*
 * fanout.h - one command on many hosts over ssh, all of them in one event loop.
 *
 * No thread and no process per host: each host is a state machine (host.c) that is driven by its
 * socket and by absolute deadlines, one for each phase and one for the host's total. Nothing here
 * knows the SDK: the caller gives targets, limits and callbacks, and owns the event loop.
 *
 * Thread: the event loop's. Durations are milliseconds, on CLOCK_BOOTTIME. Strings and arrays of
 * the configuration and of the targets are borrowed until fanout_free.
 */
#ifndef LIB_SSH_FANOUT_H
#define LIB_SSH_FANOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

/* How a host ended. */
enum fanout_outcome {
	FANOUT_EXITED,      /* the command ended: `rc` */
	FANOUT_SIGNALLED,   /* a signal ended the command: `signal` */
	FANOUT_REFUSED,     /* authenticated, but the command was not run */
	FANOUT_UNREACHABLE, /* no name, route, connection, trusted host key or authentication */
	FANOUT_TIMEOUT,     /* connected, then silent or too long */
	FANOUT_STOPPED,     /* fanout_stop came first */
	FANOUT_LOST         /* the connection died while the command ran */
};

/* What it was in when it ended. */
enum fanout_phase {
	FANOUT_WAITING, /* for its turn */
	FANOUT_CONNECT, /* with the name's resolution */
	FANOUT_BANNER,
	FANOUT_KEY_EXCHANGE, /* with the host key */
	FANOUT_AUTHENTICATION,
	FANOUT_EXECUTION
};

/* What is known of a command that did not end by itself. */
enum fanout_remote { FANOUT_REMOTE_NONE, FANOUT_REMOTE_DEAD, FANOUT_REMOTE_UNKNOWN };

/* Bytes of a stream that were kept: its head and its tail. `total` were written. */
struct fanout_stream {
	const void *data;
	size_t size;
	uint64_t total;
};

/* Borrowed for the call. */
struct fanout_result {
	enum fanout_outcome outcome;
	enum fanout_phase phase;
	enum fanout_remote remote;
	bool has_rc;
	int rc;
	const char *signal;  /* without SIG, or NULL */
	const char *message; /* for people: what, where and what to do; NULL where it exited with 0 */
	struct fanout_stream out, err;
};

struct fanout_target {
	const char *name;
	const char *address; /* to connect to, or NULL: the name */
	const char *user;    /* or NULL: the configuration's */
	int port;            /* or 0: the configuration's */
};

struct fanout_limits {
	int64_t connect; /* name and TCP */
	int64_t banner;
	int64_t key_exchange;
	int64_t authentication;
	int64_t channel; /* until the server has accepted the command */
	int64_t total;   /* one host's, from its begin; 0: none */
};

struct fanout_config {
	const char *user;
	int port;
	const char *const *keys; /* paths of private keys */
	size_t key_count;
	bool keys_optional;             /* a key file that is not there is not worth a word */
	bool agent;                     /* use the agent at $SSH_AUTH_SOCK, after the keys */
	const char *const *known_hosts; /* paths; missing files are empty */
	size_t known_hosts_count;
	bool accept_new; /* write unknown host keys to the first of known_hosts, and go on */
	struct fanout_limits limits;
	size_t width;        /* hosts at once, at least 1 */
	size_t output_limit; /* bytes kept of each stream */
	const char *command; /* sent as it is to the user's shell */
	const void *input;   /* the command's standard input */
	size_t input_size;
	/* A host has ended, once for each target, also from within fanout_start and fanout_stop. */
	void (*done)(void *context, size_t target, const struct fanout_result *result);
	void *context;
};

struct fanout;

/*
 * Loads keys and known hosts; touches no host. `event` is borrowed. Returns 0, or a negative errno
 * value: only memory and descriptors can be short.
 */
int fanout_new(struct fanout **fanout, sd_event *event, const struct fanout_config *config,
	       const struct fanout_target *targets, size_t count);
/* Begins as many hosts as `width` allows; the others follow as these end. */
void fanout_start(struct fanout *fanout);
/* Ends every host: within fanout_stop_limit() ms each has been told to `done`. */
void fanout_stop(struct fanout *fanout);
int64_t fanout_stop_limit(void);
/* Hosts that have not ended. */
size_t fanout_left(const struct fanout *fanout);
/* NULL is allowed. Hosts that have not ended are dropped without a word. */
void fanout_free(struct fanout *fanout);

#endif
