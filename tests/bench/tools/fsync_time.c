/*
 * Measures an append of 4 KiB followed by fdatasync, in a given directory, and prints median and p99 in microseconds. No durable
 * write can be faster.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 400, BLOCK = 4096 };

static int compare(const void *one, const void *other)
{
	long a = *(const long *)one, b = *(const long *)other;
	return (a > b) - (a < b);
}

static long now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	static long took[ROUNDS];
	char path[1024], block[BLOCK];
	snprintf(path, sizeof(path), "%s/fsync-time", argc > 1 ? argv[1] : ".");
	int file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (file < 0)
		return 1;
	memset(block, 7, sizeof(block));
	for (int i = 0; i < ROUNDS; i++) {
		long began = now_us();
		if (write(file, block, sizeof(block)) != BLOCK || fdatasync(file) != 0)
			return 1;
		took[i] = now_us() - began;
	}
	unlink(path);
	qsort(took, ROUNDS, sizeof(took[0]), compare);
	printf("fsync of 4 KiB appended: median %ld us, p99 %ld us\n", took[ROUNDS / 2], took[ROUNDS * 99 / 100]);
	return 0;
}
