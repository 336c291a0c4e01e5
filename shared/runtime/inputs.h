/* The partitions of a service's inputs: where they are read, the ledger rule on those that are ledgers, and what is observed again. */
#ifndef TOCSIN_RUNTIME_INPUTS_H
#define TOCSIN_RUNTIME_INPUTS_H

#include "shared/domain/ledger.h"
#include "shared/io/bus.h"
#include "shared/runtime/handler.h"

enum {
	BATCH_INPUTS = 1000, /* inputs of one partition in a batch: docs/design/ownership.md, "Steps of an owner" */
	BATCH_KEYS = 4096,   /* the same where bodies are not read: most inputs are counted and draft nothing */
	INPUT_PARTITIONS = SERVICE_INPUTS_MAX * BUS_PARTITIONS_MAX,
};

/* The progress of an opening owner that reads the records before its accepted position again, to observe them. */
typedef struct {
	bool begun;
	int64_t next;
	LedgerCursor cursor; /* where the input is a ledger */
} InputWalk;

/* One partition of one input. */
typedef struct {
	const ServiceInput *handlers;
	TopicId topic;
	unsigned partition;
	int64_t next;        /* offset of the next record to take */
	int64_t observed;    /* records before it were observed */
	LedgerCursor cursor; /* where the input is a ledger */
	InputWalk walk;      /* kept over the steps of an opening; begins again when state is loaded */
	int64_t target;      /* readers: caught up from this offset on */
} InputPartition;

typedef struct {
	Handler *handler;
	BusReader *reader;
	InputPartition list[INPUT_PARTITIONS];
	size_t count;
	LedgerPositions accepted; /* owners: those of the last accepted record */
	Instant observed_at;      /* while opening: when a record was last observed again; INSTANT_NONE: not begun */
	bool observe_stalled;     /* the last step of an opening observed no record */
	BusReader *body_reader;
	Buffer body;
} Inputs;

/* *inputs is zeroed; handler and reader are borrowed until inputs_release. */
void inputs_init(Inputs *inputs, Handler *handler, BusReader *reader);
void inputs_release(Inputs *inputs);

/* ---- rows of the state: a reader's cursors and positions; what an owner has observed */
Result inputs_load(Inputs *inputs);
Result inputs_save(const Inputs *inputs);

/* ---- positions */

/* Owners: sets every partition to its accepted position, or to the oldest record kept, which is logged as input-lost. */
Result inputs_start(Inputs *inputs);

/*
 * Sets the cursor of each ledger input from the accepted record just before its position; where the position is the oldest record
 * kept, the cursor begins as in a trimmed log. ERROR_AGAIN: the record before the position has not arrived.
 */
Result inputs_enter(Inputs *inputs);

/* Positions as Service.position states them. */
LedgerPositions inputs_positions(const Inputs *inputs);

/* The position that the last accepted record states, or 0. */
int64_t input_accepted(const Inputs *inputs, const InputPartition *input);

/* Offset to read next. In a ledger it may follow a dropped record; a position always follows an accepted one. */
int64_t input_offset(const InputPartition *input);

/* Offset of the oldest record kept, as far as this process knows. */
int64_t input_first(const Inputs *inputs, const InputPartition *input);

/* True while a partition has records that are known and not read. */
bool inputs_waiting(const Inputs *inputs);

/* ---- reading */

/*
 * Visits at most max records that have arrived; OK where none has. If retention dropped records of a stream before they were
 * read, input-lost is logged, and reading continues at the oldest record.
 */
Result input_read(Inputs *inputs, InputPartition *input, size_t max, BusVisit visit, void *context);

/*
 * Applies the ledger rule where the input is a ledger. *taken: the record is for the service. ERROR_AGAIN: the record is not at the
 * offset that the cursor expects next; an opening record may fail the check of ledger_opening_check, too.
 */
Result input_judge(InputPartition *input, const BusRecord *from, bool *taken);

/* The body of a keys_only input, read now; borrowed until the next call. ERROR_AGAIN: the body did not arrive. */
Result inputs_body(Inputs *inputs, const Record *input, Slice *body);

/* ---- observing again */

/* State was loaded: none of its inputs was observed since. */
void inputs_observe_reset(Inputs *inputs);

/*
 * Calls `observe` with the records that have arrived of those before the accepted positions. *complete: with all of them; else call
 * again when more has arrived (input_is_observed names the positions to wait at). ERROR_AGAIN: none arrived for ten seconds.
 */
Result inputs_observe(Inputs *inputs, bool *progressed, bool *complete);
bool input_is_observed(const InputPartition *input);

/* ---- ledgers */

/*
 * *fits: the stored cursor belongs to this log, because the log still has the record whose mark the cursor holds, or the cursor
 * holds no mark. False where that record was trimmed. If the log ends before the cursor, the first record of the log decides:
 * the log has lost records (true; state_newer_than_bus) or is another one (false).
 */
Result ledger_fits(BusReader *reader, TopicId topic, unsigned partition, const LedgerCursor *cursor, bool *fits);

#endif
