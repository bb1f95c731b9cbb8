/*
 * light_command.c - what a command does on a host of the light SSH server: steps, divided by `;`.
 *
 *   echo WORDS        writes the words and a line's end;  err WORDS: to stderr
 *   host              writes the address that was connected to, and a line's end
 *   flood N [KIND]    writes N bytes (0: without end) as `lines`, one `line`, or `binary`
 *   sleep MS          sleep, cat (input becomes output), read (input is counted and written)
 *   stall, close, reset   stops answering, or drops the connection
 *   exit N, signal NAME   its end; without it, exit 0
 */
#include "light.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART 32768   /* given to libssh at once */
#define TURN_PARTS 8 /* then the other hosts have their turn */
#define RECORD 1024  /* a flood is made of numbered records of this size */

static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, " ");

	*rest = word + strcspn(word, " ");
	if (**rest)
		*(*rest)++ = '\0';
	return word;
}

static void send_bytes(struct command *c, enum pattern pattern, const char *data, uint64_t size, bool is_stderr)
{
	c->doing = DOING_SEND;
	c->pattern = pattern;
	c->data = data;
	c->sent = 0;
	c->size = size;
	c->is_stderr = is_stderr;
}

/* What divided the steps has been read: its place is that of the line's end. */
static void send_words(struct command *c, char *words, bool is_stderr)
{
	size_t size = strlen(words);

	words[size] = '\n';
	send_bytes(c, PATTERN_TEXT, words, size + 1, is_stderr);
}

static void begin_flood(struct command *c, char *words)
{
	char *size = next_word(&words), *kind = next_word(&words);
	uint64_t bytes = strtoull(size, NULL, 10);

	send_bytes(c,
		   !strcmp(kind, "line")     ? PATTERN_LINE
		   : !strcmp(kind, "binary") ? PATTERN_BINARY
					     : PATTERN_LINES,
		   NULL, bytes ? bytes : UINT64_MAX, false);
}

static int on_timer(sd_event_source *source, uint64_t now, void *context)
{
	struct command *c = context;

	(void)source;
	(void)now;
	if (c->doing == DOING_SLEEP)
		c->doing = DOING_NEXT;
	conn_drive(c->conn);
	return 0;
}

static void set_timer(struct command *c, int64_t ms)
{
	timer_set(c->conn->server->event, &c->timer, ms, on_timer, c);
}

static void end(struct command *c)
{
	c->doing = DOING_ENDED;
	(void)ssh_channel_send_eof(c->channel);
	if (c->signal)
		(void)ssh_channel_request_send_exit_signal(c->channel, c->signal, 0, "", "");
	else
		(void)ssh_channel_request_send_exit_status(c->channel, c->rc);
	if (conn_enter(c->conn, PHASE_EXIT))
		(void)ssh_channel_close(c->channel);
}

static void begin_step(struct command *c)
{
	char *words, *word;

	if (!c->rest || !*c->rest) {
		end(c);
		return;
	}
	words = strsep(&c->rest, ";");
	words += strspn(words, " ");
	word = next_word(&words);
	if (!strcmp(word, "echo") || !strcmp(word, "err")) {
		send_words(c, words, !strcmp(word, "err"));
	} else if (!strcmp(word, "host")) {
		snprintf(c->line, sizeof(c->line), "%s\n", c->conn->address);
		send_bytes(c, PATTERN_TEXT, c->line, strlen(c->line), false);
	} else if (!strcmp(word, "flood")) {
		begin_flood(c, words);
	} else if (!strcmp(word, "sleep")) {
		c->doing = DOING_SLEEP;
		set_timer(c, strtoll(words, NULL, 10));
	} else if (!strcmp(word, "cat") || !strcmp(word, "read")) {
		c->doing = DOING_READ;
		c->echo = !strcmp(word, "cat");
	} else if (!strcmp(word, "stall")) {
		c->doing = DOING_STALL;
		conn_act(c->conn, ACT_STALL);
	} else if (!strcmp(word, "close") || !strcmp(word, "reset")) {
		c->doing = DOING_STALL;
		conn_act(c->conn, *word == 'c' ? ACT_CLOSE : ACT_RESET);
	} else if (!strcmp(word, "exit")) {
		c->rc = atoi(words);
		end(c);
	} else if (!strcmp(word, "signal")) {
		c->signal = words;
		end(c);
	} else if (strcmp(word, "true") != 0) {
		static const char unknown[] = "light_sshd: no such command\n";

		c->rc = 127;
		c->rest = NULL;
		send_bytes(c, PATTERN_TEXT, unknown, sizeof(unknown) - 1, true);
	}
}

/* A record: its number in 15 digits and a blank, then what the kind says; byte for byte in light.py, too. */
static void fill(enum pattern pattern, uint64_t from, char *to, size_t size)
{
	while (size) {
		char record[RECORD + 1];
		size_t at = from % RECORD, part = RECORD - at;

		snprintf(record, sizeof(record), "%015llu ", (unsigned long long)(from / RECORD));
		if (pattern == PATTERN_BINARY) {
			for (int i = 16; i < RECORD; i++)
				record[i] = (char)(unsigned char)(i & 0xff);
		} else {
			memset(record + 16, 'x', RECORD - 16);
			if (pattern == PATTERN_LINES)
				record[RECORD - 1] = '\n';
		}
		if (part > size)
			part = size;
		memcpy(to, record + at, part);
		to += part;
		from += part;
		size -= part;
	}
}

