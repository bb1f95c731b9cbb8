/* fake_host.c - see fake_host.h. */
#include "fake_host.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_int complaints;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("fake host: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	abort();
}

static void log_line(enum drover_log_level level, const char *format, va_list args)
{
	if (level > DROVER_LOG_WARNING)
		return;
	complaints++;
	fputs("plugin: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

static const struct drover_host host = {
	.size = sizeof(host),
	.abi_minor = DROVER_ABI_MINOR,
	.version = "fake",
	.log = log_line,
};

int fake_host_complaints(void)
{
	return complaints;
}

/* The program is BUILD/tests/KIND/NAME. */
static void find(const char *name, char *path, size_t size)
{
	const char *folder = getenv("DROVER_PLUGIN_PATH");
	char program[PATH_MAX];
	ssize_t length;

	if (folder) {
		snprintf(path, size, "%s/%s.so", folder, name);
		return;
	}
	length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (length < 0)
		die("cannot read /proc/self/exe");
	program[length] = '\0';
	for (int i = 0; i < 3; i++) {
		char *slash = strrchr(program, '/');

		if (!slash)
			die("the program is in no build folder: set DROVER_PLUGIN_PATH");
		*slash = '\0';
	}
	snprintf(path, size, "%s/plugins/%s.so", program, name);
}

const struct drover_module *fake_host_load(const char *name)
{
	const struct drover_module *module;
	drover_module_fn *entry;
	char path[PATH_MAX + 64];
	void *library;

	find(name, path, sizeof(path));
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		die("%s", dlerror());
	*(void **)&entry = dlsym(library, DROVER_MODULE_SYMBOL);
	if (!entry)
		die("%s exports no %s", path, DROVER_MODULE_SYMBOL);
	module = entry(&host);
	if (!module || module->abi_major != DROVER_ABI_MAJOR || module->size < sizeof(*module))
		die("%s is of another version", path);
	return module;
}

/* ------------------------------------------------------------------------------------- options */

/* A number with a unit: { "ms", 1 } and so on; the first entry is for a bare number. */
struct scale {
	const char *word;
	int64_t factor;
};

static const struct scale durations[] = { { "", 1000 },     { "ms", 1 },       { "s", 1000 }, { "m", 60000 },
					  { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };
static const struct scale sizes[] = { { "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 }, { NULL, 0 } };
static const struct scale integers[] = { { "", 1 }, { NULL, 0 } };

static int64_t number(const char *text, const struct scale *scale, const char *name)
{
	char *end;
	int64_t value = strtoll(text, &end, 10);

	for (; end != text && scale->word; scale++)
		if (!strcmp(end, scale->word))
			return value * scale->factor;
	die("option %s: cannot read \"%s\"", name, text);
}

/* One item more, and the NULL behind it. */
static void append(struct drover_list *list, const char *text)
{
	list->items = realloc(list->items, (list->count + 2) * sizeof(*list->items));
	list->items[list->count++] = strdup(text);
	list->items[list->count] = NULL;
}

static int choice(const struct drover_option *option, const char *text)
{
	for (int i = 0; option->choices[i]; i++)
		if (!strcmp(option->choices[i], text))
			return i;
	die("option %s: \"%s\" is none of its words", option->name, text);
	return -1;
}

static void append_pair(struct drover_map *map, const char *text)
{
	const char *end = strchr(text, '=');

	if (!end)
		die("\"%s\" is no NAME=VALUE", text);
	map->pairs = realloc(map->pairs, (map->count + 1) * sizeof(*map->pairs));
	map->pairs[map->count].key = strndup(text, (size_t)(end - text));
	map->pairs[map->count++].value = strdup(end + 1);
}

static void free_pairs(struct drover_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		free(map->pairs[i].key);
		free(map->pairs[i].value);
	}
	free(map->pairs);
}

static void set(const struct drover_option *option, void *self, const char *text)
{
	void *field = (char *)self + option->offset;

	switch (option->type) {
	case DROVER_TYPE_STRING:
	case DROVER_TYPE_SECRET:
		free(*(char **)field);
		*(char **)field = strdup(text);
		break;
	case DROVER_TYPE_INT:
		*(int64_t *)field = number(text, integers, option->name);
		break;
	case DROVER_TYPE_DURATION:
		*(int64_t *)field = number(text, durations, option->name);
		break;
	case DROVER_TYPE_SIZE:
		*(int64_t *)field = number(text, sizes, option->name);
		break;
	case DROVER_TYPE_BOOL:
		*(bool *)field = !strcmp(text, "true");
		break;
	case DROVER_TYPE_LIST:
		append(field, text);
		break;
	case DROVER_TYPE_MAP:
		append_pair(field, text);
		break;
	case DROVER_TYPE_CHOICE:
		*(int *)field = choice(option, text);
		break;
	default:
		die("option %s: this host knows no options of type %d", option->name, (int)option->type);
	}
}

static void set_by_name(const struct drover_plugin_info *info, void *self, const char *name, const char *text)
{
	for (const struct drover_option *option = info->options; option && option->type; option++) {
		if (!strcmp(option->name, name)) {
			set(option, self, text);
			return;
		}
	}
	die("plugin %s has no option %s", info->name, name);
}

void *fake_host_new(const struct drover_plugin_info *info, const char *const *options)
{
	void *self = calloc(1, info->self_size ? info->self_size : 1);
	struct drover_error err = { .code = 0 };

	if (!self)
		die("out of memory");
	for (const struct drover_option *option = info->options; option && option->type; option++)
		if (option->initial)
			set(option, self, option->initial);
	for (; options && options[0]; options += 2)
		set_by_name(info, self, options[0], options[1]);
	if (info->check && info->check(self, &err))
		die("plugin %s: %s", info->name, err.message);
	return self;
}

void fake_host_free(const struct drover_plugin_info *info, void *self)
{
	for (const struct drover_option *option = info->options; option && option->type; option++) {
		void *field = (char *)self + option->offset;
		struct drover_list *list = field;

		if (option->type == DROVER_TYPE_STRING || option->type == DROVER_TYPE_SECRET)
			free(*(char **)field);
		for (size_t i = 0; option->type == DROVER_TYPE_LIST && i < list->count; i++)
			free(list->items[i]);
		if (option->type == DROVER_TYPE_LIST)
			free(list->items);
		if (option->type == DROVER_TYPE_MAP)
			free_pairs((struct drover_map *)field);
	}
	free(self);
}
