/* loader.c - see loader.h. */
#include "loader/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/log.h"

#define NAME_MAX_LENGTH 64

static void host_log(enum drover_log_level level, const char *format, va_list args)
{
	log_vwrite((enum log_level)level, format, args);
}

const struct drover_host loader_host = {
	.size = sizeof(struct drover_host),
	.abi_minor = DROVER_ABI_MINOR,
	.version = DROVER_VERSION,
	.log = host_log,
};

char *loader_path(const char *configured)
{
	const char *given = configured && *configured ? configured : getenv("DROVER_PLUGIN_PATH");
	char self[PATH_MAX], *beside;
	struct buf path = BUF_INIT;
	struct stat info;
	ssize_t size;

	if (given && *given)
		return xstrdup(given);
	size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (size > 0) {
		self[size] = '\0';
		buf_printf(&path, "%s/plugins", dirname(self));
		beside = buf_take(&path);
		if (!stat(beside, &info) && S_ISDIR(info.st_mode))
			return beside;
		free(beside);
	}
	return xstrdup(DROVER_PREFIX "/lib/drover/plugins");
}

static bool name_sound(const char *name)
{
	size_t size = strlen(name);

	return size && size <= NAME_MAX_LENGTH && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == size;
}

/* As root, what everybody may write must not be executed. */
static int check_writable(const char *path, struct drover_error *err)
{
	struct stat info;

	if (stat(path, &info))
		return drover_error_set(err, DROVER_EFAULT, "cannot look at it: %s", strerror(errno));
	if (!geteuid() && (info.st_mode & S_IWOTH))
		return drover_error_set(err, DROVER_EDENIED,
					"%.200s may be written by everybody, so it is not loaded as root: chmod o-w it",
					path);
	return 0;
}

static int check_permissions(const char *path, struct drover_error *err)
{
	char *copy = xstrdup(path);
	int code = check_writable(path, err);

	if (!code)
		code = check_writable(dirname(copy), err);
	free(copy);
	return code;
}

static int load(const char *path, const char *name, const struct drover_host *host, const struct drover_module **module,
		struct drover_error *err)
{
	int code = check_permissions(path, err);
	drover_module_fn *declare;
	void *handle;

	if (code)
		return code;
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return drover_error_set(err, DROVER_EFAULT, "cannot be loaded: %.300s", dlerror());
	/* POSIX lets dlsym give functions; ISO C has no such cast. */
	*(void **)&declare = dlsym(handle, DROVER_MODULE_SYMBOL);
	if (!declare)
		return drover_error_set(err, DROVER_EINVALID,
					"is no Drover plugin for ABI %d: it does not export " DROVER_MODULE_SYMBOL,
					DROVER_ABI_MAJOR);
	*module = declare(host);
	return verify_module(*module, name, err);
}

/* Slices carry the path to processes that may have another working folder. Links stay: they name the plugin. */
static char *absolute(const char *path)
{
	struct buf whole = BUF_INIT;
	char here[PATH_MAX];

	if (*path != '/' && getcwd(here, sizeof(here)))
		buf_printf(&whole, "%s/", here);
	buf_string(&whole, path);
	return buf_take(&whole);
}

int loader_open_file(const char *path, const struct drover_host *host, struct loaded_plugin *plugin,
		     struct drover_error *err)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t size = strlen(base);
	struct drover_error why = { 0 };
	char name[NAME_MAX_LENGTH + 1];
	int code;

	*plugin = (struct loaded_plugin){ 0 };
	if (!slash || size <= 3 || size - 3 > NAME_MAX_LENGTH || strcmp(base + size - 3, ".so"))
		return drover_error_set(err, DROVER_EINVALID, "%.300s is not the path of a plugin: FOLDER/NAME.so",
					path);
	snprintf(name, sizeof(name), "%.*s", (int)(size - 3), base);
	code = load(path, name, host, &plugin->module, &why);
	if (code) {
		plugin->module = NULL;
		return drover_error_set(err, code, "plugin %s: %.150s %.280s", name, path, why.message);
	}
	plugin->path = absolute(path);
	return 0;
}

/* The file of that name in the first folder that has it, or NULL. Owned by the caller. */
static char *find(const char *path_list, const char *name)
{
	while (*path_list) {
		size_t size = strcspn(path_list, ":");
		struct buf path = BUF_INIT;

		if (size) {
			buf_printf(&path, "%.*s/%s.so", (int)size, path_list, name);
			if (!access(path.data, F_OK))
				return buf_take(&path);
		}
		buf_dispose(&path);
		path_list += size + (path_list[size] == ':');
	}
	return NULL;
}

int loader_open(const char *path_list, const char *name, const struct drover_host *host, struct loaded_plugin *plugin,
		struct drover_error *err)
{
	char *path;
	int code;

	*plugin = (struct loaded_plugin){ 0 };
	if (!name_sound(name))
		return drover_error_set(err, DROVER_EINVALID,
					"\"%.64s\" is no plugin's name: lower case letters, digits and _ only", name);
	path = find(path_list, name);
	if (!path)
		return drover_error_set(err, DROVER_ENOTFOUND, "there is no plugin %s: no %s.so in %.300s", name, name,
					path_list);
	code = loader_open_file(path, host, plugin, err);
	free(path);
	return code;
}

void loader_dispose(struct loaded_plugin *plugin)
{
	free(plugin->path);
	*plugin = (struct loaded_plugin){ 0 };
}
