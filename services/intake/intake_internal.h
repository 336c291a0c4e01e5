/* Shared by intake.c, decide.c and recount_records.c. */
#ifndef TOCSIN_INTAKE_INTERNAL_H
#define TOCSIN_INTAKE_INTERNAL_H

#include "services/intake/core/document.h"
#include "services/intake/core/judge.h"
#include "services/intake/core/dedup.h"
#include "services/intake/core/windows.h"
#include "services/intake/intake.h"
#include "shared/domain/event_header.h"

enum { HEADERS_MAX = 4096 };

/* The deduplication of one input topic. */
typedef struct {
	DedupFilter filter;
	int64_t offset; /* of the last record observed; -1: none */
	bool duplicate; /* that record's id occurred before */
} Observed;

typedef struct {
	Windows windows;
	Observed events, joins;
	int64_t undecided; /* offset of an input that the draft being written does not reflect yet (draft_last_count); -1: none */
	Instant pruned_at;  /* record time of the last draft that prunes */
	bool prune_more;    /* the last prune reached its limit of rows */
	Buffer body, packed, headers;
} Memory;

/* The offset, at most `next`, before which every event is reflected in the drafts so far (Service.position). */
int64_t events_reflected(const Memory *memory, int64_t next);

/* Drafts a report that states the window's count, pending events included. */
Result draft_repeat(Handler *handler, const Window *window);

/* Reads an event's key, id and headers. ERROR_INPUT: malformed; no incident counts the event. */
Result arrival_read(const Record *input, Arrival *arrival, EventHeader *header);

/* Reads the key and subject of a closing or reopening. ERROR_INPUT: malformed, or of another partition. */
Result change_check(const Record *input, unsigned partitions);

/* Each implements ServiceInput.decide for one kind of input. */
Result decide_arrival(Handler *handler, const Record *input);
Result decide_closing(Handler *handler, const Record *input);
Result decide_reopening(Handler *handler, const Record *input);

#endif
