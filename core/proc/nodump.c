/* nodump.c - see nodump.h. */
#include "proc/nodump.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

void nodump(void)
{
	const struct rlimit none = { 0, 0 };
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	setrlimit(RLIMIT_CORE, &none);
	if (fd >= 0) {
		ssize_t ignored = write(fd, "0", 1);

		(void)ignored;
		close(fd);
	}
}
