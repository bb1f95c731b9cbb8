/*
 * bare_ssh.c - what a command on many ssh hosts costs at the least: a loop of libssh and nothing else.
 *
 *     bare_ssh PORT USER KEY WIDTH COMMAND ADDRESS...
 *
 * No deadlines, no check of host keys, no records: the output is thrown away. Only to be compared with.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

enum state { CONNECTING, KEYS, LOGIN, OPENING, STARTING, RUNNING };

struct one {
	int fd;
	enum state state;
	ssh_session session;
	ssh_event poll;
	ssh_channel channel;
	struct ssh_channel_callbacks_struct callbacks;
	int ended;
};

static struct {
	int epoll, port;
	const char *user, *command;
	char **addresses;
	ssh_key key;
	size_t count, begun, open, ok;
} work;

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t size, int is_stderr, void *context)
{
	(void)session;
	(void)channel;
	(void)data;
	(void)is_stderr;
	(void)context;
	return (int)size;
}

static void on_close(ssh_session session, ssh_channel channel, void *context)
{
	struct one *one = context;

	(void)session;
	(void)channel;
	one->ended = 1;
}

static void begin_one(struct one *one)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons((uint16_t)work.port),
					     .sin_addr.s_addr = inet_addr(work.addresses[work.begun++]) };
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = one };
	int on = 1;

	one->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(one->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS) {
		perror("connect");
		exit(1);
	}
	one->state = CONNECTING;
	one->ended = 0;
	(void)epoll_ctl(work.epoll, EPOLL_CTL_ADD, one->fd, &event);
	work.open++;
}

static int begin_session(struct one *one)
{
	static const char ciphers[] = "aes128-gcm@openssh.com";
	int no = 0;

	one->session = ssh_new();
	(void)ssh_options_set(one->session, SSH_OPTIONS_PROCESS_CONFIG, &no);
	(void)ssh_options_set(one->session, SSH_OPTIONS_SSH_DIR, "/dev/null");
	(void)ssh_options_set(one->session, SSH_OPTIONS_USER, work.user);
	(void)ssh_options_set(one->session, SSH_OPTIONS_CIPHERS_C_S, ciphers);
	(void)ssh_options_set(one->session, SSH_OPTIONS_CIPHERS_S_C, ciphers);
	(void)ssh_options_set(one->session, SSH_OPTIONS_FD, &one->fd);
	ssh_set_blocking(one->session, 0);
	return SSH_OK;
}

static int open_channel(struct one *one)
{
	if (!one->channel) {
		one->channel = ssh_channel_new(one->session);
		one->callbacks = (struct ssh_channel_callbacks_struct){ .userdata = one,
									.channel_data_function = on_data,
									.channel_close_function = on_close };
		ssh_callbacks_init(&one->callbacks);
		(void)ssh_set_channel_callbacks(one->channel, &one->callbacks);
	}
	return ssh_channel_open_session(one->channel);
}

/* SSH_OK: the next state's turn. */
static int step(struct one *one)
{
	int code;

	switch (one->state) {
	case CONNECTING:
		return begin_session(one);
	case KEYS:
		code = ssh_connect(one->session);
		(void)fcntl(one->fd, F_SETFL, O_NONBLOCK);
		if (code == SSH_OK) {
			one->poll = ssh_event_new();
			(void)ssh_event_add_session(one->poll, one->session);
		}
		return code;
	case LOGIN:
		code = ssh_userauth_publickey(one->session, NULL, work.key);
		return code == SSH_AUTH_SUCCESS ? SSH_OK : code == SSH_AUTH_AGAIN ? SSH_AGAIN : SSH_ERROR;
	case OPENING:
		return open_channel(one);
	case STARTING:
		return ssh_channel_request_exec(one->channel, work.command);
	case RUNNING:
		code = ssh_event_dopoll(one->poll, 0);
		return one->ended ? SSH_OK : code == SSH_ERROR ? SSH_ERROR : SSH_AGAIN;
	}
	return SSH_ERROR;
}

static void end_one(struct one *one)
{
	if (one->session) {
		ssh_disconnect(one->session);
		ssh_event_free(one->poll);
		ssh_free(one->session);
	}
	close(one->fd);
	*one = (struct one){ .fd = -1 };
	work.open--;
	if (work.begun < work.count)
		begin_one(one);
}

static void advance(struct one *one)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = one };
	int code;

	while ((code = step(one)) == SSH_OK && one->state != RUNNING)
		one->state++;
	if (code == SSH_AGAIN) {
		if (ssh_get_poll_flags(one->session) & SSH_WRITE_PENDING)
			event.events |= EPOLLOUT;
		(void)epoll_ctl(work.epoll, EPOLL_CTL_MOD, one->fd, &event);
		return;
	}
	work.ok += code == SSH_OK;
	if (code == SSH_ERROR)
		fprintf(stderr, "%s\n", ssh_get_error(one->session));
	end_one(one);
}

int main(int argc, char **argv)
{
	struct epoll_event events[64];
	struct one *all;
	size_t width;

	if (argc < 7) {
		fprintf(stderr, "usage: bare_ssh PORT USER KEY WIDTH COMMAND ADDRESS...\n");
		return 2;
	}
	work.port = atoi(argv[1]);
	work.user = argv[2];
	width = strtoul(argv[4], NULL, 10);
	work.command = argv[5];
	work.addresses = argv + 6;
	work.count = (size_t)argc - 6;
	work.epoll = epoll_create1(EPOLL_CLOEXEC);
	all = calloc(width, sizeof(*all));
	if (!all || ssh_init() < 0 || ssh_pki_import_privkey_file(argv[3], NULL, NULL, NULL, &work.key) != SSH_OK)
		return 1;
	for (size_t i = 0; i < width && work.begun < work.count; i++)
		begin_one(&all[i]);
	while (work.open) {
		int count = epoll_wait(work.epoll, events, 64, -1);

		for (int i = 0; i < count; i++)
			advance(events[i].data.ptr);
	}
	printf("%zu of %zu\n", work.ok, work.count);
	free(all);
	ssh_key_free(work.key);
	return work.ok == work.count ? 0 : 1;
}
