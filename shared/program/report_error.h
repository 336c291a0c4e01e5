/* What is said to a person about a failure. */
#ifndef TOCSIN_PROGRAM_REPORT_ERROR_H
#define TOCSIN_PROGRAM_REPORT_ERROR_H

/* "tocsin: " and the sentence, a line on stderr. */
void report_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
