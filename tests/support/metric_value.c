#include "tests/support/metric_value.h"

#include "shared/io/system/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_MAX = 4 << 20 };

int64_t metric_value(const char *series)
{
	char begin[256];
	Buffer text;
	buffer_init(&text, METRICS_MAX);
	metrics_write(&text);
	snprintf(begin, sizeof begin, "\n%s ", series);
	const char *line = strstr(text.data, begin);
	int64_t value = line != NULL ? strtoll(line + strlen(begin), NULL, 10) : 0;
	buffer_release(&text);
	return value;
}
