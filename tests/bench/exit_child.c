/*
 * exit_child FIFO STAMP
 *
 * Waits for a delay in microseconds (eight bytes) from FIFO and sleeps that long. Then it writes CLOCK_MONOTONIC in
 * nanoseconds to STAMP, a mapped file of eight bytes, and ends: between the stamp and _exit(2) there is nothing.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	volatile int64_t *stamp;
	struct timespec t;
	uint64_t delay;
	int fifo, file;

	if (argc != 3)
		return 2;
	fifo = open(argv[1], O_RDONLY);
	file = open(argv[2], O_RDWR);
	stamp = mmap(NULL, sizeof(*stamp), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (stamp == MAP_FAILED)
		return 3;
	*stamp = 0; /* the page is there before it counts */
	if (read(fifo, &delay, sizeof(delay)) != sizeof(delay))
		return 4;
	t = (struct timespec){ .tv_sec = delay / 1000000, .tv_nsec = delay % 1000000 * 1000 };
	nanosleep(&t, NULL);
	clock_gettime(CLOCK_MONOTONIC, &t);
	*stamp = t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
	_exit(0);
}
