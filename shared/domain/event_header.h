/*
 * What intake must know of an event without parsing its body: one packed header ("tocsin") that the gateway writes and
 * intake reads, "window=900;cap=86400;severity=2;clock=-120". A storm costs a hash look-up because of it.
 */
#ifndef TOCSIN_DOMAIN_EVENT_HEADER_H
#define TOCSIN_DOMAIN_EVENT_HEADER_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

#define EVENT_HEADER "tocsin"

typedef struct {
	int64_t window_seconds, cap_seconds;
	int severity;            /* index into severity_words; -1: none (a person's report) */
	int64_t clock_offset_ms; /* sender's clock minus ours where it can be told; INT64_MIN: not known */
} EventHeader;

void event_header_write(Buffer *out, const EventHeader *header);
Result event_header_read(Slice text, EventHeader *out);

#endif
