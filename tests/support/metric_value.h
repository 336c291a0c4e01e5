/* Reads a metric from the text format, as a scraper does. */
#ifndef TOCSIN_TESTS_METRIC_VALUE_H
#define TOCSIN_TESTS_METRIC_VALUE_H

#include <stdint.h>

/* The integer part of the value of a series such as tocsin_bus_lag_records{service="intake",topic="events"}; 0 if it is missing. */
int64_t metric_value(const char *series);

#endif
