#include "shared/io/system/clock.h"

#include "shared/base/error.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

Instant clock_now(void)
{
	struct timespec now;
	must(clock_gettime(CLOCK_REALTIME, &now) == 0);
	return (Instant)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_us(void)
{
	struct timespec now;
	must(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_left_ms(int64_t until_us)
{
	int64_t left_ms = (until_us - clock_monotonic_us()) / 1000;
	return left_ms > 0 ? left_ms : 0;
}

void clock_random(void *out, size_t size)
{
	char *to = out;
	while (size > 0) {
		ssize_t got = getrandom(to, size, 0);
		if (got < 0 && errno == EINTR)
			continue;
		must(got > 0);
		to += got;
		size -= (size_t)got;
	}
}

void clock_sleep_ms(int64_t wait_ms)
{
	if (wait_ms <= 0)
		return;
	struct timespec left = { .tv_sec = (time_t)(wait_ms / 1000), .tv_nsec = (long)(wait_ms % 1000) * 1000000 };
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		continue;
}
