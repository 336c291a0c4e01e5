/* The hour the demo plays: a table of what happened, in the order of the story. */
#ifndef TOCSIN_CLI_DEMO_ALERTS_H
#define TOCSIN_CLI_DEMO_ALERTS_H

#include "shared/base/instant.h"
#include "shared/base/json.h"

/* A row: so many alerts of one kind, evenly over a stretch of the hour. */
typedef struct {
	unsigned count, from_second, over_seconds;
	const char *path;  /* "/v1/events", or "/v1/reports" for what a person reports */
	const char *document; /* JSON, without times and ids */
} DemoAlert;

extern const DemoAlert demo_alerts[];
extern const unsigned demo_alert_count;

/* One of them, to be sent. */
typedef struct {
	const DemoAlert *alert;
	unsigned ordinal;
	unsigned second; /* of the hour */
} DemoStep;

/* All of them in the order of their time; *count of them, to be freed. */
DemoStep *demo_steps(unsigned *count);

/* The document of a step, in an hour that began at start; a new reference. */
json_t *demo_document(const DemoStep *step, Instant start);

#endif
