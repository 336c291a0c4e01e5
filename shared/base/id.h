/*
 * Identifiers. All of them are made by pure functions of what they name, so that doing work again makes the same ids
 * ("nothing counts twice" rests on it). Text form: prefix and 26 characters of lower-case Crockford base32.
 *
 *   evt_   of a sender's event or report: 130 bits of SHA-256(domain, first, 0, second, 0, correlation key), where domain
 *          is one byte and (first, second) is (source, id), else (key id, Idempotency-Key); 130 random bits where the
 *          sender gave neither. The correlation key is part of it because the duplicate filter of a partition knows that
 *          partition only, and the key decides the partition: without it, the same (source, id) with another asset would
 *          be a duplicate on one partition and a new event on another. It is empty for an event that has no correlation
 *          member and for a report; their key is derived from the id.
 *   inc_   2 zero bits, 48 bits of the opening event's received time in ms, 12 bits of slot, 68 bits of
 *          SHA-256(event id): sorts by time, and says in which partition the incident lives
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
 * The domain byte of an event id: one for each kind of document and of name, so that equal texts in two of them are two
 * identities. Record ids begin with a letter, so no id derived from a record equals one of these either. Stored ids rest
 * on the numbers: they never change. An identity of more parts (the index of an item of a batch behind the
 * Idempotency-Key) takes a domain of its own.
 */
typedef enum {
	ID_EVENT_OF_SENDER = 1, /* an event by its (source, id) */
	ID_EVENT_OF_REQUEST = 2, /* an event by (key id, Idempotency-Key) */
	ID_REPORT_OF_REQUEST = 3, /* a report by (key id, Idempotency-Key) */
} IdDomain;

/* The id of a sender's event or report. No part holds a NUL; correlation_key may be empty. */
Id id_of_event(IdDomain domain, Slice first, Slice second, Slice correlation_key);

/* Prefix (at most 5 characters, "cmd_") and 130 bits of SHA-256(first, NUL, second). */
Id id_of_pair(const char *prefix, Slice first, Slice second);

/* Prefix and the 130 first bits of 17 given bytes (random ones, from the edge). */
Id id_of_bytes(const char *prefix, const uint8_t bytes[static 17]);

/* Prefix and 130 bits of SHA-256(parent, NUL, ordinal in decimal): the id of the ordinal-th output of one input. */
Id id_derived(const char *prefix, Slice parent, unsigned ordinal);

/* The incident an event opens. slot < SLOTS. */
Id id_of_incident(Instant received_at, unsigned slot, Slice event_id);

/* KafkaPartition and opening time out of an incident id; false when the text is no incident id. */
bool id_incident_parse(Slice incident_id, unsigned *slot, Instant *opened_at);

/* True when text is prefix and 26 base32 characters. */
bool id_is(const char *prefix, Slice text);

/* "INC-2026-7K3M-9QRX": 40 bits of SHA-256(event id), upper-case base32, for people. */
void number_of_incident(Instant received_at, Slice event_id, char out[static NUMBER_SIZE]);

/* murmur2(key) & 4095. */
unsigned slot_of(Slice correlation_key);

Slice id_slice(const Id *id);

#endif
