/* schema.c - see schema.h. */
#include "conf/schema.h"

const char *const schema_isolations[] = { "auto", "cgroup", "subreaper", NULL };
const char *const schema_levels[] = { "error", "warning", "info", "debug", NULL };
const char *const schema_formats[] = { "text", "json", NULL };
const char *const schema_variables[] = { "connection", "all", NULL };

const struct drover_option schema_top[] = {
	DROVER_OPT_LIST(struct schema_paths, include,
			"files or patterns, relative to this file, that are read with it"),
	DROVER_OPT_LIST(struct schema_paths, plugin_path,
			"folders with plugins; without it $DROVER_PLUGIN_PATH, else the installed ones"),
	DROVER_OPT_STRING(
		struct schema_paths, secret_key, NULL,
		"file of the private key that `{encrypted: TEXT}` is read with, relative to this file; without "
		"it $CREDENTIALS_DIRECTORY/drover-secret-key, else /etc/drover/secret.key"),
	DROVER_OPT_END
};

static const struct drover_option node[] = {
	DROVER_OPT_STRING(struct schema_node, name, NULL,
			  "this node's name, unique among nodes; without it the host's name"),
	DROVER_OPT_STRING(struct schema_node, state_dir, "/var/lib/drover",
			  "folder of what must survive a restart: the embedded database, spools, the lock"),
	DROVER_OPT_LIST(struct schema_node, pools, "sets of engines that this node belongs to", .initial = "default"),
	DROVER_OPT_CHOICE(struct schema_node, isolation, schema_isolations, "auto",
			  "what holds the processes of a unit together: cgroups, or a subreaper where there are none"),
	DROVER_OPT_STRING(struct schema_node, user, NULL,
			  "account that the core, sinks and monitors run as, where the daemon is started by root"),
	DROVER_OPT_DURATION(struct schema_node, drain, "60s", "0s", "7d",
			    "how long SIGTERM lets running units go on before they are ended"),
	DROVER_OPT_DURATION(struct schema_node, core_silence, "30s", "3s", "1h",
			    "a core that gives no sign of life for so long is killed and started again"),
	DROVER_OPT_DURATION(struct schema_node, idle_exit, "0s", "0s", "30d",
			    "ends the daemon after so long without a task; 0: never", .flags = DROVER_HIDDEN),
	DROVER_OPT_END
};

static const struct drover_option capacity[] = {
	DROVER_OPT_INT(struct schema_capacity, hosts, "2000", "1", "1000000", "hosts that run at once on this node"),
	DROVER_OPT_INT(struct schema_capacity, units, "512", "1", "100000", "units that run at once on this node"),
	DROVER_OPT_INT(struct schema_capacity, reserve, "5", "0", "50",
		       "percent of both that is kept for tasks of which nothing runs on this node yet: they begin even "
		       "where it is full of others' hosts"),
	DROVER_OPT_END
};

static const struct drover_option lease[] = {
	DROVER_OPT_DURATION(struct schema_lease, renew, "5s", "100ms", "10m", "how often the core renews its lease"),
	DROVER_OPT_DURATION(struct schema_lease, take_over, "45s", "500ms", "2h",
			    "how long another node's lease must be read unchanged before its units are taken over"),
	DROVER_OPT_DURATION(
		struct schema_lease, read_gap, "5s", "100ms", "10m",
		"after so long without having read the nodes' leases that time is counted anew; they are read "
		"at least twice as often"),
	DROVER_OPT_DURATION(
		struct schema_lease, stop_after, "20s", "300ms", "1h",
		"where nodes share a store: after so long without a renewal no host is begun, and those of tasks "
		"with `on_lost: rerun` are ended"),
	DROVER_OPT_DURATION(struct schema_lease, permit, "5s", "100ms", "10m",
			    "how often the core permits its executors to go on"),
	DROVER_OPT_DURATION(struct schema_lease, permit_lost, "20s", "300ms", "1h",
			    "after so long without a permit an executor ends its units"),
	DROVER_OPT_DURATION(struct schema_lease, changes, "500ms", "50ms", "1m",
			    "where nodes share a store: how often a node looks for what others have changed, "
			    "such as cancelled tasks"),
	DROVER_OPT_END
};

