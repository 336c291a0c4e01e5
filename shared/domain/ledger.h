/*
 * The ledger rule: it decides which records of a ledger are accepted. Every reader of a ledger, in every service, applies it
 * before anything else.
 *
 * A ledger is the topic to which a stateful service writes its decisions. A replica that wants to own a partition appends a
 * claim with the next epoch, and appends entries only after it has read its claim back. An entry is accepted if it has the
 * epoch and owner of the last accepted claim and the next sequence number. The verdict depends only on the records before
 * it, so all readers agree at all times, without a clock, a lease or a list of known ids.
 */
#ifndef TOCSIN_DOMAIN_LEDGER_H
#define TOCSIN_DOMAIN_LEDGER_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

/* The claim and sequence of a ledger record, from its headers. */
typedef struct {
	bool claim;
	uint64_t epoch;
	uint64_t owner; /* random, drawn when the process of the owner starts */
	uint64_t seq;   /* 0 for the claim, then 1, 2, 3 … without gaps */
} LedgerMark;

#define LEDGER_UNKNOWN UINT64_MAX

/* Position and state of a reader: the last accepted record, and the last one before the current claim (checked with ce_prev). */
typedef struct {
	uint64_t epoch, owner, seq;
	uint64_t prev_epoch, prev_seq; /* LEDGER_UNKNOWN: the reader began in the middle and has read no claim yet */
	int64_t next; /* offset of the next record to read */
	int64_t marked; /* offset after the record with this epoch, owner and seq; 0: none was read */
	uint64_t genesis_owner; /* owner of record 0, which identifies the log; 0: not read */
	bool trimmed; /* next is the first record of a trimmed log, which is accepted by definition (ledger_begin) */
} LedgerCursor;

typedef enum { LEDGER_DROP, LEDGER_CLAIMED, LEDGER_ACCEPT } LedgerVerdict;

/* Applies the rule to the record at cursor->next and moves the cursor behind it. */
LedgerVerdict ledger_take(LedgerCursor *cursor, const LedgerMark *mark);

/* True when the record at cursor->marked - 1 has the mark that a stored cursor remembers; false: the log is another one. */
bool ledger_cursor_fits(const LedgerCursor *cursor, const LedgerMark *found);

/*
 * The cursor of a reader without state, at `first`, the offset of the oldest record. An owner trims its ledger only up to an
 * accepted record, so the first record of a trimmed log is accepted.
 */
LedgerCursor ledger_begin(int64_t first);

/* The cursor of a reader behind a record at `offset` that is known to be accepted. */
LedgerCursor ledger_enter(const LedgerMark *accepted, int64_t offset);

/* Reads the mark from packed headers; ERROR_INPUT, with *out untouched, if one is missing or invalid. Epochs begin at 1. */
Result ledger_mark_read(Slice headers, LedgerMark *out);

/*
 * ledger_take for a record with these headers. Any writer may append anything to the topic: every reader drops a record
 * without a valid mark and continues. *mark is the mark of the record; its epoch is 0 if the record has none.
 */
LedgerVerdict ledger_judge(LedgerCursor *cursor, Slice headers, LedgerMark *mark);

/* Appends the mark to packed headers. */
void ledger_mark_write(Buffer *headers, const LedgerMark *mark);

/*
 * Checks an opening record (the one with seq 1, the first after a claim) once ledger_take has accepted it: its ce_prev must
 * name the last record accepted before the claim. ERROR_INTERNAL if it names another: the log has lost or changed accepted
 * records. Not checked if there is no ce_prev or the cursor does not know that record (LEDGER_UNKNOWN).
 */
Result ledger_opening_check(const LedgerCursor *cursor, Slice headers);

/* Input positions: "commands=9912;assessments=1042". */
enum { LEDGER_PARTITIONS_MAX = 64, LEDGER_POSITIONS_MAX = 256, LEDGER_POSITIONS_TEXT = LEDGER_POSITIONS_MAX * 40 };
typedef struct {
	size_t count;
	struct {
		unsigned topic;     /* TopicId */
		unsigned partition; /* written only if it is not the record's own: "journal/3=12" */
		int64_t position;
	} list[LEDGER_POSITIONS_MAX];
} LedgerPositions;
/* ERROR_INPUT, with *out untouched, for an unknown topic, an invalid number, or more than LEDGER_POSITIONS_MAX. */
Result ledger_positions_read(Slice text, unsigned own_partition, LedgerPositions *out);
/* Appends the text. */
void ledger_positions_write(Buffer *out, unsigned own_partition, const LedgerPositions *positions);

#endif
