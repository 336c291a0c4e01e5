/*
 * Identifiers. Every id, except a random id (id_of_bytes), is a pure function of the input for which it is made, so processing an
 * input again yields the same ids. Services recognise a repeat by its id, so that no input takes effect twice. Text form:
 * prefix and 26 characters of lower-case Crockford base32, which hold 130 bits of a SHA-256, or 130 random bits.
 *
 * Two different inputs of one kind never hash the same bytes, nor do two kinds that share a prefix. The kind (IdKind)
 * determines the hashed bytes:
 *
 *   ID_EVENT_…, ID_REPORT_…   the kind as one byte (the domain byte), first part, NUL, second part, NUL, third part. No part
 *                             contains a NUL.
 *   other kinds below         the domain byte, then each part behind its size in four bytes, big endian. A part may contain any
 *   ID_BEFORE_DOMAINS         bytes.
 *   ID_CORRELATION_KEY        four members of an event, with a NUL between each two. No member contains a NUL.
 *   other kinds from          first part, NUL, second part. Programs compute these ids again and compare them with stored ids:
 *   ID_BEFORE_DOMAINS         with another hash, a command would take effect twice after an upgrade, or a person be notified
 *                             twice. The comments in IdKind state how the hashed bytes of kinds with the same prefix differ. A
 *                             prefix may also have kinds with a domain byte (evt_, out_): their hashed bytes begin with a byte
 *                             below 32, those of kinds without a domain byte with a letter.
 *
 * An upgrade from a version that hashed no domain byte changes no stored id, because ids with a domain byte are computed once
 * and afterwards read from their record.
 *
 *   inc_   2 zero bits, 48 bits of the time of receipt of the opening event in ms, 12 bits of slot, 68 bits of the hash of the
 *          event id: sorts by time and contains the slot, which determines the partition
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

/* Stored ids depend on the numbers below ID_BEFORE_DOMAINS: never change or reuse one. A new kind gets the next number. */
typedef enum {
	ID_EVENT_OF_SENDER = 1,   /* evt_ an event by its (source, id) */
	ID_EVENT_OF_REQUEST = 2,  /* evt_ an event by (key id, Idempotency-Key) */
	ID_REPORT_OF_REQUEST = 3, /* evt_ a report by (key id, Idempotency-Key) */
	ID_INCIDENT = 4,          /* inc_ event id */
	ID_NUMBER = 5,            /* INC-… event id */
	ID_RECORD_OF_INPUT = 6,   /* rec_ input id, ordinal */
	ID_RECORD_OF_OWNER = 7,   /* rec_ ledger partition, position in the term; for a record without an input */
	ID_PROTOCOL_RECORD = 8,   /* led_ ledger partition, owner and record type */
	ID_IMPORTED_PROTOCOL = 9, /* led_ ledger partition, owner and record type; for a record that an import writes */
	ID_REPEAT_REPORT = 10,    /* rep_ incident id, version and position */
	ID_ATTEMPT = 11,          /* del_ message id, state and number of the attempt */
	ID_ESCALATION = 12,       /* esc_ incident and level, plan */
	ID_CHECKPOINT = 13,       /* chk_ "audit", head of the log */
	ID_POLICY = 14,           /* pol_ "policy", version */
	ID_TABLE_ROW = 15,        /* out_ table, key and version */

	ID_BEFORE_DOMAINS = 32,
	/*
	 * Kinds without a prefix. Their hashed bytes differ: those of ID_CORRELATION_KEY contain three NULs, those of the other
	 * kinds one. The first part of ID_CORRELATION_KEY_OF_ID begins with evt_; that of ID_JOIN_KEY is one of two words; that of
	 * ID_LINK_PART has 26 or 30 characters and does not begin with evt_.
	 */
	ID_CORRELATION_KEY = ID_BEFORE_DOMAINS, /* members of an event: correlation_key_of_members */
	ID_CORRELATION_KEY_OF_ID, /* event id, empty text */
	ID_JOIN_KEY,              /* "asset" or "actor", value */
	ID_LINK_PART,             /* two incident ids, or join key and link part; used only as a part of other ids */
	/*
	 * Kinds with the prefix cmd_. Only the first part of ID_COMMAND_OF_REQUEST contains slashes. The first part of
	 * ID_COMMAND_LINK and of ID_COMMAND_CAMPAIGN has 26 characters; the second begins with inc_ and with rec_, respectively.
	 * The first part of ID_COMMAND_ESCALATED begins with esc_.
	 */
	ID_COMMAND_OF_REQUEST,    /* key id/incident id/command, Idempotency-Key */
	ID_COMMAND_LINK,          /* link part, incident id */
	ID_COMMAND_CAMPAIGN,      /* join key, record id */
	ID_COMMAND_ESCALATED,     /* record id, ordinal */
	/* Each of these is the only kind of its prefix without a domain byte. */
	ID_KEY_EVENT,             /* evt_ record id, ordinal: a closing or reopening, for intake */
	ID_JOIN,                  /* jon_ record id, ordinal */
	ID_ASSESSMENT,            /* asm_ record id, ordinal */
	ID_OUTPUT,                /* out_ record id, ordinal */
	ID_MESSAGE,               /* msg_ incident:plan:level:recipient, ordinal; receivers of messages see this id */
	ID_DEAD_LETTER,           /* dlt_ service, topic/partition/offset */
	ID_KINDS
} IdKind;

