/* Captures stdout, in particular log lines, for a test. */
#ifndef TOCSIN_TESTS_CAUGHT_H
#define TOCSIN_TESTS_CAUGHT_H

/* Redirects stdout to a temporary file until catch_end. Aborts on failure. */
void catch_begin(void);

/* Restores stdout; returns the captured text, NUL-terminated, cut to CAUGHT_MAX bytes and valid until the next catch_begin. */
enum { CAUGHT_MAX = 65536 };
const char *catch_end(void);

#endif
