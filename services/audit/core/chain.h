/*
 * The audit file as a chain: one line a record, each bound to all before it. Pure: bytes in, bytes or a verdict out.
 *
 *   {"seq":N,"previous":"<64 hex>","hash":"<64 hex>","topic":"tocsin.journal","record":{…}}
 *
 * Invariants
 *   1. hash = SHA-256(previous as its 32 bytes ‖ the bytes of the record exactly as they stand in the line). The first
 *      previous is 64 zeros, seq counts from 1.
 *   2. Every byte of a line is bound: the record by the hash, the topic because the record names it again as its
 *      source, all the rest because a line is only accepted in the one form it is written in.
 *   3. A line ends with the only line feed in it: line breaks between the tokens of a body become spaces.
 *
 * What a chain alone cannot show is that its last lines were cut off at a line's end: for that its head is compared
 * with one kept elsewhere (the checkpoints).
 */
#ifndef TOCSIN_AUDIT_CORE_CHAIN_H
#define TOCSIN_AUDIT_CORE_CHAIN_H

#include "shared/base/error.h"
#include "shared/base/hash.h"
#include "shared/base/text.h"

#include <stdint.h>

/* Six bytes for every byte of the longest record of the bus, were all of it control characters in a header. */
enum { CHAIN_LINE_MAX = 8 << 20 };

/* Where a chain stands; all zero at its beginning. */
typedef struct {
	int64_t count, size; /* lines, and their bytes with the line feeds */
	Digest head; /* hash of the last line */
} ChainHead;

/* A record of the bus, borrowed. */
typedef struct {
	Slice topic; /* "tocsin.journal" */
	Slice id, type, subject, time, cause;
	unsigned partition;
	int64_t offset;
	Slice body;
} ChainRecord;

/*
 * The record's value appended: {"source","id","type","subject","time","partition","offset","cause","data"}, the body
 * verbatim as data where it is a JSON object, else as data_base64.
 */
void chain_record_write(Buffer *out, const ChainRecord *record);

/* The next line appended to out with its line feed, head moved behind it. out must have CHAIN_LINE_MAX bytes left. */
void chain_append(ChainHead *head, const ChainRecord *record, Buffer *out);

typedef struct {
	int64_t seq;
	Digest previous, hash;
	Slice topic, record;
} ChainLine;

/* Takes a line (without line feed) apart; false when it has not the form. Slices point into it. */
bool chain_line_read(Slice line, ChainLine *out);

enum { CHAIN_WHY = 192 };

/* Checks the line that should come after head, and moves head behind it. false: why says what does not fit. */
bool chain_line_check(ChainHead *head, Slice line, char why[static CHAIN_WHY]);

/* A ledger being verified piece by piece. */
typedef struct {
	ChainHead head; /* of the lines that fit */
	int64_t bad_line; /* the first that does not, from 1; 0: none */
	char why[CHAIN_WHY];
	Buffer partial; /* the line whose end has not come yet */
} ChainVerify;

void chain_verify_init(ChainVerify *verify);
void chain_verify_release(ChainVerify *verify);

/* The next bytes, in pieces of any size. false once a line does not fit: what follows says nothing any more. */
bool chain_verify_feed(ChainVerify *verify, Slice bytes);

/* The end: a last line without a line feed is incomplete. expected (or NULL): where the chain should stand. */
bool chain_verify_end(ChainVerify *verify, const ChainHead *expected);

#endif
