/* listen.c - see listen.h. */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 512

static int parse_local(const char *path, struct listen_address *address, struct drover_error *err)
{
	struct sockaddr_un *local = &address->local;

	if (!*path)
		return drover_error_set(err, DROVER_EINVALID, "listen: unix: needs a path behind it");
	if (strlen(path) >= sizeof(local->sun_path))
		return drover_error_set(err, DROVER_EINVALID, "listen: the path of a unix socket has at most %zu bytes",
					sizeof(local->sun_path) - 1);
	local->sun_family = AF_UNIX;
	strcpy(local->sun_path, path);
	address->size = sizeof(*local);
	return 0;
}

static int parse_port(const char *text, in_port_t *port)
{
	char *end;
	long value;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	if (*end || errno || value > 65535)
		return -1;
	*port = htons((uint16_t)value);
	return 0;
}

static bool is_loopback(const struct listen_address *address)
{
	if (address->any.sa_family == AF_INET)
		return ntohl(address->ip4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&address->ip6.sin6_addr);
}

/* Splits `host:port` and `[host]:port`. */
static int split(const char *text, char *host, size_t room, in_port_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t length;

	if (!colon || parse_port(colon + 1, port))
		return -1;
	length = (size_t)(colon - text);
	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return -1;
	}
	if (!length || length >= room)
		return -1;
	memcpy(host, text, length);
	host[length] = '\0';
	return 0;
}

int listen_parse(const char *text, struct listen_address *address, struct drover_error *err)
{
	char host[64];
	in_port_t port;

	memset(address, 0, sizeof(*address));
	if (!strncmp(text, "unix:", 5))
		return parse_local(text + 5, address, err);
	if (split(text, host, sizeof(host), &port))
		goto malformed;
	if (!strcmp(host, "localhost"))
		strcpy(host, "127.0.0.1");
	if (inet_pton(AF_INET, host, &address->ip4.sin_addr) == 1) {
		address->ip4.sin_family = AF_INET;
		address->ip4.sin_port = port;
		address->size = sizeof(address->ip4);
	} else if (inet_pton(AF_INET6, host, &address->ip6.sin6_addr) == 1) {
		address->ip6.sin6_family = AF_INET6;
		address->ip6.sin6_port = port;
		address->size = sizeof(address->ip6);
	} else {
		goto malformed;
	}
	address->reachable = !is_loopback(address);
	return 0;

malformed:
	return drover_error_set(err, DROVER_EINVALID,
				"listen: \"%s\" is none of ADDRESS:PORT, [ADDRESS]:PORT, localhost:PORT, unix:PATH",
				text);
}

/* Whether somebody answers on a socket file. */
static bool is_answered(const struct listen_address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answered;

	if (fd < 0)
		return true;
	answered = !connect(fd, &address->any, address->size) || errno != ECONNREFUSED;
	close(fd);
	return answered;
}

static int remove_stale(const struct listen_address *address, struct drover_error *err)
{
	const char *path = address->local.sun_path;
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : drover_error_set(err, DROVER_EFAULT, "cannot look at %s: %m", path);
	if (!S_ISSOCK(st.st_mode))
		return drover_error_set(err, DROVER_ECONFLICT, "cannot listen on %s: it exists and is not a socket",
					path);
	if (is_answered(address))
		return drover_error_set(err, DROVER_ECONFLICT, "cannot listen on %s: another process answers there",
					path);
	if (unlink(path) && errno != ENOENT)
		return drover_error_set(err, DROVER_EFAULT, "cannot remove the stale socket %s: %m", path);
	return 0;
}

/* After bind and before listen, while nobody can connect yet. */
static int guard_file(struct listener *listener, const char *path)
{
	struct stat st;

	if (chmod(path, 0600) || lstat(path, &st))
		return -1;
	strcpy(listener->path, path);
	listener->device = st.st_dev;
	listener->inode = st.st_ino;
	return 0;
}

static int describe(struct listener *listener)
{
	struct listen_address bound;
	char host[INET6_ADDRSTRLEN];

	if (listener->local) {
		snprintf(listener->text, sizeof(listener->text), "unix:%s", listener->path);
		return 0;
	}
	bound.size = sizeof(bound.ip6);
	if (getsockname(listener->fd, &bound.any, &bound.size))
		return -1;
	if (bound.any.sa_family == AF_INET)
		snprintf(listener->text, sizeof(listener->text), "%s:%u",
			 inet_ntop(AF_INET, &bound.ip4.sin_addr, host, sizeof(host)), ntohs(bound.ip4.sin_port));
	else
		snprintf(listener->text, sizeof(listener->text), "[%s]:%u",
			 inet_ntop(AF_INET6, &bound.ip6.sin6_addr, host, sizeof(host)), ntohs(bound.ip6.sin6_port));
	return 0;
}

int listen_open(struct listener *listener, const struct listen_address *address, const char *text,
		struct drover_error *err)
{
	int family = address->any.sa_family, one = 1, code;

	*listener = (struct listener){ .fd = -1, .local = family == AF_UNIX };
	if (listener->local && (code = remove_stale(address, err)))
		return code;
	listener->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0)
		goto failed;
	if (!listener->local)
		setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener->fd, &address->any, address->size))
		goto failed;
	if (listener->local && guard_file(listener, address->local.sun_path))
		goto failed;
	if (listen(listener->fd, BACKLOG) || describe(listener))
		goto failed;
	return 0;

failed:
	code = drover_error_set(err, errno == EADDRINUSE ? DROVER_ECONFLICT : DROVER_EFAULT, "cannot listen on %s: %m",
				text);
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
	listen_remove(listener);
	return code;
}

void listen_remove(struct listener *listener)
{
	struct stat st;

	if (*listener->path && !lstat(listener->path, &st) && st.st_dev == listener->device &&
	    st.st_ino == listener->inode)
		unlink(listener->path);
	*listener->path = '\0';
}

int listen_write_address(const struct listener *listener, const char *path, struct drover_error *err)
{
	char temporary[PATH_MAX];
	int fd, bad;

	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
		return drover_error_set(err, DROVER_EINVALID, "port_file: the path is too long");
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot write %s: %m", temporary);
	bad = dprintf(fd, "%s\n", listener->text) < 0;
	bad |= close(fd);
	if (bad || rename(temporary, path)) {
		drover_error_set(err, DROVER_EFAULT, "cannot write %s: %m", path);
		unlink(temporary);
		return DROVER_EFAULT;
	}
	return 0;
}
