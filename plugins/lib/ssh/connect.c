/*
 * connect.c - from a name to a session whose server is the one that it should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssh/internal.h"
#include "ssh/proxy.h"

static int port_of(const struct host *h)
{
	return h->settings.port;
}

static const char *address_of(const struct host *h)
{
	return h->settings.address;
}

static struct hostkey_host hostkey_of(const struct host *h)
{
	const struct settings *s = &h->settings;
	bool same = s->alias || s->proxy || !strcmp(s->known_name, s->address);

	return (struct hostkey_host){ s->known_name, same ? NULL : s->address, s->port, s->alias, s->accept_new };
}

static void describe(struct host *h)
{
	char text[INET6_ADDRSTRLEN] = "?";

	(void)getnameinfo(h->address->ai_addr, h->address->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
	snprintf(h->where, sizeof(h->where), "%s port %d", text, port_of(h));
}

/* Each of several addresses gets its share of the time that is left. */
static void share_time(struct host *h)
{
	int64_t now = fanout_now();
	int addresses = 0;

	if (h->connect_deadline == INT64_MAX)
		return;
	for (const struct addrinfo *a = h->address; a; a = a->ai_next)
		addresses++;
	h->phase_deadline = now + (h->connect_deadline - now) / addresses;
	host_set_timer(h);
}

/* ssh_config's BindAddress. Returns 0 or an errno value. */
static int bind_to(const struct host *h)
{
	struct addrinfo *own = NULL;
	int error = 0;

	if (!h->settings.bind_address)
		return 0;
	if (resolver_numeric(h->settings.bind_address, 0, h->address->ai_family, &own))
		return EADDRNOTAVAIL;
	if (bind(h->fd, own->ai_addr, own->ai_addrlen) < 0)
		error = errno;
	freeaddrinfo(own);
	return error;
}

