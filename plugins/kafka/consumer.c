/* consumer.c - see consumer.h. */
#include "consumer.h"

#include <drover/crash_point.h>
#include <drover/plugin.h>

#define CLOSE_WAIT 3000 /* ms, each of the two steps */

/* ------------------------------------------------------------------------------------- the group */

static void set_paused(struct consumer *c, rd_kafka_topic_partition_list_t *partitions, bool paused)
{
	rd_kafka_resp_err_t error = paused ? rd_kafka_pause_partitions(c->handle, partitions)
					   : rd_kafka_resume_partitions(c->handle, partitions);

	if (error)
		drover_log(DROVER_LOG_WARNING, "%s: cannot %s: %s", c->link.what, paused ? "pause" : "resume",
			   rd_kafka_err2str(error));
}

static void commit(struct consumer *c)
{
	rd_kafka_resp_err_t error;

	c->next_commit = link_now() + c->commit_interval;
	if (!c->uncommitted)
		return;
	c->uncommitted = false;
	CRASH_POINT("offsets.commit");
	error = rd_kafka_commit(c->handle, NULL, 1);
	CRASH_POINT("offsets.committed");
	if (error && error != RD_KAFKA_RESP_ERR__NO_OFFSET)
		drover_log(DROVER_LOG_DEBUG, "%s: cannot commit: %s", c->link.what, rd_kafka_err2str(error));
}

static void on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *partitions,
			 void *context)
{
	struct consumer *c = context;

	if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		drover_log(DROVER_LOG_DEBUG, "%s: gets %d partitions", c->link.what, partitions->cnt);
		rd_kafka_assign(handle, partitions);
		if (c->held)
			set_paused(c, partitions, true);
		return;
	}
	/* What is done with is committed while the partitions are still ours; repeated units and tasks are harmless. */
	commit(c);
	if (c->message &&
	    rd_kafka_topic_partition_list_find(partitions, rd_kafka_topic_name(c->message->rkt), c->message->partition))
		c->lost = true;
	rd_kafka_assign(handle, NULL);
}

static void on_commit(rd_kafka_t *handle, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *offsets,
		      void *context)
{
	struct consumer *c = context;

	(void)handle;
	(void)offsets;
	if (error && error != RD_KAFKA_RESP_ERR__NO_OFFSET)
		drover_log(DROVER_LOG_DEBUG, "%s: offsets are not committed, their messages may come again: %s",
			   c->link.what, rd_kafka_err2str(error));
}

static void on_error(rd_kafka_t *handle, int error, const char *reason, void *context)
{
	link_error(&((struct consumer *)context)->link, handle, error, reason);
}

int consumer_open(struct consumer *c, const struct kafka_connection *connection, const char *what, const char *group,
		  struct drover_error *err)
{
	int64_t interval = c->commit_interval;
	rd_kafka_conf_t *conf;
	int code = settings_make(connection, RD_KAFKA_CONSUMER, group, &conf, err);

	*c = (struct consumer){ .link = { .what = what }, .commit_interval = interval };
	if (code)
		return code;
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
	rd_kafka_conf_set_error_cb(conf, on_error);
	code = settings_handle(conf, RD_KAFKA_CONSUMER, &c->handle, err);
	if (code)
		return code;
	rd_kafka_poll_set_consumer(c->handle);
	c->queue = rd_kafka_queue_get_consumer(c->handle);
	return 0;
}

int consumer_subscribe(struct consumer *c, const rd_kafka_topic_partition_list_t *topics, struct drover_error *err)
{
	rd_kafka_resp_err_t error = rd_kafka_subscribe(c->handle, topics);

	return error ? drover_error_set(err, DROVER_EFAULT, "cannot subscribe: %s", rd_kafka_err2str(error)) : 0;
}

void consumer_unsubscribe(struct consumer *c)
{
	rd_kafka_resp_err_t error;

	if (c->message)
		consumer_forget(c);
	consumer_hold(c, false);
	error = rd_kafka_unsubscribe(c->handle);
	if (error)
		drover_log(DROVER_LOG_WARNING, "%s: cannot leave its group: %s", c->link.what, rd_kafka_err2str(error));
}

/* ---------------------------------------------------------------------------------- its messages */

static void tell_failure(struct consumer *c, const rd_kafka_message_t *message)
{
	switch (message->err) {
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		if (link_minute(&c->next_missing))
			drover_log(DROVER_LOG_ERROR, "%s: %s; `drover doctor --create-topic` makes what is missing",
				   c->link.what, rd_kafka_message_errstr(message));
		break;
	default:
		drover_log(DROVER_LOG_WARNING, "%s: %s", c->link.what, rd_kafka_message_errstr(message));
	}
}

void consumer_poll(struct consumer *c, int timeout)
{
	rd_kafka_message_t *message = rd_kafka_consumer_poll(c->handle, timeout);

	link_look(&c->link, c->handle);
	if (c->next_commit <= link_now())
		commit(c);
	if (!message)
		return;
	if (message->err) {
		tell_failure(c, message);
		rd_kafka_message_destroy(message);
	} else if (c->message || c->held) {
		/* It was under way when fetching was stopped: it is fetched again. */
		rd_kafka_seek(message->rkt, message->partition, message->offset, 0);
		rd_kafka_message_destroy(message);
	} else {
		c->message = message;
		c->lost = false;
	}
}

void consumer_hold(struct consumer *c, bool held)
{
	rd_kafka_topic_partition_list_t *partitions;

	if (c->held == held)
		return;
	c->held = held;
	if (rd_kafka_assignment(c->handle, &partitions))
		return;
	set_paused(c, partitions, held);
	rd_kafka_topic_partition_list_destroy(partitions); /* a leaked one would keep rd_kafka_destroy for ever */
}

void consumer_done(struct consumer *c)
{
	rd_kafka_message_t *m = c->message;

	if (!c->lost) {
		rd_kafka_offset_store(m->rkt, m->partition, m->offset);
		c->uncommitted = true;
	}
	rd_kafka_message_destroy(m);
	c->message = NULL;
}

void consumer_forget(struct consumer *c)
{
	rd_kafka_message_t *m = c->message;

	if (!c->lost)
		rd_kafka_seek(m->rkt, m->partition, m->offset, 0);
	rd_kafka_message_destroy(m);
	c->message = NULL;
}

void consumer_wake(struct consumer *c)
{
	rd_kafka_queue_yield(c->queue);
}

/* Leaves the group under a deadline: rd_kafka_consumer_close has none. Its last offsets are committed on the way. */
static void leave(struct consumer *c)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(c->handle);
	rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->handle, queue);
	int64_t end = link_now() + CLOSE_WAIT;

	while (!error && !rd_kafka_consumer_closed(c->handle) && link_now() < end) {
		rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 50);

		if (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
			on_rebalance(c->handle, rd_kafka_event_error(event), rd_kafka_event_topic_partition_list(event),
				     c);
		if (event)
			rd_kafka_event_destroy(event);
	}
	if (error)
		rd_kafka_error_destroy(error);
	rd_kafka_queue_destroy(queue);
}

void consumer_close(struct consumer *c)
{
	if (c->message)
		rd_kafka_message_destroy(c->message);
	c->message = NULL;
	if (c->queue) {
		commit(c);
		leave(c);
		rd_kafka_queue_destroy(c->queue);
	}
	if (c->handle)
		link_destroy(c->handle, CLOSE_WAIT, c->link.what);
	c->queue = NULL;
	c->handle = NULL;
}
