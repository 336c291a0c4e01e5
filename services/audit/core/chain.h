/*
 * The audit log as a hash chain: one line for each record; the hash of a line depends on all lines before it. Pure.
 *
 *   {"seq":N,"previous":"<64 hex>","hash":"<64 hex>","topic":"tocsin.journal","record":{…}}
 *
 * Invariants
 *   1. hash = SHA-256(the 32 bytes of previous ‖ the bytes of the record exactly as in the line). previous of the first line
 *      is 64 zeros; seq counts from 1.
 *   2. A change of any byte of a line is detected: in the record by the hash; in the topic because the record repeats the topic
 *      as its source; in the rest because every other spelling of the line is rejected.
 *   3. A line feed ends a line and occurs nowhere else in it: line breaks between the tokens of a body become spaces.
 *
 * A chain alone does not reveal that its last lines were removed. To detect that, its last hash is compared with the hash in
 * the last checkpoint, which is kept elsewhere, in tocsin.checkpoints.
 */
#ifndef TOCSIN_AUDIT_CORE_CHAIN_H
#define TOCSIN_AUDIT_CORE_CHAIN_H

#include "shared/base/error.h"
#include "shared/base/hash.h"
#include "shared/base/text.h"

#include <stdint.h>

/*
 * Most bytes of a line. The record in it may have half as many (chain_append), four times BUS_RECORD_MAX, because escapes lengthen
 * the headers: a control character is written as six bytes (\u001f).
 */
enum { CHAIN_LINE_MAX = 8 << 20 };

/* The end of a chain; all members are zero for an empty chain. */
typedef struct {
	int64_t count, size; /* lines, and their bytes including line feeds */
	Digest head; /* hash of the last line */
} ChainHead;

/* A record of the bus; borrowed. */
typedef struct {
	Slice topic; /* "tocsin.journal" */
	Slice id, type, subject, time, cause;
	unsigned partition;
	int64_t offset;
	Slice body;
} ChainRecord;

/*
 * Appends {"source","id","type","subject","time","partition","offset","cause","data"}. If the body is a JSON object, data is
 * the body, with spaces for line breaks. Otherwise data_base64 replaces data.
 */
void chain_record_write(Buffer *out, const ChainRecord *record);

/*
 * Appends the next line with its line feed to out, which must have room for CHAIN_LINE_MAX bytes, and advances head.
 * ERROR_INPUT: the record is longer than CHAIN_LINE_MAX / 2; ERROR_INTERNAL: out lacks that room. After an error head and out are
 * unchanged.
 */
Result chain_append(ChainHead *head, const ChainRecord *record, Buffer *out);

/* The parts of a line; the slices borrow from the line. */
typedef struct {
	int64_t seq;
	Digest previous, hash;
	Slice topic, record;
} ChainLine;

/* Splits a line (without its line feed) into its parts. False: the text does not have the form of a line; *out is unchanged. */
bool chain_line_read(Slice line, ChainLine *out);

enum { CHAIN_WHY = 192 }; /* bytes of a reason, with the terminating zero */

/* Checks that a line (without its line feed) is the next line after head, and advances head. False: why holds the reason. */
bool chain_line_check(ChainHead *head, Slice line, char why[static CHAIN_WHY]);

/* Verification of a log, piece by piece. */
typedef struct {
	ChainHead head; /* after the last intact line */
	int64_t bad_line; /* number of the first bad line, from 1; 0: none */
	char why[CHAIN_WHY];
	Buffer partial; /* the beginning of a line whose end has not been read yet */
} ChainVerify;

void chain_verify_init(ChainVerify *verify);
void chain_verify_release(ChainVerify *verify);

/* Verifies the next bytes of the log, a piece of any size. False once a line is bad; bytes after that line are not verified. */
bool chain_verify_feed(ChainVerify *verify, Slice bytes);

/* Ends the verification. False: a line is bad or incomplete, or the chain does not end at expected (NULL: any end is valid). */
bool chain_verify_end(ChainVerify *verify, const ChainHead *expected);

#endif
