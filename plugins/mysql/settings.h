/*
 * settings.h - what is asked of a connection and of its server.
 */
#ifndef MYSQL_SETTINGS_H
#define MYSQL_SETTINGS_H

#include "mysql.h"

/* Fills `name`. */
void settings_name(struct mysql *store);
/* The `tls` option's members and values. */
int settings_check_tls(const struct drover_map *tls, struct drover_error *err);
/* Before it connects: its timeouts, its encryption. */
void settings_connection(MYSQL *db, const struct mysql *store);
/* After: how the server reads what comes, and what it takes. */
int settings_session(struct driver *d, struct drover_error *err);
/* Says what of the server's settings does not go well with a store. */
int settings_warn(struct driver *d, struct drover_error *err);

#endif
