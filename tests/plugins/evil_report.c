/* evil_report.c - an executor that reports a gigabyte of output for each host. */
#include <stdlib.h>
#include <string.h>

#include <drover/executor.h>

#define EDGE ((size_t)1 << 20) /* more than is ever kept; what is between them costs no memory */

static int run(struct drover_unit *unit, struct drover_error *err)
{
	size_t size = (size_t)1 << 30;
	char *much = calloc(1, size);
	const char *host;

	if (!much)
		return drover_error_set(err, DROVER_ENOMEM, "no memory for a gigabyte");
	memset(much, 'x', EDGE);
	memset(much + size - EDGE, 'x', EDGE);
	memcpy(much, "head", 4);
	memcpy(much + size - 4, "tail", 4);
	while ((host = drover_unit_next_host(unit)))
		drover_report(unit, host, DROVER_OK, .out = much, .out_size = size);
	free(much);
	return 0;
}

DROVER_EXECUTOR(.name = "evil_report", .version = "1.0.0", .types = "evil_report", .summary = "reports a gigabyte",
		.run = run);
