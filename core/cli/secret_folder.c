/* secret_folder.c - see secret_folder.h. */
#include "cli/secret_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drover/error.h>

#include "conf/secret.h"
#include "util/buf.h"

int secret_folder_open(const char *folder, char **path, struct drover_error *err)
{
	struct stat st;

	*path = NULL;
	if (mkdir(folder, 0700) && errno != EEXIST)
		return drover_error_set(err, DROVER_EFAULT, "cannot make the folder %s: %s", folder, strerror(errno));
	if (stat(folder, &st) || !S_ISDIR(st.st_mode))
		return drover_error_set(err, DROVER_EFAULT, "%s is no folder", folder);
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return drover_error_set(err, DROVER_EDENIED, "others may write in %s: chmod 700 %s", folder, folder);
	*path = realpath(folder, NULL);
	return *path ? 0 : drover_error_set(err, DROVER_EFAULT, "cannot look at %s: %s", folder, strerror(errno));
}

static int check_same(const char *file, const char *secret, struct drover_error *err)
{
	const char *fault;
	char *there = secret_read(file, false, &fault);
	int code = 0;

	if (!there || strcmp(there, secret))
		code = drover_error_set(err, DROVER_ECONFLICT,
					"%s is there already and %s%s: remove it, or name another folder", file,
					there ? "holds another secret" : "cannot be taken: ", there ? "" : fault);
	secret_free(there);
	return code;
}

int secret_folder_write(const char *path, const char *name, const char *secret, struct drover_error *err)
{
	struct buf file = BUF_INIT;
	size_t size = strlen(secret);
	int fd, code = 0;

	buf_printf(&file, "%s/%s", path, name);
	fd = open(file.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == EEXIST) {
		code = check_same(file.data, secret, err);
	} else if (fd < 0 || write(fd, secret, size) != (ssize_t)size || write(fd, "\n", 1) != 1 || fsync(fd)) {
		code = drover_error_set(err, DROVER_EFAULT, "cannot write %s: %s", file.data, strerror(errno));
		if (fd >= 0)
			unlink(file.data);
	}
	if (fd >= 0)
		close(fd);
	buf_dispose(&file);
	return code;
}
