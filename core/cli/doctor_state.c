/* doctor_state.c - of `drover doctor`: the state folder, who has it, and the store in it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <drover/error.h>
#include <drover/store.h>

#include "cli/doctor.h"
#include "cli/field.h"
#include "conf/option.h"
#include "loader/loader.h"
#include "util/buf.h"

#define MB (1024LL * 1024)
#define ROOM_BAD (100 * MB)
#define ROOM_SMALL (1024 * MB)

static const char *state_dir(struct doctor *doctor)
{
	return field_text(field(doctor->slice, "node"), "state_dir");
}

/* Who holds the lock, as leftovers_lock takes it. Asking does not take it. */
static pid_t holder(const char *folder)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct buf path = BUF_INIT;
	pid_t pid = -1;
	int fd;

	buf_printf(&path, "%s/lock", folder);
	fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		pid = errno == ENOENT ? 0 : -1;
	else if (!fcntl(fd, F_GETLK, &lock))
		pid = lock.l_type == F_UNLCK ? 0 : lock.l_pid;
	if (fd >= 0)
		close(fd);
	buf_dispose(&path);
	return pid;
}

static void check_room(struct doctor *doctor, const char *folder)
{
	static const char advice[] = "make room, or shorten `store.keep'; while the disk is full tasks are refused";
	struct statvfs disk;
	long long left;

	if (statvfs(folder, &disk))
		return;
	left = (long long)disk.f_bavail * (long long)disk.f_frsize;
	if (left < ROOM_BAD || !disk.f_favail)
		doctor_say(doctor, DOCTOR_ERROR, "state folder", advice, "%lld MB are left on the disk of %s",
			   left / MB, folder);
	else if (left < ROOM_SMALL)
		doctor_say(doctor, DOCTOR_WARNING, "state folder", advice, "%lld MB are left on the disk of %s",
			   left / MB, folder);
	else
		doctor_say(doctor, DOCTOR_OK, "state folder", NULL, "%s, %lld MB are left", folder, left / MB);
}

void doctor_state(struct doctor *doctor)
{
	const char *folder = state_dir(doctor);
	struct json_object *core = doctor_core(doctor);
	struct stat info;
	uid_t uid;

	if (!*folder)
		return;
	if (stat(folder, &info)) {
		doctor->pid = errno == ENOENT ? 0 : -1;
		doctor_say(doctor, errno == ENOENT ? DOCTOR_WARNING : DOCTOR_ERROR, "state folder",
			   errno == ENOENT ? "start droverd, which makes it where it may"
					   : "run this as the user that starts droverd",
			   "cannot look at %s: %s", folder, strerror(errno));
		return;
	}
	if (!doctor_account(core, &uid))
		doctor_say(doctor, DOCTOR_ERROR, "state folder", "make it, or change `node.user'",
			   "there is no account %s, which the core runs as", field_text(core, "user"));
	else if (info.st_uid != uid && info.st_uid)
		doctor_say(doctor, DOCTOR_ERROR, "state folder",
			   "chown it, or run this as the user that starts droverd", "%s belongs to user %d, not to %d",
			   folder, (int)info.st_uid, (int)uid);
	if (info.st_mode & (S_IRWXG | S_IRWXO))
		doctor_say(doctor, DOCTOR_WARNING, "state folder", "chmod 0700 it: outputs of hosts are in it",
			   "%s is open to others than its owner (mode %04o)", folder, info.st_mode & 07777);
	doctor->pid = holder(folder);
	check_room(doctor, folder);
}

/* ---------------------------------------------------------------------------------------- store */

static void take_finding(void *context, enum drover_finding finding, const char *why, const char *advice)
{
	doctor_say(context, finding == DROVER_FINDING_BAD ? DOCTOR_ERROR : DOCTOR_OK, "store",
		   finding == DROVER_FINDING_BAD && !advice ? "look at its log" : advice, "%s", why);
}

/* The plugin's own look; it is not opened, which would make or migrate it. */
static int examine(struct doctor *doctor, struct json_object *store, struct drover_error *err)
{
	struct loaded_plugin plugin;
	const struct drover_store_ops *ops;
	void *self = NULL;
	int code = loader_open_file(field_text(store, "path"), &loader_host, &plugin, err);

	if (code)
		return code;
	ops = plugin.module->sink ? plugin.module->sink->store : NULL;
	if (ops && ops->size >= sizeof(*ops) && ops->examine) {
		const struct drover_plugin_info *info = loader_info(plugin.module, PLUGIN_SINK);

		code = slice_options(field(store, "options"), info->options, info->self_size, &self, err);
		if (!code)
			code = ops->examine(self, take_finding, doctor, err);
		option_free(info->options, self);
	} else {
		doctor_say(doctor, DOCTOR_OK, "store", NULL, "%s tells nothing about itself",
			   field_text(store, "plugin"));
	}
	loader_dispose(&plugin);
	return code;
}

void doctor_store(struct doctor *doctor)
{
	struct json_object *store = field(doctor->slice, "store");
	struct drover_error err = { 0 };

	if (!store)
		return;
	if (doctor->pid > 0)
		doctor_say(doctor, DOCTOR_OK, "store", NULL,
			   "in use by droverd, pid %d: it is looked into only while that is stopped", (int)doctor->pid);
	else if (doctor->pid < 0)
		doctor_say(doctor, DOCTOR_WARNING, "store", "run this as the user that starts droverd",
			   "it cannot be told whether a droverd has it open, so it is not looked into");
	else if (examine(doctor, store, &err))
		doctor_say(doctor, DOCTOR_ERROR, "store", "look at `store' in the configuration", "%s", err.message);
}
