/* producer.c - see producer.h. */
#include "producer.h"

#include <string.h>
#include <time.h>

#include <drover/plugin.h>

#define POLL 200          /* ms */
#define RENEW_WAIT 5000   /* ms that purged messages may take to be reported */
#define RENEW_PAUSE 1     /* s, before it is tried again */
#define DESTROY_WAIT 5000 /* ms */

static int code_of(rd_kafka_resp_err_t error)
{
	switch (error) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		return 0;
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		return DROVER_ENOTFOUND;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
		return DROVER_ELIMIT;
	default:
		return DROVER_ERETRY;
	}
}

/* Also from producer_send, so under a lock of its own. */
static void tell_missing(struct producer *p, const char *topic)
{
	bool tell;

	pthread_mutex_lock(&p->lock);
	tell = link_minute(&p->next_missing);
	pthread_mutex_unlock(&p->lock);
	if (tell)
		drover_log(DROVER_LOG_ERROR,
			   "%s: there is no topic %s, what is written to it waits: `drover doctor --create-topic` "
			   "makes it",
			   p->link.what, topic);
}

static void on_report(rd_kafka_t *handle, const rd_kafka_message_t *message, void *context)
{
	struct producer *p = context;
	int code = code_of(message->err);

	(void)handle;
	if (code == DROVER_ENOTFOUND)
		tell_missing(p, rd_kafka_topic_name(message->rkt));
	p->report(p->context, message->_private, code, rd_kafka_err2str(message->err));
}

static void on_error(rd_kafka_t *handle, int error, const char *reason, void *context)
{
	link_error(&((struct producer *)context)->link, handle, error, reason);
}

static int make(struct producer *p, rd_kafka_t **handle, struct drover_error *err)
{
	rd_kafka_conf_t *conf;
	int code = settings_make(&p->connection, RD_KAFKA_PRODUCER, NULL, &conf, err);

	if (code)
		return code;
	rd_kafka_conf_set_opaque(conf, p);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	rd_kafka_conf_set_error_cb(conf, on_error);
	return settings_handle(conf, RD_KAFKA_PRODUCER, handle, err);
}

/* Nothing is sent any more by that handle; whatever is in it is reported as failed. */
static void end(struct producer *p, rd_kafka_t *handle)
{
	int64_t limit = link_now() + RENEW_WAIT;

	rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	while (rd_kafka_outq_len(handle) > 0 && link_now() < limit)
		rd_kafka_poll(handle, 20);
	link_destroy(handle, DESTROY_WAIT, p->link.what);
}

static void swap(struct producer *p, rd_kafka_t *handle)
{
	pthread_mutex_lock(&p->lock);
	p->handle = handle;
	pthread_mutex_unlock(&p->lock);
}

/* An idempotent producer that has met a fatal error is of no use any more (librdkafka#4438). */
static void renew(struct producer *p)
{
	const struct timespec pause = { .tv_sec = RENEW_PAUSE };
	rd_kafka_t *old = p->handle, *handle = NULL;
	struct drover_error err = { 0 };

	swap(p, NULL);
	end(p, old);
	p->link.fatal = false;
	while (!atomic_load(&p->stop) && make(p, &handle, &err)) {
		drover_log(DROVER_LOG_ERROR, "%s: cannot make Kafka's client anew: %s", p->link.what, err.message);
		nanosleep(&pause, NULL);
	}
	swap(p, handle);
}

static void *serve(void *context)
{
	struct producer *p = context;

	while (!atomic_load(&p->stop)) {
		rd_kafka_poll(p->handle, POLL);
		if (p->link.fatal)
			renew(p);
		else
			link_look(&p->link, p->handle);
	}
	return NULL;
}

int producer_open(struct producer *p, const struct kafka_connection *connection, const char *what,
		  int64_t close_timeout, producer_report_fn *report, void *context, struct drover_error *err)
{
	int code;

	*p = (struct producer){ .connection = *connection,
				.report = report,
				.context = context,
				.close_timeout = close_timeout,
				.link = { .what = what } };
	pthread_mutex_init(&p->lock, NULL);
	code = make(p, &p->handle, err);
	if (!code && pthread_create(&p->thread, NULL, serve, p))
		code = drover_error_set(err, DROVER_EFAULT, "cannot start a thread");
	p->runs = !code;
	if (code)
		producer_close(p);
	return code;
}

int producer_send(struct producer *p, const struct producer_message *message, struct drover_error *err)
{
	rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__FATAL;
	rd_kafka_vu_t parts[6] = {
		{ .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = message->topic },
		{ .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { (void *)message->value, message->size } },
		{ .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
		{ .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = message->message },
	};
	size_t count = 4;
	int code;

	if (message->key)
		parts[count++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_KEY,
						  .u.mem = { (void *)message->key, message->key_size } };
	if (message->headers)
		parts[count++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = message->headers };
	pthread_mutex_lock(&p->lock);
	if (p->handle) {
		rd_kafka_error_t *told = rd_kafka_produceva(p->handle, parts, count);

		error = told ? rd_kafka_error_code(told) : RD_KAFKA_RESP_ERR_NO_ERROR;
		if (told)
			rd_kafka_error_destroy(told);
	}
	pthread_mutex_unlock(&p->lock);
	code = code_of(error);
	if (code == DROVER_ENOTFOUND)
		tell_missing(p, message->topic);
	return code ? drover_error_set(err, code, "cannot write to the topic %s: %s", message->topic,
				       rd_kafka_err2str(error))
		    : 0;
}

void producer_close(struct producer *p)
{
	if (p->runs) {
		atomic_store(&p->stop, true);
		pthread_join(p->thread, NULL);
	}
	if (p->handle) {
		rd_kafka_flush(p->handle, (int)p->close_timeout);
		end(p, p->handle);
	}
	pthread_mutex_destroy(&p->lock);
	p->handle = NULL;
	p->runs = false;
}