static enum host_state try_address(struct host *h, int last_error)
{
	for (; h->address; h->address = h->address->ai_next) {
		int on = 1, idle = 30, interval = 10;

		describe(h);
		h->fd = socket(h->address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (h->fd < 0) {
			last_error = errno;
			continue;
		}
		last_error = bind_to(h);
		if (last_error) {
			close(h->fd);
			h->fd = -1;
			continue;
		}
		(void)setsockopt(h->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void)setsockopt(h->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		(void)setsockopt(h->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
		(void)setsockopt(h->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
		if ((connect(h->fd, h->address->ai_addr, h->address->ai_addrlen) == 0 || errno == EINPROGRESS) &&
		    host_watch(h, h->fd, EPOLLOUT) == 0) {
			share_time(h);
			return HOST_CONNECTING;
		}
		last_error = errno;
		close(h->fd);
		h->fd = -1;
	}
	if (last_error == EMFILE || last_error == ENFILE)
		return host_end(h, FANOUT_UNREACHABLE, "cannot open a socket: %s; raise LimitNOFILE of the daemon",
				strerror(last_error));
	return host_end(h, FANOUT_UNREACHABLE, "cannot connect to %s: %s", h->where, strerror(last_error));
}

static enum host_state first_address(struct host *h)
{
	h->address = h->addresses;
	h->connect_deadline = h->phase_deadline < h->total_deadline ? h->phase_deadline : h->total_deadline;
	return try_address(h, 0);
}

/* Connected at once, as far as we can see: the time until the server's first line is the banner's. */
static enum host_state start_proxy(struct host *h)
{
	int code = proxy_start(h->settings.proxy, &h->proxy, &h->fd);

	snprintf(h->where, sizeof(h->where), "%.40s port %d", address_of(h), port_of(h));
	if (code < 0 || (code = host_watch(h, h->fd, EPOLLOUT)) < 0)
		return host_end(h, FANOUT_UNREACHABLE, "cannot start the %s of %s:%d: %s",
				h->settings.proxy_line->keyword, h->settings.proxy_line->file,
				h->settings.proxy_line->number, strerror(-code));
	return HOST_CONNECTING;
}

static enum host_state look_up(struct host *h)
{
	int code;

	if (h->settings.proxy)
		return start_proxy(h);
	if (!resolver_numeric(address_of(h), port_of(h), h->settings.family, &h->addresses))
		return first_address(h);
	code = resolver_start(h->fanout->resolver, address_of(h), port_of(h), h->settings.family, &h->request);
	if (code < 0)
		return host_end(h, FANOUT_UNREACHABLE, "cannot resolve %s: %s", address_of(h), strerror(-code));
	return HOST_RESOLVING;
}

enum host_state connect_resolving(struct host *h)
{
	int code;

	if (!h->request)
		return look_up(h);
	if (!resolver_result(h->request, &code, &h->addresses))
		return HOST_RESOLVING;
	resolver_request_free(h->request);
	h->request = NULL;
	if (code)
		return host_end(h, FANOUT_UNREACHABLE, "cannot resolve %s: %s", address_of(h), gai_strerror(code));
	return first_address(h);
}

static enum host_state next_address(struct host *h, int error)
{
	h->io = sd_event_source_disable_unref(h->io);
	close(h->fd);
	h->fd = -1;
	h->address = h->address->ai_next;
	return try_address(h, error);
}

static int set(struct host *h, enum ssh_options_e option, const struct config_line *line)
{
	return line ? ssh_options_set(h->session, option, line->words[0]) : 0;
}

/* What ssh_config says of the algorithms. The first line that libssh cannot follow, or NULL. */
static const struct config_line *set_algorithms(struct host *h)
{
	static const struct {
		enum config_first line;
		enum ssh_options_e options[2];
	} all[] = {
		{ CONFIG_CIPHERS, { SSH_OPTIONS_CIPHERS_C_S, SSH_OPTIONS_CIPHERS_S_C } },
		{ CONFIG_MACS, { SSH_OPTIONS_HMAC_C_S, SSH_OPTIONS_HMAC_S_C } },
		{ CONFIG_KEX, { SSH_OPTIONS_KEY_EXCHANGE, SSH_OPTIONS_KEY_EXCHANGE } },
		{ CONFIG_HOST_KEY_ALGORITHMS, { SSH_OPTIONS_HOSTKEYS, SSH_OPTIONS_HOSTKEYS } },
		{ CONFIG_PUBKEY_ALGORITHMS,
		  { SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES } },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const struct config_line *line = h->settings.answer.first[all[i].line];

		if (set(h, all[i].options[0], line) < 0 || set(h, all[i].options[1], line) < 0)
			return line;
	}
	return NULL;
}

/* No file is read for a session by libssh: not the client's configuration, not the known hosts. */
static int set_options(struct host *h)
{
	static const char ciphers[] = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"
				      "aes256-ctr,aes192-ctr,aes128-ctr";
	const struct settings *s = &h->settings;
	const struct hostkey_host name = hostkey_of(h);
	char *algorithms = s->answer.first[CONFIG_HOST_KEY_ALGORITHMS] ? NULL : hostkeys_algorithms(s->hostkeys, &name);
	const bool no = false;
	int failed;

	failed = ssh_options_set(h->session, SSH_OPTIONS_PROCESS_CONFIG, &no) |
		 ssh_options_set(h->session, SSH_OPTIONS_SSH_DIR, "/dev/null") |
		 ssh_options_set(h->session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") |
		 ssh_options_set(h->session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") |
		 ssh_options_set(h->session, SSH_OPTIONS_USER, s->user) |
		 ssh_options_set(h->session, SSH_OPTIONS_CIPHERS_C_S, ciphers) |
		 ssh_options_set(h->session, SSH_OPTIONS_CIPHERS_S_C, ciphers) |
		 (s->compression && ssh_options_set(h->session, SSH_OPTIONS_COMPRESSION, "yes")) |
		 (s->agent && ssh_options_set(h->session, SSH_OPTIONS_IDENTITY_AGENT, s->agent->path)) |
		 (algorithms && ssh_options_set(h->session, SSH_OPTIONS_HOSTKEYS, algorithms)) |
		 ssh_options_set(h->session, SSH_OPTIONS_FD, &h->fd);
	free(algorithms);
	return failed;
}

/* TCP stands: the socket goes to libssh. */
static enum host_state begin_session(struct host *h)
{
	const struct config_line *line;

	h->session = ssh_new();
	if (!h->session)
		return host_end(h, FANOUT_REFUSED, "no memory for a session");
	if (set_options(h))
		return host_end(h, FANOUT_REFUSED, "cannot set up a session: %s", host_reason(h));
	line = set_algorithms(h);
	if (line)
		return host_end(h, FANOUT_UNREACHABLE, "%s at %s:%d names nothing that libssh %s can do", line->keyword,
				line->file, line->number, ssh_version(0));
	ssh_set_counters(h->session, &h->traffic, NULL);
	ssh_set_blocking(h->session, 0);
	return HOST_BANNER;
}

enum host_state connect_connecting(struct host *h)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(int), peer_size = sizeof(peer);
	int error = 0;

	if (h->proxy)
		return begin_session(h);
	if (getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error)
		return next_address(h, error);
	if (getpeername(h->fd, (struct sockaddr *)&peer, &peer_size) < 0)
		return HOST_CONNECTING; /* no error yet, and no connection either */
	return begin_session(h);
}

enum host_state connect_late(struct host *h)
{
	if (h->state == HOST_RESOLVING)
		return host_end(h, FANOUT_UNREACHABLE, "the address of %s was not known after %s", address_of(h),
				host_limit(h));
	if (h->address->ai_next && fanout_now() < h->total_deadline)
		return next_address(h, ETIMEDOUT);
	return host_end(h, FANOUT_UNREACHABLE, "no answer from %s within %s", h->where, host_limit(h));
}

/* Also when the greeting and the connection's end came at once. */
static enum host_state keys_failed(struct host *h)
{
	(void)host_end(h, FANOUT_UNREACHABLE, "the key exchange with %s failed: %s", h->where, host_reason(h));
	h->phase = FANOUT_KEY_EXCHANGE;
	return HOST_DONE;
}

enum host_state connect_banner(struct host *h)
{
	int code;

	h->handed = true;
	code = ssh_connect(h->session);
	/* libssh makes the socket block when it takes it over. */
	if (code != SSH_ERROR)
		(void)fcntl(h->fd, F_SETFL, O_NONBLOCK);
	if (ssh_get_serverbanner(h->session))
		return code == SSH_ERROR ? keys_failed(h) : HOST_KEY_EXCHANGE;
	if ((code == SSH_ERROR || host_disconnected(h)) && h->proxy)
		return host_end(h, FANOUT_UNREACHABLE,
				"the %s of %s:%d ended before %s greeted: %s; the daemon's log has what it said",
				h->settings.proxy_line->keyword, h->settings.proxy_line->file,
				h->settings.proxy_line->number, h->where, host_reason(h));
	if (code == SSH_ERROR || host_disconnected(h))
		return host_end(h, FANOUT_UNREACHABLE, "%s did not greet as an ssh server does: %s", h->where,
				host_reason(h));
	return HOST_BANNER;
}

static enum host_state check_host_key(struct host *h)
{
	const struct hostkey_host name = hostkey_of(h);
	char message[sizeof(h->message)];
	enum hostkey_verdict verdict;
	ssh_key key = NULL;

	if (ssh_get_server_publickey(h->session, &key) != SSH_OK)
		return host_end(h, FANOUT_UNREACHABLE, "%s gave no host key: %s", h->where, host_reason(h));
	verdict = hostkeys_check(h->settings.hostkeys, &name, key, message, sizeof(message));
	ssh_key_free(key);
	if (verdict == HOSTKEY_REFUSED)
		return host_end(h, FANOUT_UNREACHABLE, "%s", message);
	return HOST_AUTHENTICATING;
}

enum host_state connect_key_exchange(struct host *h)
{
	int code = ssh_connect(h->session);

	if (code == SSH_AGAIN && !host_disconnected(h))
		return HOST_KEY_EXCHANGE;
	if (code != SSH_OK)
		return keys_failed(h);
	/* Now that libssh has made its own poll set, the whole session can be driven by one. */
	h->poll = ssh_event_new();
	if (!h->poll || ssh_event_add_session(h->poll, h->session) != SSH_OK)
		return host_end(h, FANOUT_REFUSED, "no memory for a session");
	return check_host_key(h);
}
