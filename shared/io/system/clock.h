/* Clock and random numbers. Pure code (shared/base, shared/domain, the services' cores) gets them as arguments instead. */
#ifndef TOCSIN_IO_SYSTEM_CLOCK_H
#define TOCSIN_IO_SYSTEM_CLOCK_H

#include "shared/base/instant.h"

#include <stddef.h>
#include <stdint.h>

/* Wall clock, milliseconds since 1970. */
Instant clock_now(void);

/* Monotonic clock in microseconds, for durations and deadlines. */
int64_t clock_monotonic_us(void);

/* Milliseconds from now to until_us (a time of clock_monotonic_us), rounded down; 0 if until_us has passed. */
int64_t clock_left_ms(int64_t until_us);

/* Fills out with bytes of the kernel's random generator; aborts if the generator fails. */
void clock_random(void *out, size_t size);

/* Sleeps for the whole time, through signals; 0 or less: returns at once. */
void clock_sleep_ms(int64_t wait_ms);

#endif
