/*
 * host.h - one host's connection: its states, what it holds, and the parts that drive it.
 *
 * Internal to the library. The states and what may follow each are in host.c's table; connect.c,
 * auth.c, command.c and remote_end.c hold the steps. A step is called when the host's descriptor
 * is ready or something else it waits for has happened; it never blocks, and returns the state
 * that follows, its own to go on waiting.
 */
#ifndef LIB_SSH_HOST_H
#define LIB_SSH_HOST_H

#include <netdb.h>
#include <sys/types.h>

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include "ssh/become.h"
#include "ssh/capture.h"
#include "ssh/fanout.h"
#include "ssh/settings.h"

enum host_state {
	HOST_WAITING, /* for its turn */
	HOST_RESOLVING,
	HOST_CONNECTING,
	HOST_BANNER,
	HOST_KEY_EXCHANGE,
	HOST_AUTHENTICATING,
	HOST_OPENING,  /* a channel */
	HOST_STARTING, /* the command: asked for, not yet accepted */
	HOST_BECOMING, /* another user */
	HOST_RUNNING,
	HOST_ENDING, /* the remote process */
	HOST_DONE,
	HOST_STATE_COUNT
};

/* Where the end of the remote process is (remote_end.c). */
enum end_step { END_OPENING, END_ASKING, END_WATCHING, END_SIGNALLED };

struct resolver_request;

struct host {
	struct fanout *fanout;
	const struct fanout_target *target;
	size_t number;
	enum host_state state;
	sd_event_source *io, *timer;
	uint32_t io_events;
	int64_t phase_deadline, total_deadline; /* ms of CLOCK_BOOTTIME; INT64_MAX: none */

	struct settings settings;
	pid_t proxy; /* 0: none */
	struct resolver_request *request;
	struct addrinfo *addresses;     /* owned */
	const struct addrinfo *address; /* the one being tried */
	int64_t connect_deadline;       /* for all addresses together */
	char where[64];                 /* "10.0.0.1 port 22" */
	int fd;                         /* owned, but once handed over only while libssh has not closed it */
	bool handed;                    /* to libssh */

	ssh_session session;
	ssh_event poll; /* drives the session, from its authentication on */
	size_t method;  /* of the settings, that is being tried */
	size_t key;     /* the next to be tried */
	bool signing;   /* the server would take it */
	bool agent_tried, password_tried, more_wanted;
	char asked[80]; /* by the server, and we have no answer */

	ssh_channel channel;
	struct ssh_channel_callbacks_struct callbacks;
	struct gate gate;
	bool terminal_asked;       /* and granted */
	size_t env_sent, env_word; /* of ssh_config's SetEnv */
	struct ssh_counter_struct traffic;
	uint64_t seen; /* of its bytes, when `heard` was set */
	int64_t heard; /* ms: about when the server last sent anything */
	struct capture out, err;
	size_t input_sent;
	bool input_ended;
	bool exited; /* the exit status or signal was received */
	bool closed; /* by the server */
	bool has_rc;
	int rc;
	char signal[32];

	ssh_channel end_channel;
	struct ssh_channel_callbacks_struct end_callbacks;
	struct gate end_gate;
	bool end_terminal;
	enum end_step end_step;
	bool exited_before_end;
	bool end_closed;
	size_t answer_size;
	char answer[16];

	/* What is told at the end. */
	enum fanout_outcome outcome;
	enum fanout_phase phase;
	enum fanout_remote remote;
	char message[640];
};

/* -- host.c --------------------------------------------------------------------------------- */
void host_init(struct host *h, struct fanout *fanout, size_t number, const struct fanout_target *target);
/* Releases everything; nothing is told. */
void host_dispose(struct host *h);
/* From HOST_WAITING on. */
void host_begin(struct host *h);
/* Goes on as far as it can without waiting. */
void host_advance(struct host *h);
/* Ends it: at once, or by way of HOST_ENDING where its command runs. */
void host_stop(struct host *h);
/* Watches for `events`; the descriptor may be another one than before. Returns 0 or a negative errno. */
int host_watch(struct host *h, int fd, uint32_t events);
/* Of the settings, once it has begun. */
static inline const char *host_user(const struct host *h)
{
	return h->settings.user;
}
/* After a change of a deadline. */
void host_set_timer(struct host *h);
/* Sets what will be told and returns HOST_DONE, so that a step can `return host_end(…)`. */
enum host_state __attribute__((format(printf, 3, 4)))
host_end(struct host *h, enum fanout_outcome outcome, const char *format, ...);
/* Its time is over while a command runs. */
enum host_state host_command_late(struct host *h);
/* The limit that has just passed, for a message. */
const char *host_limit(const struct host *h);
/* libssh's reason, as one line of printable text, or "the connection was closed". */
const char *host_reason(struct host *h);
/* True when the connection is gone. */
bool host_disconnected(const struct host *h);

/* -- connect.c ------------------------------------------------------------------------------ */
enum host_state connect_resolving(struct host *h);
enum host_state connect_connecting(struct host *h);
/* The deadline for this address passed; another may be left. */
enum host_state connect_late(struct host *h);
enum host_state connect_banner(struct host *h);
enum host_state connect_key_exchange(struct host *h);

/* -- auth.c --------------------------------------------------------------------------------- */
enum host_state auth_step(struct host *h);

/* -- command.c ------------------------------------------------------------------------------ */
enum host_state command_opening(struct host *h);
enum host_state command_starting(struct host *h);
enum host_state command_becoming(struct host *h);
/* Gives the gate's channel the password if it was asked for. False: that cannot be; `why` says why. */
bool command_answer(struct gate *g, ssh_channel channel, const char **why);
enum host_state command_becoming_late(struct host *h);
enum host_state command_running(struct host *h);
/* Nothing was heard for a while, or its total time is over. */
enum host_state command_silent(struct host *h);

/* -- remote_end.c --------------------------------------------------------------------------- */
/* What /bin/sh runs on the host: KILL comes `grace` ms after TERM. Owned; NULL: no memory. */
char *remote_end_make(int64_t grace);
/* Outcome and message are set; returns HOST_ENDING, or HOST_DONE where nothing can be done. */
enum host_state remote_end_begin(struct host *h);
enum host_state remote_end_step(struct host *h);
/* Its deadline passed. */
enum host_state remote_end_late(struct host *h);

#endif
