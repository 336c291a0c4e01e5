/* What a test reads off the metrics, as a scraper would. */
#ifndef TOCSIN_TESTS_METRIC_VALUE_H
#define TOCSIN_TESTS_METRIC_VALUE_H

#include <stdint.h>

/* Of a series as it is written, tocsin_bus_lag_records{service="intake",topic="events"}; 0 where it is not there. */
int64_t metric_value(const char *series);

#endif
