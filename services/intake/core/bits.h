/*
 * Identifiers as bits. A correlation key is 26 base32 characters, 130 bits of a SHA-256, so it is its own hash: packing it
 * loses nothing and needs no hashing. An incident id is a prefix and 130 bits of which the first two are zero. Both fit
 * into a window's entry without a pointer, and can be written out again as text.
 */
#ifndef TOCSIN_INTAKE_BITS_H
#define TOCSIN_INTAKE_BITS_H

#include "shared/base/id.h"

typedef struct {
	uint64_t high, low; /* bits 2 to 129 */
	uint8_t top;        /* bits 0 and 1 */
} Bits;

bool bits_equal(Bits one, Bits other);

/* 26 base32 characters; false, *out untouched, for anything else. */
bool bits_read(Slice text, Bits *out);

/* prefix is at most 5 characters. */
Id bits_write(const char *prefix, Bits bits);

/* "inc_" and 26 base32 characters. */
bool bits_read_incident(Slice incident_id, Bits *out);

/* "evt_" and 26 base32 characters. */
bool bits_read_event(Slice event_id, Bits *out);

/* When the incident was opened: the 48 bits that its id begins with. */
Instant bits_opened_at(Bits incident);

/* 64 bits that stand for an id of any shape; never 0. Ids of ours are their own hash, others are hashed. */
uint64_t fingerprint_of(Slice id);

#endif
