/*
 * plan.h - the configuration as the daemon's processes get it.
 *
 * The plan is one JSON object: {"node", "plugin_path", "lease", "log", "secret_variables": names of
 * environment variables that hold secrets, so that no child inherits them, "processes": [{"role",
 * "name", "user": account or null, "slice"}]}. Roles are core, executor, sink, monitor. A slice holds
 * what one process needs and nothing else: an executor's has no password of the database.
 *
 * Durations are ms, sizes bytes. An instance's "options" are {name: "text" | ["text"] | {key: "text"}},
 * those that are not defaults, with secrets resolved: for slice_options of option.h.
 *
 *	core      {node, capacity {hosts, units}, limits, lease, log, inventory {sources [path], command: path,
 *	          refresh, timeout, output_limit, vars} or null, cluster {name or null, unit_life, unit_limit, remember, refresh,
 *	          signing_key?, public_keys? [text]}, store {name, plugin, path of the .so,
 *	          options, keep}, dispatcher {name, plugin, path, options, ahead, look, again, again_most} or null, sources [{name, plugin, path, options}], executors [{name, plugin, version,
 *	          summary, types [], window, match or null, capacity or null, payload [{name, types, group,
 *	          required, help}] or null}], sinks [{name, plugin, spool_limit}],
 *	          credentials {NAME: {allow: [token] or null}}}
 *	executor  {node, log, lease, name, plugin, path, options, credentials {NAME: {user, key, certificate,
 *	          passphrase, password, become_password}}: only where the plugin has an option `credential`}
 *	sink      {node, log, name, plugin, path, options, call_timeout, spool_limit}
 *	monitor   {node, log, monitors [{name, plugin, path, options, interval, call_timeout}]}
 */
#ifndef CONF_PLAN_H
#define CONF_PLAN_H

#include "conf/errors.h"

struct json_object;

/* Where the configuration is if nobody says. */
#define CONF_DEFAULT_FILE "/etc/drover/drover.yaml"

/*
 * Reads and checks everything, loading the plugins that are named. `file` NULL: the default. 0, and
 * `*plan` is owned by the caller (json_object_put); or DROVER_EINVALID, and `errors` has at least one.
 */
int conf_plan(const char *file, struct json_object **plan, struct conf_errors *errors);

/*
 * The process that the supervisor starts for it, since it loads no plugin itself: writes {"plan": …} or
 * {"errors": ["…"]} to `out_fd`. Returns the exit code: 0, 78, or 1 if it could not write.
 */
int conf_role_main(const char *file, int out_fd);

/* Errors to standard error, or "configuration OK" to standard output. Returns the exit code: 0 or 78. */
int conf_check(const char *file);

#endif
