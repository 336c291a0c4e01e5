/* What is said to a person about a failure. */
#ifndef TOCSIN_SERVICE_COMPLAIN_H
#define TOCSIN_SERVICE_COMPLAIN_H

/* "tocsin: " and the sentence, a line on stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