static const struct drover_option limits[] = {
	DROVER_OPT_INT(struct schema_limits, hosts, "200000", "1", "10000000", "hosts of one task"),
	DROVER_OPT_INT(struct schema_limits, unit_size, "10000", "1", "100000",
		       "most hosts of a unit that a task may ask for"),
	DROVER_OPT_INT(struct schema_limits, waves, "1000", "1", "100000", "waves of one task"),
	DROVER_OPT_INT(struct schema_limits, attempts, "3", "1", "1000",
		       "attempts at a unit whose processes die or cannot be started; what none of them has begun then "
		       "ends `failed`"),
	DROVER_OPT_SIZE(struct schema_limits, output, "16M", "0", "1G",
			"most that a task may ask to be kept of each of a host's streams, head and tail"),
	DROVER_OPT_SIZE(struct schema_limits, output_default, "64K", "0", "1G",
			"what is kept where the task does not say"),
	DROVER_OPT_INT(struct schema_limits, results, "20000", "100", "1000000",
		       "results that wait for the store; above it nothing more is read from the executors"),
	DROVER_OPT_SIZE(struct schema_limits, results_spool, "1G", "1M", "1T",
			"results that the store does not take and that are kept on disk meanwhile; above it no unit is "
			"claimed"),
	DROVER_OPT_DURATION(struct schema_limits, results_patience, "2s", "0s", "1h",
			    "how long results wait in memory for the store before they are kept on disk"),
	DROVER_OPT_INT(
		struct schema_limits, offers, "2000", "1", "1000000",
		"units of other nodes' tasks that this engine knows of and has not claimed; above it it takes no "
		"more messages"),
	DROVER_OPT_SIZE(struct schema_limits, offer_bytes, "64M", "1M", "16G", "what these take in memory, about"),
	DROVER_OPT_DURATION(
		struct schema_limits, store_patience, "10s", "100ms", "1h",
		"how long a request waits for its turn at the store; when that is busy with one transaction "
		"for longer it counts as away"),
	DROVER_OPT_END
};

static const struct drover_option log_[] = {
	DROVER_OPT_CHOICE(struct schema_log, level, schema_levels, "info", "the least important lines that are written",
			  .flags = DROVER_RELOADABLE),
	DROVER_OPT_CHOICE(struct schema_log, format, schema_formats, "text", "lines for people, or a JSON object each",
			  .flags = DROVER_RELOADABLE),
	DROVER_OPT_END
};

static const struct drover_option inventory[] = {
	DROVER_OPT_LIST(struct schema_inventory, sources,
			"Ansible inventories that `@group` is looked up in: files (INI, YAML, JSON), scripts, folders; "
			"relative to this file"),
	DROVER_OPT_STRING(struct schema_inventory, command, "ansible-inventory",
			  "what reads them: called with `-i SOURCE` for each and `--list`, as the core's user"),
	DROVER_OPT_DURATION(struct schema_inventory, refresh, "5m", "1s", "7d",
			    "how often they are read again; a changed file is read at once"),
	DROVER_OPT_DURATION(struct schema_inventory, timeout, "30s", "100ms", "1h",
			    "after that the command is ended with all that it has started"),
	DROVER_OPT_SIZE(struct schema_inventory, output_limit, "64M", "1K", "1G", "most that it may print"),
	DROVER_OPT_INT(struct schema_inventory, hosts_limit, "1000000", "1", "10000000",
		       "hosts that an inventory may have; a larger one is not taken"),
	DROVER_OPT_INT(struct schema_inventory, groups_limit, "100000", "2", "10000000",
		       "groups, with `all` and `ungrouped`"),
	DROVER_OPT_INT(struct schema_inventory, members_limit, "10000000", "1", "100000000",
		       "hosts and groups that are named in its groups, all together"),
	DROVER_OPT_CHOICE(struct schema_inventory, vars, schema_variables, "connection",
			  "which variables tasks get: how to reach a host, or all that are no secrets, too"),
	DROVER_OPT_END
};

