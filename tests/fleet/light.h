/*
 * light.h - a light SSH server that stands for thousands of hosts on loopback: internal header.
 *
 * One process, one event loop, one listening socket; every address of 127/8 is a host. What a host
 * does is a `behaviour` of the script (light_script.c); a connection goes through phases, and at
 * each it may wait, stop for ever, or drop (light_conn.c); what a command does is a few steps
 * (light_command.c). tests/fleet/README.md tells the script's words.
 */
#ifndef FLEET_LIGHT_H
#define FLEET_LIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libssh/callbacks.h>
#include <libssh/server.h>
#include <systemd/sd-event.h>

/* In the order in which a connection comes to them. */
enum phase {
	PHASE_ACCEPT,         /* the connection stands; nothing has been sent */
	PHASE_BANNER,         /* the greeting has been sent, and nothing else */
	PHASE_KEY_EXCHANGE,   /* the first packet of the key exchange has been sent */
	PHASE_AUTHENTICATION, /* the keys are exchanged */
	PHASE_CHANNEL,        /* logged in; no channel yet */
	PHASE_EXEC,           /* a channel is open, the command is not yet accepted */
	PHASE_EXIT,           /* the exit status has been sent; the channel is not closed */
	PHASE_COUNT
};

enum act { ACT_NONE, ACT_STALL, ACT_CLOSE, ACT_RESET };
enum login { LOGIN_ALLOWED, LOGIN_REFUSED, LOGIN_MORE /* than a key */ };
enum refusal { REFUSE_NOTHING, REFUSE_CHANNEL, REFUSE_EXEC };

/* Strings are owned by the script. */
struct behaviour {
	enum phase at; /* where `act` happens */
	enum act act;
	int64_t delay[PHASE_COUNT]; /* ms */
	const char *banner;         /* sent in place of a greeting, as it is; or NULL */
	bool other_key;
	enum login login;
	bool many_methods; /* offers every method that there is */
	enum refusal refuse;
	const char *command; /* in place of what the client asks for; or NULL */
	const char *end;     /* the answer to the script that ends a command; "" is none ever */
	int64_t rate;        /* bytes a second of greeting, output and input; 0: as fast as it goes */
};

struct host_entry {
	uint32_t address; /* in the machine's byte order */
	struct behaviour behaviour;
};

struct script {
	struct json_object *json; /* owned; the strings are its */
	struct behaviour usual;
	struct host_entry *hosts; /* sorted by address */
	size_t count;
	const char *key, *other_key; /* paths of host keys */
	const char *authorized;      /* path of the one public key that is let in; NULL: every key */
	const char *password;        /* that is let in; NULL: none */
};

/* Says what is wrong on stderr and returns -1. */
int script_load(struct script *script, const char *path);
const struct behaviour *script_find(const struct script *script, uint32_t address);
void script_dispose(struct script *script);

struct server {
	sd_event *event;
	struct script script;
	ssh_bind bind, other_bind; /* hold the host keys */
	ssh_key authorized;
	struct conn *first; /* of all that are open */
	size_t accepted, logged_in, commands, open, open_most;
};

struct conn;

enum doing { DOING_NEXT, DOING_SEND, DOING_SLEEP, DOING_READ, DOING_STALL, DOING_ENDED };
enum pattern { PATTERN_TEXT, PATTERN_LINES, PATTERN_LINE, PATTERN_BINARY };

/* A command on a channel. It advances when the connection can take more, and by a timer of its own. */
struct command {
	struct conn *conn;
	ssh_channel channel;
	struct ssh_channel_callbacks_struct callbacks;
	sd_event_source *timer;
	char *text; /* owned; NULL: not asked for yet */
	char *rest; /* of the text: the steps to come */
	enum doing doing;
	bool is_stderr, echo;
	enum pattern pattern;
	const char *data; /* of PATTERN_TEXT */
	char line[32];
	uint64_t sent, size;
	bool input_ended;
	uint64_t input;
	int rc;
	const char *signal;
};

#define COMMANDS_MOST 4

void command_init(struct command *command, struct conn *conn, ssh_channel channel);
void command_begin(struct command *command, const char *text);
/* True when it could go on at once if it were called again. */
bool command_advance(struct command *command);
void command_dispose(struct command *command);

enum life { LIFE_GREETING, LIFE_KEYS, LIFE_SESSION, LIFE_DRAINING };

struct conn {
	struct server *server;
	const struct behaviour *behaviour;
	char address[16];
	struct conn *next, **link;
	int fd;
	enum life life;
	enum phase phase;
	bool paused;     /* nothing is read; until the timer, or for ever */
	enum act ending; /* to be done when no callback is on the stack */
	sd_event_source *io, *timer;
	uint32_t events;
	size_t greeting_sent;
	ssh_session session;
	ssh_event poll;
	struct ssh_server_callbacks_struct callbacks;
	bool greeted, asked;
	struct command commands[COMMANDS_MOST];
	size_t command_count;
};

/* Takes over `fd`. */
void conn_new(struct server *server, int fd, uint32_t address);
void conn_free(struct conn *conn);
/* A phase begins; false: it does not go on now. */
bool conn_enter(struct conn *conn, enum phase phase);
/* Stops, closes or resets it, whatever its phase. */
void conn_act(struct conn *conn, enum act act);
/* Goes on as far as it can; the connection may be gone afterwards. */
void conn_drive(struct conn *conn);
/* Calls the handler after `ms`; `*timer` is made where it is NULL. */
void timer_set(sd_event *event, sd_event_source **timer, int64_t ms, sd_event_time_handler_t handler, void *context);

#endif
