/*
 * state_poll INTERVAL STAMPS
 *
 * The peer of tests/bench/attach.py: looks at the kernel's sched_ext state every INTERVAL microseconds and, whenever it
 * has become `enabled`, appends CLOCK_MONOTONIC in nanoseconds to the file STAMPS, a line each.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STATE "/sys/kernel/sched_ext/state"

static int enabled(void)
{
	char text[32];
	int file = open(STATE, O_RDONLY | O_CLOEXEC);
	ssize_t size = file < 0 ? -1 : read(file, text, sizeof(text));

	close(file);
	return size >= 7 && !memcmp(text, "enabled", 7);
}

int main(int argc, char **argv)
{
	const struct sched_param first = { .sched_priority = 1 };
	struct timespec pause, now;
	int was = 1, is;
	FILE *stamps;
	long interval;

	if (argc != 3 || !(stamps = fopen(argv[2], "a")))
		return 2;
	interval = atol(argv[1]);
	pause = (struct timespec){ .tv_sec = interval / 1000000, .tv_nsec = interval % 1000000 * 1000 };
	/* As our PID 1. */
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		return 3;
	for (;; was = is) {
		is = enabled();
		if (is && !was) {
			clock_gettime(CLOCK_MONOTONIC, &now);
			fprintf(stamps, "%" PRId64 "\n", now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
			fflush(stamps);
		}
		nanosleep(&pause, NULL);
	}
}
