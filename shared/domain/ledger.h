/*
 * The ledger rule: it decides which records of a ledger are accepted. Every reader of a ledger, in every service, applies it
 * before anything else.
 *
 * A ledger is the topic to which a stateful service writes its decisions. To become owner of a partition, a replica appends a
 * claim with the next epoch, and appends entries only after it has read its claim back. An entry is accepted if it has the
 * epoch and owner of the last accepted claim and the next sequence number. The verdict on a record depends only on that record
 * and those before it. So all readers agree at all times, without a clock, a lease or a list of known ids.
 */
#ifndef TOCSIN_DOMAIN_LEDGER_H
#define TOCSIN_DOMAIN_LEDGER_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

/* The headers of a ledger record that decide if it is accepted (ce_epoch, ce_owner, ce_seq). */
typedef struct {
	bool claim;     /* the record is a claim: seq is 0 */
	uint64_t epoch;
	uint64_t owner; /* random, drawn when the process of the owner starts */
	uint64_t seq;   /* 0 for the claim, then 1, 2, 3 … without gaps */
} LedgerMark;

#define LEDGER_UNKNOWN UINT64_MAX /* greater than every epoch and sequence number */

/*
 * Position and state of a reader of one partition. epoch, owner and seq: of the last accepted record or claim. prev_epoch and
 * prev_seq: of the last accepted record or claim before the current claim; ce_prev of the opening record must name them.
 */
typedef struct {
	uint64_t epoch, owner, seq;
	uint64_t prev_epoch, prev_seq; /* LEDGER_UNKNOWN: the reader began in the middle of the log and has read no claim yet */
	int64_t next; /* offset of the next record to read */
	int64_t marked; /* offset behind the record with this epoch, owner and seq; 0: no such record was read */
	uint64_t genesis_owner; /* owner of record 0, by which logs are distinguished; 0: not read, or without valid mark */
	bool trimmed; /* the next record with a valid mark is the first of a trimmed log: accepted without a check */
} LedgerCursor;

typedef enum { LEDGER_DROP, LEDGER_CLAIMED, LEDGER_ACCEPT } LedgerVerdict;

/* Applies the rule to the record at cursor->next and moves the cursor behind it. */
LedgerVerdict ledger_take(LedgerCursor *cursor, const LedgerMark *mark);

/*
 * For a stored cursor. found: the mark of the record that the log now has at offset cursor->marked - 1. True when it has the
 * epoch, owner and seq of the cursor; false: the cursor was stored for another log.
 */
bool ledger_cursor_fits(const LedgerCursor *cursor, const LedgerMark *found);

/*
 * The cursor of a reader without stored state; first: offset of the oldest record. If first is not 0, the log was trimmed. An
 * owner trims only up to an accepted record, so ledger_take then accepts the first record without a check.
 */
LedgerCursor ledger_begin(int64_t first);

/* The cursor of a reader that continues behind the record at `offset`, an accepted record with the mark `accepted`. */
LedgerCursor ledger_enter(const LedgerMark *accepted, int64_t offset);

/*
 * Reads the mark from packed headers. ERROR_INPUT, with *out untouched: a header is missing or invalid. An epoch is 1 to 2^53, a
 * seq at most 2^53.
 */
Result ledger_mark_read(Slice headers, LedgerMark *out);

/*
 * ledger_take for a record with these headers. Any program on the bus can append any record to the topic, so a record without
 * a valid mark is dropped, not an error. *mark is the mark of the record; its epoch is 0 if the record has no valid mark.
 */
LedgerVerdict ledger_judge(LedgerCursor *cursor, Slice headers, LedgerMark *mark);

/* Appends the mark to packed headers. */
void ledger_mark_write(Buffer *headers, const LedgerMark *mark);

/*
 * Checks an opening record (the one with seq 1, the first after a claim) once ledger_take has accepted it: its ce_prev must
 * name the last record accepted before the claim. ERROR_INTERNAL if ce_prev names another record: the log has lost or changed
 * accepted records. Not checked if the headers have no ce_prev or the cursor does not know that record (LEDGER_UNKNOWN).
 */
Result ledger_opening_check(const LedgerCursor *cursor, Slice headers);

/* Input positions: "commands=9912;assessments=1042". */
enum { LEDGER_PARTITIONS_MAX = 64, LEDGER_POSITIONS_MAX = 256, LEDGER_POSITIONS_TEXT = LEDGER_POSITIONS_MAX * 40 };
typedef struct {
	size_t count;
	struct {
		unsigned topic;     /* TopicId */
		unsigned partition; /* in the text only if it is not the record's own partition: "journal/3=12" */
		int64_t position;
	} list[LEDGER_POSITIONS_MAX];
} LedgerPositions;
/*
 * own_partition: partition of the record that has the text. ERROR_INPUT, with *out untouched: unknown topic, invalid number, too
 * many positions.
 */
Result ledger_positions_read(Slice text, unsigned own_partition, LedgerPositions *out);
/* Appends the text. */
void ledger_positions_write(Buffer *out, unsigned own_partition, const LedgerPositions *positions);

#endif
