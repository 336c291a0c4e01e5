/* What is written to stdout, log lines above all, caught for a test to look at. */
#ifndef TOCSIN_TESTS_CAUGHT_H
#define TOCSIN_TESTS_CAUGHT_H

/* From here until catch_end stdout goes to a file that nobody else sees. Aborts when it cannot. */
void catch_begin(void);

/* Its text, ended by a NUL, until the next catch_begin; stdout is again what it was. What was beyond CAUGHT_MAX is cut off. */
enum { CAUGHT_MAX = 65536 };
const char *catch_end(void);

#endif
