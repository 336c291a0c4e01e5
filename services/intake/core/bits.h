/*
 * Ids packed into bits. A correlation key is 26 base32 characters: 130 bits of a SHA-256, uniform enough to serve as its own
 * hash. An incident id is a prefix and 130 bits, of which the first two are zero. Both are stored in a window's entry without
 * a pointer, and packing is reversible.
 */
#ifndef TOCSIN_INTAKE_BITS_H
#define TOCSIN_INTAKE_BITS_H

#include "shared/base/id.h"

typedef struct {
	uint64_t high, low; /* bits 2 to 129 */
	uint8_t top;        /* bits 0 and 1 */
} Bits;

bool bits_equal(Bits one, Bits other);

/* Reads 26 base32 characters. False, with *out untouched, if the text is anything else. */
bool bits_read(Slice text, Bits *out);

/* The id with this prefix; only the first 5 characters of a longer prefix are used. */
Id bits_write(const char *prefix, Bits bits);

/* Reads "inc_" and 26 base32 characters. False, with *out untouched, if the id is anything else. */
bool bits_read_incident(Slice incident_id, Bits *out);

/* Reads "evt_" and 26 base32 characters. False, with *out untouched, if the id is anything else. */
bool bits_read_event(Slice event_id, Bits *out);

/* When the incident was opened: the 48 bits of its id after the two zero bits. */
Instant bits_opened_at(Bits incident);

/* A 64-bit fingerprint of any id, never 0: the last 64 bits of an id in the form of Tocsin, which are uniform; else of its hash. */
uint64_t fingerprint_of(Slice id);

#endif