static const struct drover_option cluster[] = {
	DROVER_OPT_STRING(
		struct schema_cluster, name, NULL,
		"the cluster's name, the same on all of its nodes: units signed for another are not executed"),
	DROVER_OPT_SECRET(struct schema_cluster, signing_key,
			  "what a distributor signs units with: the private key that `drover key generate` makes",
			  .flags = DROVER_RELOADABLE),
	DROVER_OPT_LIST(
		struct schema_cluster, public_keys,
		"keys of those whose units are executed here: files with a key a line, or such lines themselves; "
		"several are valid at once, so that keys can be exchanged",
		.flags = DROVER_RELOADABLE),
	DROVER_OPT_DURATION(
		struct schema_cluster, unit_life, "7d", "1m", "365d",
		"how long a unit may be executed after it was signed; a task's longest `expires_in`, and the "
		"default where units are signed",
		.flags = DROVER_RELOADABLE),
	DROVER_OPT_SIZE(struct schema_cluster, unit_limit, "900K", "4K", "64M",
			"most bytes of a signed unit: no more than Kafka's `message.max.bytes`",
			.flags = DROVER_RELOADABLE),
	DROVER_OPT_DURATION(
		struct schema_cluster, remember, "1d", "0s", "365d",
		"how long after its end an engine still counts when a distributor checks what tasks ask for",
		.flags = DROVER_RELOADABLE),
	DROVER_OPT_DURATION(struct schema_cluster, refresh, "250ms", "10ms", "1h",
			    "how often a distributor reads, at most, what engines there are",
			    .flags = DROVER_RELOADABLE),
	DROVER_OPT_END
};

const struct drover_option schema_instance[] = {
	DROVER_OPT_STRING(struct schema_named_instance, plugin, NULL,
			  "the plugin's name; `drover plugin list` tells them", .flags = DROVER_REQUIRED),
	DROVER_OPT_STRING(struct schema_named_instance, name, NULL, "this instance's name; without it the plugin's"),
	DROVER_OPT_STRING(struct schema_named_instance, use, NULL, "a name under `connections`"), DROVER_OPT_END
};

static const struct drover_option dispatcher[] = {
	DROVER_OPT_INT(
		struct schema_dispatcher, ahead, "2", "1", "100",
		"units of a pool that are published and claimed by nobody: at most so many times what its engines "
		"execute at once; the others wait in the store, in fair order"),
	DROVER_OPT_DURATION(struct schema_dispatcher, look, "200ms", "10ms", "10s",
			    "how often it looks at how many that are, while some wait"),
	DROVER_OPT_DURATION(
		struct schema_dispatcher, again, "10s", "100ms", "1h",
		"a unit that nobody has claimed is published again after so long; each further pause is twice "
		"as long, …"),
	DROVER_OPT_DURATION(struct schema_dispatcher, again_most, "1m", "100ms", "1d", "… up to this"), DROVER_OPT_END
};

static const struct drover_option store[] = { DROVER_OPT_DURATION(struct schema_store, keep, "30d", "1m", "3650d",
								  "how long ended tasks are kept"),
					      DROVER_OPT_END };

static const struct drover_option executor[] = {
	DROVER_OPT_MAP(struct schema_executor, match,
		       "which tasks it takes: `{hosts: NODESET}`; without it all of its types"),
	DROVER_OPT_MAP(struct schema_executor, capacity, "what of it runs at once: `{hosts: N, units: N}`"),
	DROVER_OPT_STRING(struct schema_executor, run_as, NULL,
			  "account that its processes run as, where the daemon is started by root"),
	DROVER_OPT_DURATION(
		struct schema_executor, call_timeout, "30s", "100ms", "1h",
		"its opening or closing; a call that takes longer ends its process, which is started again"),
	DROVER_OPT_SIZE(struct schema_executor, live_rate, "8M", "16K", "1G",
			"bytes a second of what hosts print that all of its units show to those who watch; what is "
			"above that is left out of the events, never of the results"),
	DROVER_OPT_SIZE(struct schema_executor, live_unit_rate, "1M", "16K", "1G",
			"the same of one unit; twice that at once"),
	DROVER_OPT_END
};

const struct drover_option schema_match[] = { DROVER_OPT_NODESET(struct schema_matching, hosts, NULL,
								 "every host of the task is in it",
								 .flags = DROVER_REQUIRED),
					      DROVER_OPT_END };

const struct drover_option schema_capacity_own[] = {
	DROVER_OPT_INT(struct schema_capacity, hosts, NULL, "1", "1000000", "hosts that it runs at once"),
	DROVER_OPT_INT(struct schema_capacity, units, NULL, "1", "100000", "units that it runs at once"), DROVER_OPT_END
};

static const struct drover_option sink[] = {
	DROVER_OPT_SIZE(struct schema_sink, spool_limit, "1G", "1M", "1T", "events that wait for it on disk at most"),
	DROVER_OPT_LIST(struct schema_sink, events,
			"what it is told: task and host (without this option both), or audit alone"),
	DROVER_OPT_DURATION(struct schema_sink, call_timeout, "30s", "100ms", "1h",
			    "a call that takes longer ends its process, which is started again"),
	DROVER_OPT_END
};

