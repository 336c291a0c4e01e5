/* What intake.c and decide.c share. Nothing else includes it. */
#ifndef TOCSIN_INTAKE_INTERNAL_H
#define TOCSIN_INTAKE_INTERNAL_H

#include "services/intake/core/judge.h"
#include "services/intake/core/dedup.h"
#include "services/intake/core/windows.h"
#include "services/intake/intake.h"
#include "shared/domain/event_header.h"

enum { HEADERS_MAX = 4096 };

/* How far an input was read, and whether the id that stands there was there before. */
typedef struct {
	DedupFilter seen;
	int64_t offset; /* of the last record observed; -1: none */
	bool before;
} Observed;

typedef struct {
	Windows windows;
	Observed events, joins;
	int64_t undecided;       /* an event that the next draft does not cover although its turn has come; -1: none */
	Instant pruned_at;
	bool prune_more;
	Buffer body, packed, headers;
} Memory;

/* How far the events before next are reflected in what was drafted (Service.position). */
int64_t events_reflected(const Memory *memory, int64_t next);

/* A report of what was counted and not yet reported. */
Result draft_repeat(Handler *handler, const Window *window);

/* Reads an event's key, id and headers. ERROR_INPUT: they are malformed, so no incident counts it. */
Result arrival_read(const Record *input, Arrival *arrival, EventHeader *header);

/* True where a report can repeat a document of so many bytes. An event whose document is needed and does not fit is refused. */
bool document_fits(size_t size);

/* Service.decide, by the input's type. */
Result decide_arrival(Handler *handler, const Record *input);
Result decide_closing(Handler *handler, const Record *input);
Result decide_reopening(Handler *handler, const Record *input);

#endif
