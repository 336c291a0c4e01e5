/*
 * Identifiers. All of them are made by pure functions of what they name, so that doing work again makes the same ids
 * ("nothing counts twice" rests on it). Text form: prefix and 26 characters of lower-case Crockford base32.
 *
 *   evt_   130 bits of SHA-256(source, 0, id); else of (key id, 0, Idempotency-Key); else 130 random bits
 *   inc_   2 zero bits, 48 bits of the opening event's received time in ms, 12 bits of slot, 68 bits of
 *          SHA-256(event id): sorts by time, and says in which partition the incident lives
 *   cmd_, msg_ … like evt_
 */
#ifndef TOCSIN_BASE_ID_H
#define TOCSIN_BASE_ID_H

#include "shared/base/error.h"
#include "shared/base/hash.h"
#include "shared/base/instant.h"
#include "shared/base/text.h"

enum { ID_BASE32 = 26, ID_SIZE = 32, SLOTS = 4096, NUMBER_SIZE = 20 };

typedef struct {
	char text[ID_SIZE];
} Id;

/* Prefix (at most 5 characters, "evt_") and 130 bits of SHA-256(first, NUL, second). */
Id id_of_pair(const char *prefix, Slice first, Slice second);

/* Prefix and the 130 first bits of 17 given bytes (random ones, from the edge). */
Id id_of_bytes(const char *prefix, const uint8_t bytes[static 17]);

/* Prefix and 130 bits of SHA-256(parent, NUL, ordinal in decimal): the id of the ordinal-th output of one input. */
Id id_derived(const char *prefix, Slice parent, unsigned ordinal);

/* The incident an event opens. slot < SLOTS. */
Id id_of_incident(Instant received_at, unsigned slot, Slice event_id);

/* Slot and opening time out of an incident id; false when the text is no incident id. */
bool id_incident_parse(Slice incident_id, unsigned *slot, Instant *opened_at);

/* True when text is prefix and 26 base32 characters. */
bool id_is(const char *prefix, Slice text);

/* "INC-2026-7K3M-9QRX": 40 bits of SHA-256(event id), upper-case base32, for people. */
void number_of_incident(Instant received_at, Slice event_id, char out[static NUMBER_SIZE]);

/* murmur2(key) & 4095. */
unsigned slot_of(Slice correlation_key);

Slice id_slice(const Id *id);

#endif
