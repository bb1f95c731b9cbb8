/* evil_stdout.c - an executor that writes a gigabyte to standard output, in lines, and then works on. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	static const char line[] = "a line of sixty-four bytes, which says nothing that is of use.\n\n";
	static char block[64 << 10];
	const char *host;

	(void)err;
	for (size_t i = 0; i < sizeof(block); i += sizeof(line) - 1)
		memcpy(block + i, line, sizeof(line) - 1);
	for (long left = 1L << 30; left > 0; left -= (long)sizeof(block))
		if (write(STDOUT_FILENO, block, sizeof(block)) < 0)
			break;
	printf("the very end\n");
	fflush(stdout);
	while ((host = drover_unit_next_host(unit)))
		drover_report(unit, host, DROVER_OK, .out = "done");
	return 0;
}

DROVER_EXECUTOR(.name = "evil_stdout", .version = "1.0.0", .types = "evil_stdout",
		.summary = "writes a gigabyte to its standard output", .run = run);
