/* machine.h - what the machine that runs the tests must have, and what a test may not expect of it. */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proc/cgroup.h"

/* Nothing is quick under it, and it knows no clone3, so no fork into a cgroup either. */
static bool is_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

/* Fails the test where cgroups could be had and are not: it would prove nothing. */
static bool has_cgroups(void)
{
	char *own;

	if (is_valgrind())
		return false;
	own = cgroup_own();
	ck_assert_msg(own && cgroup_usable(own), "no cgroup2 here may be written: run the tests as root, "
						 "or by systemd-run --user --scope -p Delegate=yes");
	free(own);
	return true;
}

#endif
