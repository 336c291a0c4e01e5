/* GET of incidents and timelines, from the view. */
#ifndef TOCSIN_GATEWAY_QUERIES_H
#define TOCSIN_GATEWAY_QUERIES_H

#include "services/gateway/policies.h"
#include "services/gateway/view_readers.h"
#include "shared/base/hash.h"

/* Context of the handlers; everything is borrowed. */
typedef struct {
	ViewReaders *views;
	Policies *policies;
	const Digest *cursor_key; /* signs cursors (core/cursor.h) */
} Queries;

/* Handlers; context is a Queries. */
void query_incidents(HttpRequest *request, void *context);
void query_incident(HttpRequest *request, void *context);
void query_timeline(HttpRequest *request, void *context);

#endif
