/* permit.c - see permit.h. */
#define _GNU_SOURCE
#include "proc/permit.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <drover/error.h>

#include "util/clock.h"

int permit_open(struct permit *permit, struct drover_error *err)
{
	void *page = mmap(NULL, sizeof(*permit->until), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return drover_error_set(err, DROVER_ENOMEM, "no memory to share with units: %s", strerror(errno));
	permit->until = page;
	return 0;
}

void permit_dispose(struct permit *permit)
{
	if (permit->until)
		munmap((void *)permit->until, sizeof(*permit->until));
	permit->until = NULL;
}

void permit_set(struct permit *permit, int64_t until)
{
	atomic_store(permit->until, until);
}

void permit_protect(const struct permit *permit)
{
	mprotect((void *)permit->until, sizeof(*permit->until), PROT_READ);
}

bool permit_holds(const struct permit *permit)
{
	return clock_boot_ms() <= atomic_load(permit->until);
}
