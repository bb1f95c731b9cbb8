/*
 * drover/plugin.h - what makes a shared object a Drover plugin: one exported function, checked
 * before anything of the plugin runs.
 *
 * A plugin is NAME.so on the plugin path, loaded with RTLD_NOW | RTLD_LOCAL and never unloaded. It
 * exports drover_module_v1 and imports nothing from the program that loads it: what it may ask of
 * its host arrives as a table of functions. A module may have one entry for each of the five kinds.
 *
 * The life of an instance, in the process that its kind's header names:
 *
 *	load -> options parsed and checked -> check -> open -> (the kind's work) -> drain -> close
 *
 *	check   looks at the options together; no side effects, since `droverd --check` calls it too. A message that
 *	        begins with an option's name and `: ` (of a mapping: `NAME.KEY: `) is shown with that option's place
 *	open    acquires what is needed: connections, files, threads
 *	drain   finishes what was begun, by a deadline; called once, before close
 *	close   releases all; called once after an open that succeeded
 *
 * Each is optional (NULL) unless its kind's header says otherwise.
 *
 * Compatibility: every struct that crosses begins with its size as the plugin's compiler saw it.
 * Structs grow only at their ends; the host reads no further than `size`, and an operation that is
 * beyond it or NULL is missing. A major version has a symbol of its own. sdk/ABI.md dates each change.
 */
#ifndef DROVER_PLUGIN_H
#define DROVER_PLUGIN_H

#include <drover/error.h>
#include <drover/option.h>
#include <drover/status.h>

#define DROVER_ABI_MAJOR 1
#define DROVER_ABI_MINOR 0

/* The exported function's name, for dlsym. */
#define DROVER_MODULE_SYMBOL "drover_module_v1"

struct drover_executor;
struct drover_source;
struct drover_sink;
struct drover_monitor;
struct drover_dispatcher;
struct drover_executor_services;

/* What `drover doctor` asks an instance that is not open: to look at the servers that it uses. */
struct drover_examination {
	size_t size;
	bool make;                       /* what is missing is made (`--create-topic`); otherwise nothing is changed */
	int64_t engines;                 /* how many there are, as far as it is known; at least 1 */
	int64_t partitions, replication; /* of what is made; 0: as the plugin thinks best */
};

enum drover_finding { DROVER_FINDING_FINE = 0, DROVER_FINDING_BAD = 1, DROVER_FINDING_DOUBTFUL = 2 };

/* `advice`: what to do about it, or NULL. Both are borrowed for the call. */
typedef void drover_finding_fn(void *context, enum drover_finding finding, const char *why, const char *advice);

/* As syslog(3) has them. */
enum drover_log_level { DROVER_LOG_ERROR = 3, DROVER_LOG_WARNING = 4, DROVER_LOG_INFO = 6, DROVER_LOG_DEBUG = 7 };

/* What every plugin may ask of its host, at any time, from any thread. Borrowed; valid for ever. */
struct drover_host {
	size_t size;
	int abi_minor;
	const char *version; /* the host program's, for messages */
	/* Writes one line to the daemon's log, with the instance's name; secrets in it are redacted. */
	void (*log)(enum drover_log_level level, const char *format, va_list args);
	/* NULL but in an executor host and its unit processes. */
	const struct drover_executor_services *executor;
};

/*
 * What a plugin is, whatever its kind: the first members of each kind's struct, frozen for major
 * version 1 (what comes later is appended to each kind).
 */
#define DROVER_PLUGIN_MEMBERS                                                                                          \
	size_t size;                                              /* of the kind's struct */                           \
	const char *name;                                         /* as in the file's name: lower case, digits, `_` */ \
	const char *version;                                      /* the plugin's own */                               \
	const char *summary;                                      /* one line, lower case, no full stop */             \
	size_t self_size;                                         /* of the struct that `options` fills; 0: none */    \
	const struct drover_option *options;                      /* ended by DROVER_OPT_END; NULL: none */            \
	int (*check)(const void *self, struct drover_error *err); /* see above */

struct drover_plugin_info {
	DROVER_PLUGIN_MEMBERS
};

/* Both `entry.name` and `&entry.info` work. */
#define DROVER_PLUGIN_INFO                                                                                             \
	union {                                                                                                        \
		struct drover_plugin_info info;                                                                        \
		struct {                                                                                               \
			DROVER_PLUGIN_MEMBERS                                                                          \
		};                                                                                                     \
	}

struct drover_module {
	size_t size;
	int abi_major; /* DROVER_ABI_MAJOR as the plugin was compiled */
	int abi_minor;
	const struct drover_executor *executor; /* borrowed, static, or NULL */
	const struct drover_source *source;
	const struct drover_sink *sink;
	const struct drover_monitor *monitor;
	const struct drover_dispatcher *dispatcher;
};

/* `host` is borrowed and stays valid. Never NULL in either direction. Must have no side effects. */
typedef const struct drover_module *drover_module_fn(const struct drover_host *host);

/* The host's table, in each of the plugin's files. Defined once, by the macro that exports the module. */
extern const struct drover_host *drover_host __attribute__((visibility("hidden")));

/* Exports a module: DROVER_MODULE(.source = &http_source); exactly once in a plugin. */
#define DROVER_MODULE(...)                                                                                             \
	const struct drover_host *drover_host;                                                                         \
	static const struct drover_module drover_module_ = { .size = sizeof(struct drover_module),                     \
							     .abi_major = DROVER_ABI_MAJOR,                            \
							     .abi_minor = DROVER_ABI_MINOR,                            \
							     __VA_ARGS__ };                                            \
	__attribute__((visibility("default"))) drover_module_fn drover_module_v1;                                      \
	const struct drover_module *drover_module_v1(const struct drover_host *host)                                   \
	{                                                                                                              \
		drover_host = host;                                                                                    \
		return &drover_module_;                                                                                \
	}                                                                                                              \
	_Static_assert(1, "a semicolon follows")

static inline void __attribute__((format(printf, 2, 3)))
drover_log(enum drover_log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	drover_host->log(level, format, args);
	va_end(args);
}

#endif
