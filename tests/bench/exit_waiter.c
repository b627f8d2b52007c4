/*
 * exit_waiter CHILD FIFO STAMP
 *
 * The floor: for each delay on stdin it starts CHILD, waits for its end in poll(pidfd), asks for its status, and prints
 * as JSON how long after the child's stamp that was, in nanoseconds.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void need(int holds, const char *what)
{
	if (!holds) {
		perror(what);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	volatile int64_t *stamp;
	uint64_t delay;
	int fifo, file;

	need(argc == 4, "usage: exit_waiter CHILD FIFO STAMP");
	fifo = open(argv[2], O_RDWR | O_CLOEXEC);
	need(fifo >= 0, argv[2]);
	file = open(argv[3], O_RDWR | O_CLOEXEC);
	need(file >= 0, argv[3]);
	stamp = mmap(NULL, sizeof(*stamp), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	need(stamp != MAP_FAILED, "mmap");
	while (scanf("%" SCNu64, &delay) == 1) {
		struct pollfd waited = { .events = POLLIN };
		struct timespec t;
		siginfo_t ended;
		pid_t child;

		need(posix_spawn(&child, argv[1], NULL, NULL, argv + 1, environ) == 0, argv[1]);
		waited.fd = syscall(SYS_pidfd_open, child, 0);
		need(waited.fd >= 0, "pidfd_open");
		need(write(fifo, &delay, sizeof(delay)) == sizeof(delay), "write");
		need(poll(&waited, 1, -1) == 1, "poll");
		need(waitid(P_PIDFD, waited.fd, &ended, WEXITED | WNOWAIT) == 0, "waitid");
		clock_gettime(CLOCK_MONOTONIC, &t);
		printf("{\"C poll(pidfd)\": %" PRId64 "}\n", t.tv_sec * INT64_C(1000000000) + t.tv_nsec - *stamp);
		fflush(stdout);
		need(waitid(P_PIDFD, waited.fd, &ended, WEXITED) == 0 && ended.si_status == 0, "the child's status");
		close(waited.fd);
	}
	return 0;
}
