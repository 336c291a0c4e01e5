/* Error messages for people, on stderr. */
#ifndef TOCSIN_PROGRAM_REPORT_ERROR_H
#define TOCSIN_PROGRAM_REPORT_ERROR_H

/* Writes "tocsin: ", the text (at most 1,023 bytes) and a line feed to stderr. */
void report_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
