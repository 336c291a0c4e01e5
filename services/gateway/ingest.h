/*
 * POST /v1/events and /v1/reports: the hot path. A handler suspends its request, then appends the record; the bus's thread
 * answers when the record is durable. No thread waits for a disk.
 */
#ifndef TOCSIN_GATEWAY_INGEST_H
#define TOCSIN_GATEWAY_INGEST_H

#include "services/gateway/idempotency.h"
#include "services/gateway/policies.h"
#include "shared/io/bus.h"
#include "shared/io/http/server.h"

/* Context of the handlers; everything is borrowed. */
typedef struct {
	Bus *bus;
	Policies *policies;
	IdempotencyCache *idempotency;
} Ingest;

/* The answer to an event or report that is durable. */
typedef struct {
	const char *id, *correlation_key;
} AcceptedAnswer;
extern const FieldTable accepted_table;

/* Handlers; context is an Ingest. */
void ingest_event(HttpRequest *request, void *context);
void ingest_report(HttpRequest *request, void *context);

#endif
