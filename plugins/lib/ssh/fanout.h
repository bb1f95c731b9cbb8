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

/* What the caller says of a target whose turn has come. */
enum fanout_leave { FANOUT_GO, FANOUT_WAIT, FANOUT_NEVER };

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
	int64_t become;  /* until the command runs as another user */
	int64_t total;   /* one host's, from its begin; 0: none */
	/* For the end of a remote process: at its own time's end; the same where it became another user; at a stop. */
	int64_t end, end_become, stop;
	int64_t term;  /* between TERM and KILL of these; counted in tenths of a second */
	int64_t agent; /* until an agent has listed its keys */
};

/* What unknown host keys are. */
enum fanout_host_keys {
	FANOUT_KEYS_AUTO, /* as StrictHostKeyChecking of ssh_config says, else errors */
	FANOUT_KEYS_STRICT,
	FANOUT_KEYS_ACCEPT_NEW /* written to the first of known_hosts */
};

/* Who the user becomes on the host. */
enum fanout_become_method { FANOUT_BECOME_NONE, FANOUT_SUDO, FANOUT_SU, FANOUT_DOAS };

struct fanout_become {
	enum fanout_become_method method;
	const char *user;     /* of the grammar that fanout_user_valid has */
	const char *password; /* or NULL: none is given */
};

/* What to log in with instead of the daemon's own keys. Texts, any may be NULL but the name. */
struct fanout_credential {
	const char *name, *key, *passphrase, *certificate, *password;
};

struct fanout_config {
	const char *user; /* to log in as, whatever ssh_config says; or NULL */
	int port;         /* the same; or 0 */
	const char *local_user, *home;
	const char *const *ssh_config; /* paths; missing files are empty */
	size_t ssh_config_count;
	bool ssh_config_own; /* they are not those that ssh itself reads: a ssh for ProxyJump is told the first */
	const struct fanout_credential *credential; /* or NULL */
	const char *const *keys; /* paths of private keys; none: by ssh_config, else the usual ones */
	size_t key_count;
	bool agent;                     /* use the agent, after the keys */
	const char *const *known_hosts; /* paths; missing files are empty; none: by ssh_config, else the usual ones */
	size_t known_hosts_count;
	enum fanout_host_keys host_keys;
	struct fanout_limits limits;
	bool connect_asked;  /* limits.connect is the task's: ssh_config's is not looked at */
	int64_t keepalive;   /* ms without a word until the server is asked whether it is there; 0: never */
	size_t width;        /* hosts at once, at least 1 */
	size_t output_limit; /* bytes kept of each stream */
	const char *command; /* sent as it is to the user's shell */
	const void *input;   /* the command's standard input */
	size_t input_size;
	struct fanout_become become;
	/* May the target be begun? Asked when its turn comes; a target that waits holds up those behind it. NULL: yes. */
	enum fanout_leave (*leave)(void *context, size_t target);
	/* Some of what a stream has got just now, at `offset` of it. NULL: nobody wants to see it. */
	void (*output)(void *context, size_t target, int stream, uint64_t offset, const void *data, size_t size);
	/* A host has ended, once for each target, also from within fanout_start and fanout_stop. */
	void (*done)(void *context, size_t target, const struct fanout_result *result);
	void *context;
};

struct fanout;

/*
 * Once in a process, before those are forked that use what is below: what libssh and OpenSSL do first takes
 * as long as several hosts.
 */
void fanout_prepare(void);
/*
 * Loads keys and known hosts; touches no host. `event` is borrowed. Returns 0, or a negative errno
 * value: only memory and descriptors can be short.
 */
int fanout_new(struct fanout **fanout, sd_event *event, const struct fanout_config *config,
	       const struct fanout_target *targets, size_t count);
/* Begins as many hosts as `width` and `leave` allow; the others follow as these end. */
void fanout_start(struct fanout *fanout);
/* `leave` may say something else now. */
void fanout_continue(struct fanout *fanout);
/* The first target that has not begun; their count where all have. */
size_t fanout_next(const struct fanout *fanout);
/* So many may be begun now, by `width`. */
size_t fanout_room(const struct fanout *fanout);
/* The begin of what a stream (1, 2) of a running host has got so far, at `*data`, borrowed until the loop runs on. */
size_t fanout_head(const struct fanout *fanout, size_t target, int stream, const void **data);
/* Ends every host: within limits.stop each has been told to `done`. */
void fanout_stop(struct fanout *fanout);
/* Hosts that have not ended. */
size_t fanout_left(const struct fanout *fanout);
/* Is it a user's name, fit for a command line? */
bool fanout_user_valid(const char *name);
/* NULL is allowed. Hosts that have not ended are dropped without a word. */
void fanout_free(struct fanout *fanout);

#endif
