/*
 * Identifiers. Every id, except the random ids below, is a pure function of the input for which it is made, so processing an
 * input again yields the same ids. Services recognise a repeat by its id, so that no input takes effect twice. Text form:
 * prefix and 26 characters of lower-case Crockford base32.
 *
 *   evt_   an event or a report: 130 bits of SHA-256(domain, first, 0, second, 0, correlation key), where domain is one
 *          byte and (first, second) is (source, id) if the sender gave an id, else (key id, Idempotency-Key); 130 random
 *          bits if the sender gave neither id nor Idempotency-Key. The correlation key determines the partition, and the
 *          duplicate filter covers one partition only. Without the correlation key in the hash, a second event with the
 *          same (source, id) but another asset would be a duplicate if both assets are on one partition, and a new event
 *          otherwise. The hashed key is empty for a report and for an event without a correlation member; their
 *          correlation key is derived from the id.
 *   inc_   2 zero bits, 48 bits of the time of receipt of the opening event in ms, 12 bits of slot, 68 bits of
 *          SHA-256(event id): sorts by time and contains the slot, which determines the partition
 *   other prefixes (cmd_, rec_, msg_ …): 130 bits of SHA-256(first, 0, second), or random bits
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

/*
 * The domain byte of an event id: one for each combination of document and identity, so that equal texts in two domains give
 * different ids. The hashed bytes of an id_derived id begin with a letter, never with one of these bytes, so it cannot equal
 * an event id. Stored ids depend on these numbers: never change one. An identity with more parts (for example the index of
 * an item in a batch) needs a new domain.
 */
typedef enum {
	ID_EVENT_OF_SENDER = 1, /* an event by its (source, id) */
	ID_EVENT_OF_REQUEST = 2, /* an event by (key id, Idempotency-Key) */
	ID_REPORT_OF_REQUEST = 3, /* a report by (key id, Idempotency-Key) */
} IdDomain;

/* The id of an event or report. No part contains a NUL; correlation_key may be empty. */
Id id_of_event(IdDomain domain, Slice first, Slice second, Slice correlation_key);

/* Prefix (at most 5 characters, "cmd_") and 130 bits of SHA-256(first, NUL, second). */
Id id_of_pair(const char *prefix, Slice first, Slice second);

/* Prefix and the first 130 bits of 17 random bytes, drawn by the caller. */
Id id_of_bytes(const char *prefix, const uint8_t bytes[static 17]);

/* Prefix and 130 bits of SHA-256(parent, NUL, ordinal in decimal): the id of the ordinal-th output of one input. */
Id id_derived(const char *prefix, Slice parent, unsigned ordinal);

/* The id of the incident that an event opens. received_at is 0 to INSTANT_MAX; slot < SLOTS. */
Id id_of_incident(Instant received_at, unsigned slot, Slice event_id);

/* Reads slot and opening time from an incident id; false, with *slot and *opened_at untouched, for any other text. */
bool id_incident_parse(Slice incident_id, unsigned *slot, Instant *opened_at);

/* True when text is the prefix followed by 26 base32 characters. */
bool id_is(const char *prefix, Slice text);

/* "INC-2026-7K3M-9QRX": UTC year, and 40 bits of SHA-256(event id) in upper-case base32. For display only: not unique. */
void number_of_incident(Instant received_at, Slice event_id, char out[static NUMBER_SIZE]);

/* True when text has that form. */
bool number_is(Slice text);

/* murmur2(key) & (SLOTS - 1). */
unsigned slot_of(Slice correlation_key);

Slice id_slice(const Id *id);

#endif