static const struct drover_option monitor[] = {
	DROVER_OPT_DURATION(struct schema_monitor, interval, "10s", "100ms", "1h",
			    "how often it tells how the node is"),
	DROVER_OPT_DURATION(struct schema_monitor, call_timeout, "30s", "100ms", "1h",
			    "a call that takes longer ends its process, which is started again"),
	DROVER_OPT_END
};

static const struct drover_option credential[] = {
	DROVER_OPT_STRING(struct schema_credential, user, NULL, "the account on the hosts"),
	DROVER_OPT_SECRET(struct schema_credential, key, "its private key, as ssh-keygen writes it"),
	DROVER_OPT_STRING(struct schema_credential, certificate, NULL,
			  "file of the key's certificate (NAME-cert.pub); relative to the file that names it"),
	DROVER_OPT_SECRET(struct schema_credential, passphrase, "what the private key is encrypted with"),
	DROVER_OPT_SECRET(struct schema_credential, password, "its password"),
	DROVER_OPT_SECRET(struct schema_credential, become_password, "the password for becoming another user there"),
	DROVER_OPT_LIST(struct schema_credential, allow,
			"names of the tokens whose tasks may name it; without it only those of role admin"),
	DROVER_OPT_END
};

#define TABLE(id, type, text)                                                                                          \
	{                                                                                                              \
		.name = #id, .shape = SCHEMA_TABLE, .table = (id), .self_size = sizeof(type), .help = (text)           \
	}

const struct schema_section schema_sections[] = {
	[SCHEMA_NODE] = TABLE(node, struct schema_node, "this node"),
	[SCHEMA_CAPACITY] = TABLE(capacity, struct schema_capacity, "how much this node executes at once"),
	[SCHEMA_LEASE] = TABLE(lease, struct schema_lease, "how soon a dead node's units are taken over"),
	[SCHEMA_LIMITS] = TABLE(limits, struct schema_limits, "bounds, so that nothing grows without end"),
	[SCHEMA_LOG] = { "log", SCHEMA_TABLE, log_, sizeof(struct schema_log), 0,
			 "the daemon's own log, on standard error" },
	[SCHEMA_INVENTORY] = TABLE(inventory, struct schema_inventory, "where groups of hosts come from"),
	[SCHEMA_CLUSTER] = TABLE(cluster, struct schema_cluster, "whom the nodes of a cluster believe"),
	[SCHEMA_STORE] = { "store", SCHEMA_INSTANCE, store, sizeof(struct schema_store), PLUGIN_SINK,
			   "where tasks and results are kept; without it the embedded database" },
	[SCHEMA_DISPATCHER] = { "dispatcher", SCHEMA_INSTANCE, dispatcher, sizeof(struct schema_dispatcher),
				PLUGIN_DISPATCHER,
				"how units reach other nodes; without it they are executed on this one" },
	[SCHEMA_SOURCES] = { "sources", SCHEMA_LIST, NULL, 0, PLUGIN_SOURCE, "where tasks come from" },
	[SCHEMA_EXECUTORS] = { "executors", SCHEMA_LIST, executor, sizeof(struct schema_executor), PLUGIN_EXECUTOR,
			       "what executes units on hosts, each in processes of its own" },
	[SCHEMA_SINKS] = { "sinks", SCHEMA_LIST, sink, sizeof(struct schema_sink), PLUGIN_SINK,
			   "what is told of all that happens, each in a process of its own" },
	[SCHEMA_MONITORS] = { "monitors", SCHEMA_LIST, monitor, sizeof(struct schema_monitor), PLUGIN_MONITOR,
			      "what tells the outside how the node is" },
	[SCHEMA_CREDENTIALS] = { "credentials", SCHEMA_NAMED, credential, sizeof(struct schema_credential), 0,
				 "how to log in on hosts, by name" },
	[SCHEMA_CONNECTIONS] = { "connections", SCHEMA_FREE, NULL, 0, 0,
				 "servers that several instances use, by name: `NAME: {KIND: {…}}`" },
	[SCHEMA_PROJECTS] = { "projects", SCHEMA_FREE, NULL, 0, 0, "where playbooks' projects come from" },
	[SCHEMA_SECTIONS] = { .name = NULL },
};
