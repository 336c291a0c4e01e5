/* The clock and the dice, read only at the edge and by programs, and handed on as arguments. */
#ifndef TOCSIN_IO_SYSTEM_CLOCK_H
#define TOCSIN_IO_SYSTEM_CLOCK_H

#include "shared/base/instant.h"

#include <stddef.h>
#include <stdint.h>

/* Wall clock, ms since 1970. */
Instant clock_now(void);

/* Microseconds of a clock that never goes back; for measuring. */
int64_t clock_monotonic_us(void);

/* From now until then, by that clock; 0 when it has passed. */
int64_t clock_left_ms(int64_t until_us);

/* Bytes from the kernel's generator; aborts where it has none. */
void clock_random(void *out, size_t size);

void clock_sleep_ms(int64_t wait_ms);

#endif
