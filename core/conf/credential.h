/*
 * credential.h - the section `credentials`: how to log in on hosts, by name.
 *
 * Executors that have an option `credential` are given all of them, secrets included; the core is
 * given their names and who may use them, and nothing else.
 */
#ifndef CONF_CREDENTIAL_H
#define CONF_CREDENTIAL_H

#include "conf/conf.h"

struct json_object;

/* Reads the section; `node` may be NULL. */
void credential_read_all(struct conf *c, const struct tree_node *node);
void credential_dispose_all(struct conf *c);

/* An error where the instance names one that does not exist. */
void credential_check_named(struct conf *c, const struct conf_instance *i);
/* Does the plugin take credentials? */
bool credential_taken(const struct conf_instance *i);

/* {NAME: {user, key, certificate, passphrase, password, become_password}}, absent ones left out. Owned by the caller. */
struct json_object *credential_secrets(const struct conf *c);
/* {NAME: {"allow": ["token"] or null}}. Owned by the caller. */
struct json_object *credential_names(const struct conf *c);

#endif
