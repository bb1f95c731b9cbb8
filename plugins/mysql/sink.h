/* sink.h - mysql as a sink: see sink.c. These are the operations of drover/sink.h. */
#ifndef MYSQL_SINK_H
#define MYSQL_SINK_H

#include "mysql.h"

/* Names the node whose events they are: this machine, where its option says nothing. */
int sink_open(struct mysql *sink, struct drover_error *err);
int sink_write(void *self, const struct drover_event *events, size_t count, struct drover_error *err);
void sink_close(void *self);

#endif
