/* evil_stdout.c - an executor that writes a gigabyte to standard output, in lines, and then works on. */
#include <stdio.h>

#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	static const char line[] = "a line of sixty-four bytes, which says nothing that is of use.\n";
	const char *host;

	(void)err;
	for (long left = 1L << 30; left > 0; left -= (long)sizeof(line) - 1)
		fwrite(line, 1, sizeof(line) - 1, stdout);
	printf("the very end\n");
	fflush(stdout);
	while ((host = drover_unit_next_host(unit)))
		drover_report(unit, host, DROVER_OK, .out = "done");
	return 0;
}

DROVER_EXECUTOR(.name = "evil_stdout", .version = "1.0.0", .types = "evil_stdout", .summary = "writes a gigabyte to its standard output", .run = run);
