/*
 * The header "tocsin" of an event record: "window=900;cap=86400;severity=2;clock=-120". The gateway writes it, and
 * intake reads it instead of parsing the body, so that a repeated event costs intake only one hash look-up.
 */
#ifndef TOCSIN_DOMAIN_EVENT_HEADER_H
#define TOCSIN_DOMAIN_EVENT_HEADER_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

#define EVENT_HEADER "tocsin"

typedef struct {
	int64_t window_seconds, cap_seconds;
	int severity;            /* index into severity_words; -1: a person's report, which has no severity */
	int64_t clock_offset_ms; /* sender's clock minus the server's; INT64_MIN: unknown */
} EventHeader;

/* Appends the value of the header. */
void event_header_write(Buffer *out, const EventHeader *header);
/* Ignores unknown names. ERROR_INPUT, with *out untouched, if a value is invalid, or window or cap is missing. */
Result event_header_read(Slice text, EventHeader *out);

#endif
