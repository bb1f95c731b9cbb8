/*
 * fuzz_conf.c - any bytes as a configuration: read, checked, told what is wrong (libFuzzer).
 *
 * Inputs that would make it read other files are left out. Set DROVER_PLUGIN_PATH to the test plugins'
 * folder so that options of plugins are reached, too.
 */
#define _GNU_SOURCE /* memfd_create, memmem */
#include "fuzz.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct json_object *plan;
	char path[64];
	int fd;

	if (memmem(data, size, "include", 7) || memmem(data, size, "file", 4) || memmem(data, size, "plugin_path", 11))
		return 0;
	fd = memfd_create("conf", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* Either a plan or at least one error, never both. */
	if (!conf_plan(path, &plan, &errors) != !errors.count || !plan != !!errors.count)
		abort();
	fuzz_accepted += !!plan;
	json_object_put(plan);
	errors_dispose(&errors);
	close(fd);
	return 0;
}
