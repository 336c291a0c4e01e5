/*
 * The ledger rule: which records of a ledger count. Pure; every reader of a ledger, in every service, applies it first.
 *
 * A ledger is the one topic a stateful service writes its truth to. Whoever would own a partition appends a claim with the
 * next epoch and may write entries only after it has read its own claim back. An entry counts when it stands in the epoch
 * and by the owner of the last accepted claim, with the next sequence number. The verdict depends only on what stands
 * before the record, so all readers agree whenever they read. It needs no clock, no lease and no list of known ids.
 */
#ifndef TOCSIN_DOMAIN_LEDGER_H
#define TOCSIN_DOMAIN_LEDGER_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

/* What stands in the headers of a ledger record. */
typedef struct {
	bool claim;
	uint64_t epoch;
	uint64_t owner; /* random, drawn when the owner's process starts */
	uint64_t seq;   /* 0 for the claim, then 1, 2, 3 … without a hole */
} LedgerMark;

#define LEDGER_UNKNOWN UINT64_MAX

/* Where a reader stands: the last accepted record, and the same before the claim in force (what ce_prev is checked with). */
typedef struct {
	uint64_t epoch, owner, seq;
	uint64_t prev_epoch, prev_seq; /* LEDGER_UNKNOWN: entered in the middle, no claim read yet */
	int64_t next; /* offset of the next record to read */
	int64_t marked; /* right behind the record that carries this epoch, owner and seq; 0: none was read */
	uint64_t genesis_owner; /* owner of the log's record 0: another log has another; 0: was not read */
	bool trimmed; /* next is the first record of a log that was cut there: accepted by definition (ledger_begin) */
} LedgerCursor;

typedef enum { LEDGER_DROP, LEDGER_CLAIMED, LEDGER_ACCEPT } LedgerVerdict;

/* Judges the record at cursor->next and moves the cursor behind it. */
LedgerVerdict ledger_take(LedgerCursor *cursor, const LedgerMark *mark);

/* Whether a log's record at cursor->marked - 1 is the one that a stored cursor was left by: else it is another log. */
bool ledger_cursor_fits(const LedgerCursor *cursor, const LedgerMark *there);

/*
 * A reader that knows nothing yet, at the oldest record there is. An owner cuts its log only right before an accepted
 * record, so what stands first in a log whose beginning is gone is accepted, whatever was before it.
 */
LedgerCursor ledger_begin(int64_t first);

/* A reader that enters behind a record it knows to be accepted, at offset. */
LedgerCursor ledger_enter(const LedgerMark *accepted, int64_t offset);

/* Reads the mark out of packed headers; ERROR_INPUT when they are no ledger record's. Epochs begin at 1. */
Result ledger_mark_read(Slice headers, LedgerMark *out);

/*
 * ledger_take of the record with these headers. Whoever may write to the topic can write anything there: what has no mark
 * is dropped, by every reader alike, and nothing waits for it. *mark is that of the record; its epoch is 0 where it has none.
 */
LedgerVerdict ledger_judge(LedgerCursor *cursor, Slice headers, LedgerMark *mark);
void ledger_mark_write(Buffer *headers, const LedgerMark *mark);

/*
 * The opening record of the claim in force (cursor stands behind it) must know what stood before that claim (ce_prev):
 * else the log lost or changed accepted records, which every reader looks for, for ever. ERROR_INTERNAL then.
 */
Result ledger_opening_check(const LedgerCursor *cursor, Slice headers);

/* "commands=9912;assessments=1042" */
enum { LEDGER_PARTITIONS_MAX = 64, LEDGER_POSITIONS_MAX = 256, LEDGER_POSITIONS_TEXT = LEDGER_POSITIONS_MAX * 40 };
typedef struct {
	size_t count;
	struct {
		unsigned topic;     /* TopicId */
		unsigned partition; /* written only when it is not the record's own: "journal/3=12" */
		int64_t position;
	} list[LEDGER_POSITIONS_MAX];
} LedgerPositions;
Result ledger_positions_read(Slice text, unsigned own_partition, LedgerPositions *out);
void ledger_positions_write(Buffer *out, unsigned own_partition, const LedgerPositions *positions);

#endif
