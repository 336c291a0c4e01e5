/* Metrics of the process: tocsin_build_info, and process_* from /proc. Private to metrics.c. */
#ifndef TOCSIN_IO_SYSTEM_METRICS_PROCESS_H
#define TOCSIN_IO_SYSTEM_METRICS_PROCESS_H

#include "shared/base/text.h"

/* Appends the metrics of the process in text format; values that /proc does not have are omitted. */
void metrics_process_write(Buffer *out);

#endif
