/* What every process says of itself: tocsin_build_info and process_*, from /proc when asked. Private to metrics.c. */
#ifndef TOCSIN_IO_SYSTEM_METRICS_PROCESS_H
#define TOCSIN_IO_SYSTEM_METRICS_PROCESS_H

#include "shared/base/text.h"

/* Appended in text format; what /proc does not tell is left out. */
void metrics_process_write(Buffer *out);

#endif