/*
 * The id of an event or report: kind is one of the first three. No part contains a NUL; correlation_key may be empty.
 * correlation_key is hashed because the duplicate filter covers only one partition, and the key determines the partition: without
 * it, the same (source, id) with another asset would be a duplicate on one partition and a new event on another. The caller
 * passes an empty key for a report and for an event without a correlation member; their correlation key is derived from the
 * event id. An identity with more parts (for example the index of an item in a batch) needs a new kind.
 */
Id id_of_event(IdKind kind, Slice first, Slice second, Slice correlation_key);

/*
 * The correlation key of an event. The caller passes the members by which the policy correlates the events of this source, and
 * empty texts for the others. No member contains a NUL. Each member has a fixed position in the hash, so equal texts in different
 * members give different keys.
 */
Id correlation_key_of_members(Slice source, Slice rule, Slice asset, Slice actor);

/*
 * The id of a kind with two parts. Aborts for the kinds that have a function of their own (event, report, incident, number,
 * correlation key). If the kind has no domain byte, a NUL may occur in only one part, the same for all ids of the kind.
 */
Id id_of_pair(IdKind kind, Slice first, Slice second);

/* Prefix (at most 5 characters, "cmd_") and the first 130 bits of 17 bytes, which the caller has drawn at random. */
Id id_of_bytes(const char *prefix, const uint8_t bytes[static 17]);

/* id_of_pair(kind, parent, ordinal in decimal): the id of the ordinal-th output of one input. */
Id id_derived(IdKind kind, Slice parent, unsigned ordinal);

/* The id of the incident that an event opens. received_at is 0 to INSTANT_MAX; slot < SLOTS. */
Id id_of_incident(Instant received_at, unsigned slot, Slice event_id);

/*
 * Reads slot and opening time from an incident id. False, with *slot and *opened_at untouched, for any other text, and for an id
 * with a time beyond INSTANT_MAX.
 */
bool id_incident_parse(Slice incident_id, unsigned *slot, Instant *opened_at);

/* True when text is the prefix followed by 26 characters of lower-case Crockford base32. */
bool id_is(const char *prefix, Slice text);

/*
 * "INC-2026-7K3M-9QRX": UTC year, and 40 bits of the hash of the event id in upper-case base32. For display only: not unique.
 * received_at is 0 to INSTANT_MAX.
 */
void number_of_incident(Instant received_at, Slice event_id, char out[static NUMBER_SIZE]);

/* True when text has the form of an incident number, with any year of four digits. */
bool number_is(Slice text);

/* murmur2(key) & (SLOTS - 1). */
unsigned slot_of(Slice correlation_key);

Slice id_slice(const Id *id); /* borrowed from id */

#endif
