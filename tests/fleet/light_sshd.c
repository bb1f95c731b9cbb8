/*
 * light_sshd.c - a light SSH server whose hosts are the addresses of 127/8: `light_sshd SCRIPT`.
 *
 * Writes its port as the first line of its output; at the end, when its standard input is closed,
 * a line of JSON with what it has counted. It listens on the loopback interface only.
 */
#include "light.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16384 /* or what net.core.somaxconn allows */
#define ACCEPT_TURN 64

static int fail(const char *what)
{
	fprintf(stderr, "light_sshd: %s: %s\n", what, strerror(errno));
	return -1;
}

static void accept_one(struct server *server, int fd)
{
	struct sockaddr_in local;
	socklen_t size = sizeof(local);
	int on = 1;

	if (getsockname(fd, (struct sockaddr *)&local, &size) < 0 || ntohl(local.sin_addr.s_addr) >> 24 != 127) {
		close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn_new(server, fd, ntohl(local.sin_addr.s_addr));
}

static int on_connection(sd_event_source *source, int listener, uint32_t events, void *context)
{
	(void)source;
	(void)events;
	for (int i = 0; i < ACCEPT_TURN; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			accept_one(context, fd);
		} else if (errno == EMFILE || errno == ENFILE) {
			(void)fail("accept");
			exit(1);
		} else {
			break;
		}
	}
	return 0;
}

/* Every address of 127/8, and none that another machine could reach. */
static int listen_on_loopback(int *listener)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	const struct ifreq loopback = { .ifr_name = "lo" };
	socklen_t size = sizeof(address);

	*listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*listener < 0 || setsockopt(*listener, SOL_SOCKET, SO_BINDTODEVICE, &loopback, sizeof(loopback)) < 0 ||
	    bind(*listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(*listener, BACKLOG) < 0 ||
	    getsockname(*listener, (struct sockaddr *)&address, &size) < 0)
		return fail("cannot listen");
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return 0;
}

static ssh_bind make_bind(const char *path)
{
	ssh_bind bind = ssh_bind_new();
	ssh_key key = NULL;
	bool no = false;

	if (!bind || ssh_pki_import_privkey_file(path, NULL, NULL, NULL, &key) != SSH_OK ||
	    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no) < 0 ||
	    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) < 0) {
		fprintf(stderr, "light_sshd: %s: %s\n", path, bind ? ssh_get_error(bind) : "no memory");
		return NULL;
	}
	return bind;
}

static int load_keys(struct server *server)
{
	const struct script *script = &server->script;

	server->bind = make_bind(script->key);
	server->other_bind = make_bind(script->other_key);
	if (!server->bind || !server->other_bind)
		return -1;
	if (script->authorized && ssh_pki_import_pubkey_file(script->authorized, &server->authorized) != SSH_OK) {
		fprintf(stderr, "light_sshd: %s: not a public key\n", script->authorized);
		return -1;
	}
	return 0;
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct server *server = context;
	char buffer[64];

	(void)source;
	(void)events;
	if (read(fd, buffer, sizeof(buffer)) <= 0)
		return sd_event_exit(server->event, 0);
	printf("{\"accepted\": %zu, \"logged_in\": %zu, \"commands\": %zu, \"open\": %zu, \"open_most\": %zu}\n",
	       server->accepted, server->logged_in, server->commands, server->open, server->open_most);
	fflush(stdout);
	return 0;
}

static void raise_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct server server = { .event = NULL };
	int listener = -1, code = 1;

	if (argc != 2) {
		fprintf(stderr, "usage: light_sshd SCRIPT\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	raise_limit();
	ssh_set_log_level(SSH_LOG_NOLOG);
	if (ssh_init() < 0 || script_load(&server.script, argv[1]) < 0 || load_keys(&server) < 0 ||
	    sd_event_new(&server.event) < 0 || listen_on_loopback(&listener) < 0 ||
	    sd_event_add_io(server.event, NULL, STDIN_FILENO, EPOLLIN, on_input, &server) < 0 ||
	    sd_event_add_io(server.event, NULL, listener, EPOLLIN, on_connection, &server) < 0)
		goto out;
	code = sd_event_loop(server.event);
out:
	while (server.first)
		conn_free(server.first);
	sd_event_unref(server.event);
	ssh_bind_free(server.bind);
	ssh_bind_free(server.other_bind);
	ssh_key_free(server.authorized);
	script_dispose(&server.script);
	if (listener >= 0)
		close(listener);
	return code;
}