/* One part; false when the other side takes nothing now. */
static bool send_part(struct command *c, size_t most)
{
	static char buffer[PART];
	uint32_t window = ssh_channel_window_size(c->channel);
	size_t part = c->size - c->sent < most ? (size_t)(c->size - c->sent) : most;
	const char *data = buffer;
	int sent;

	if (!window || ssh_get_status(c->conn->session) & SSH_WRITE_PENDING)
		return false;
	if (part > window)
		part = window;
	if (c->pattern == PATTERN_TEXT)
		data = c->data + c->sent;
	else
		fill(c->pattern, c->sent, buffer, part);
	sent = c->is_stderr ? ssh_channel_write_stderr(c->channel, data, (uint32_t)part)
			    : ssh_channel_write(c->channel, data, (uint32_t)part);
	if (sent <= 0)
		return false;
	c->sent += (uint64_t)sent;
	if (c->sent == c->size)
		c->doing = DOING_NEXT;
	return true;
}

/* Ten times a second where the rate allows it. */
static void send_slowly(struct command *c)
{
	int64_t rate = c->conn->behaviour->rate, part = rate > 10 ? rate / 10 : 1;
	int armed = SD_EVENT_OFF;

	if (c->timer)
		(void)sd_event_source_get_enabled(c->timer, &armed);
	if (armed != SD_EVENT_OFF)
		return;
	(void)send_part(c, (size_t)part);
	if (c->doing == DOING_SEND)
		set_timer(c, part * 1000 / rate);
}

static void take_input(struct command *c)
{
	char buffer[4096];
	int64_t rate = c->conn->behaviour->rate;
	int got = 1;

	while (got > 0 && !(c->echo && ssh_get_status(c->conn->session) & SSH_WRITE_PENDING)) {
		got = ssh_channel_read_nonblocking(c->channel, buffer, rate ? 1 : sizeof(buffer), 0);
		if (got > 0)
			c->input += (uint64_t)got;
		if (got > 0 && c->echo)
			(void)ssh_channel_write(c->channel, buffer, (uint32_t)got);
		if (rate) {
			set_timer(c, 1000 / rate);
			break;
		}
	}
	if (!ssh_channel_is_eof(c->channel) || got > 0)
		return;
	c->doing = DOING_NEXT;
	if (!c->echo) {
		snprintf(c->line, sizeof(c->line), "%llu\n", (unsigned long long)c->input);
		send_bytes(c, PATTERN_TEXT, c->line, strlen(c->line), false);
	}
}

bool command_advance(struct command *c)
{
	int parts = 0;

	if (!c->text)
		return false;
	while (!c->conn->paused && !c->conn->ending) {
		switch (c->doing) {
		case DOING_NEXT:
			begin_step(c);
			break;
		case DOING_SEND:
			if (c->conn->behaviour->rate) {
				send_slowly(c);
				if (c->doing == DOING_SEND)
					return false;
			} else if (!send_part(c, PART)) {
				return false;
			} else if (++parts == TURN_PARTS) {
				return true;
			}
			break;
		case DOING_READ:
			take_input(c);
			if (c->doing == DOING_READ)
				return false;
			break;
		case DOING_SLEEP:
		case DOING_STALL:
		case DOING_ENDED:
			return false;
		}
	}
	return false;
}

/* -------------------------------------------------------------------------------------- its channel */

static int on_exec(ssh_session session, ssh_channel channel, const char *text, void *context)
{
	struct command *c = context;

	(void)session;
	(void)channel;
	if (c->text || c->conn->behaviour->refuse == REFUSE_EXEC)
		return 1;
	command_begin(c, text);
	return 0;
}

void command_init(struct command *c, struct conn *conn, ssh_channel channel)
{
	*c = (struct command){ .conn = conn, .channel = channel };
	c->callbacks = (struct ssh_channel_callbacks_struct){
		.userdata = c,
		.channel_exec_request_function = on_exec,
	};
	ssh_callbacks_init(&c->callbacks);
	(void)ssh_set_channel_callbacks(channel, &c->callbacks);
}

/* The client's script that ends its own command (plugins/lib/ssh/remote_end.c): it kills what runs here. */
static void answer_end(struct command *c)
{
	const char *answer = c->conn->behaviour->end;

	if (!strcmp(answer, "gone"))
		for (struct command *other = c->conn->commands; other < c; other++)
			if (other->doing != DOING_ENDED && other->text) {
				other->signal = "TERM";
				end(other);
			}
	if (!*answer)
		c->doing = DOING_STALL;
	else if (asprintf(&c->text, "echo %s", answer) < 0)
		c->text = NULL;
	c->rest = c->text;
}

void command_begin(struct command *c, const char *text)
{
	c->conn->server->commands++;
	if (strstr(text, "kill -TERM")) {
		answer_end(c);
		return;
	}
	if (c->conn->behaviour->command)
		text = c->conn->behaviour->command;
	c->text = c->rest = strdup(text);
}

void command_dispose(struct command *c)
{
	sd_event_source_disable_unref(c->timer);
	free(c->text);
}
