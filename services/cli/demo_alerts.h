/* The table of the alerts that the demo sends. They are spread over one hour. */
#ifndef TOCSIN_CLI_DEMO_ALERTS_H
#define TOCSIN_CLI_DEMO_ALERTS_H

#include "shared/base/instant.h"
#include "shared/base/json.h"

/* A row: `count` alerts with the same document, spread evenly over over_seconds from from_second of the hour on. */
typedef struct {
	unsigned count, from_second, over_seconds;
	const char *path;     /* "/v1/events", or "/v1/reports" for a person's report */
	const char *document; /* JSON, without times and ids */
} DemoAlert;

extern const DemoAlert demo_alerts[];
extern const unsigned demo_alert_count;

/* One alert to be sent. */
typedef struct {
	const DemoAlert *alert;
	unsigned ordinal; /* within its row, from 0 */
	unsigned second; /* of the hour */
} DemoStep;

/* All *count alerts, ordered by time; the caller frees the array. */
DemoStep *demo_steps(unsigned *count);

/* The document of a step in the hour that begins at start; a new reference. */
json_t *demo_document(const DemoStep *step, Instant start);

#endif
