/* test_leftovers.c - one supervisor a state folder; what an earlier one left is found by its mark and killed. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drover/error.h>

#include "proc/cgroup.h"
#include "proc/leftovers.h"
#include "proc/marker.h"
#include "proc/subreaper.h"

#include "machine.h"

static char folder[64], state_dir[128], run[96];

static void setup(void)
{
	strcpy(folder, "/tmp/test-leftovers-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(state_dir, sizeof(state_dir), "%s/a/state", folder);
	ck_assert_int_eq(leftovers_folder(state_dir, (uid_t)-1, run, sizeof(run), NULL), 0);
}

static void teardown(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/lock", state_dir);
	unlink(path);
	rmdir(state_dir);
	snprintf(path, sizeof(path), "%s/a", folder);
	rmdir(path);
	rmdir(folder);
}

/* A sleeping process in a session of its own, an orphan, that carries the mark and holds `lock`. */
static pid_t leave_behind(const char *mark, int lock)
{
	int fds[2];
	pid_t child, left = 0;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		char variable[128], *const argv[] = { (char *)"sleep", (char *)"600", NULL };
		char *const envp[] = { variable, NULL };

		snprintf(variable, sizeof(variable), MARKER_RUN "=%s", mark);
		setsid();
		left = fork();
		if (left) {
			ck_assert_int_eq(write(fds[1], &left, sizeof(left)), (ssize_t)sizeof(left));
			_exit(0);
		}
		signal(SIGTERM, SIG_IGN);
		if (lock >= 0)
			fcntl(lock, F_SETFD, 0);
		execve("/bin/sleep", argv, envp);
		_exit(127);
	}
	waitpid(child, NULL, 0);
	ck_assert_int_eq(read(fds[0], &left, sizeof(left)), (ssize_t)sizeof(left));
	close(fds[0]);
	close(fds[1]);
	for (char value[128]; !subreaper_variable(left, MARKER_RUN, value, sizeof(value));)
		usleep(1000); /* until it has exec'd */
	return left;
}

static bool lives(pid_t pid)
{
	struct subreaper_process process;

	return subreaper_look(pid, &process) && !process.dead;
}

START_TEST(folder_is_private)
{
	struct stat st;
	char again[96];

	ck_assert_int_eq(stat(state_dir, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	ck_assert_int_eq(leftovers_folder(state_dir, (uid_t)-1, again, sizeof(again), NULL), 0);
	ck_assert_str_eq(run, again);
}
END_TEST

START_TEST(second_is_refused)
{
	struct drover_error error = { 0 };
	char expected[32];
	pid_t child;
	int fd, status;

	ck_assert_int_eq(leftovers_lock(state_dir, &fd, NULL), 0);
	snprintf(expected, sizeof(expected), "pid %d", (int)getpid());
	child = fork();
	if (!child) {
		int other, rc = leftovers_lock(state_dir, &other, &error);

		_exit(rc == DROVER_ECONFLICT && strstr(error.message, expected) ? 0 : 1);
	}
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	close(fd);
}
END_TEST

START_TEST(marked_are_killed)
{
	pid_t ours, others;
	int old, fd;

	/* The lock of the earlier life is held by what it has left. */
	ck_assert_int_eq(leftovers_lock(state_dir, &old, NULL), 0);
	ck_assert_int_eq(leftovers_kill(run, NULL, old, NULL), 0);
	ours = leave_behind(run, old);
	others = leave_behind("of-another-folder", -1);
	close(old);

	ck_assert_int_eq(leftovers_lock(state_dir, &fd, NULL), 0);
	ck_assert_int_eq(leftovers_kill(run, NULL, fd, NULL), 0);
	ck_assert(!lives(ours));
	ck_assert(lives(others));
	kill(others, SIGKILL);
	close(fd);
}
END_TEST

START_TEST(groups_are_killed)
{
	char *own, *tree = NULL, *inner = NULL;
	pid_t pid;
	int fd;

	if (!has_cgroups())
		return;
	own = cgroup_own();
	ck_assert_int_gt(asprintf(&tree, "%s/drover-test-left-%d", own, (int)getpid()), 0);
	ck_assert_int_gt(asprintf(&inner, "%s/executor.1", tree), 0);
	ck_assert_int_eq(cgroup_make(tree, (uid_t)-1, NULL), 0);
	ck_assert_int_eq(cgroup_make(inner, (uid_t)-1, NULL), 0);
	pid = cgroup_fork(inner);
	if (!pid)
		for (;;)
			pause();
	ck_assert(cgroup_has_below(tree, pid));
	ck_assert(!cgroup_has_below(inner, pid));
	ck_assert_int_eq(leftovers_lock(state_dir, &fd, NULL), 0);
	ck_assert_int_eq(leftovers_kill(run, tree, fd, NULL), 0);
	ck_assert_int_eq(access(tree, F_OK), -1);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(fd);
	free(own);
	free(tree);
	free(inner);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("leftovers");
	TCase *tcase = tcase_create("leftovers");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, folder_is_private);
	tcase_add_test(tcase, second_is_refused);
	tcase_add_test(tcase, marked_are_killed);
	tcase_add_test(tcase, groups_are_killed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
