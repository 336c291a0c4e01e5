/* The input partitions of a service: their positions, reading, the ledger rule for input ledgers, and observing records again. */
#ifndef TOCSIN_RUNTIME_INPUTS_H
#define TOCSIN_RUNTIME_INPUTS_H

#include "shared/domain/ledger.h"
#include "shared/io/bus.h"
#include "shared/runtime/handler.h"

enum {
	BATCH_INPUTS = 1000, /* inputs of one partition in a batch: docs/design/ownership.md, "Steps of an owner" */
	BATCH_KEYS = 4096,   /* the same for keys_only inputs, most of which are only counted and draft nothing */
	INPUT_PARTITIONS = SERVICE_INPUTS_MAX * BUS_PARTITIONS_MAX,
};

/* The progress of an opening owner that reads the records before its accepted position again, to observe them. */
typedef struct {
	bool begun;
	int64_t next; /* offset of the next record to observe */
	LedgerCursor cursor; /* used if the input is a ledger */
} InputWalk;

/* One partition of one input. */
typedef struct {
	const ServiceInput *handlers;
	TopicId topic;
	unsigned partition;
	int64_t next;        /* offset of the next record to take */
	int64_t observed;    /* records before this offset were observed */
	LedgerCursor cursor; /* used if the input is a ledger */
	InputWalk walk;      /* kept over the steps of an opening; begins again when state is loaded */
	int64_t target;      /* reader.h only: the offset at which this partition has caught up */
} InputPartition;

typedef struct {
	Handler *handler;
	BusReader *reader;
	InputPartition list[INPUT_PARTITIONS];
	size_t count;
	LedgerPositions accepted; /* owners only: the positions that the last accepted record states */
	Instant observed_at;      /* while opening: the last time with progress in observing again; INSTANT_NONE: not begun */
	bool observe_stalled;     /* the last step of an opening observed no record */
	BusReader *body_reader;
	Buffer body;
} Inputs;

/* The caller has zeroed *inputs; handler and reader are borrowed until inputs_release. */
void inputs_init(Inputs *inputs, Handler *handler, BusReader *reader);
void inputs_release(Inputs *inputs);

/* ---- rows of the state: a reader's cursors and positions; what an owner has observed */
Result inputs_load(Inputs *inputs);
Result inputs_save(const Inputs *inputs);

/* ---- positions */

/*
 * For owners: sets every partition to its accepted position. If retention dropped the record there, sets the oldest record kept and
 * logs input-lost. Then calls inputs_enter.
 */
Result inputs_start(Inputs *inputs);

/*
 * Sets the cursor of each ledger input from the accepted record just before its position. If the position is the oldest record
 * kept, the cursor begins as in a trimmed log (ledger_begin). ERROR_AGAIN: the record before the position has not arrived.
 */
Result inputs_enter(Inputs *inputs);

/* Positions as Service.position states them. */
LedgerPositions inputs_positions(const Inputs *inputs);

/* The position that the last accepted record states, or 0. */
int64_t input_accepted(const Inputs *inputs, const InputPartition *input);

/*
 * Offset to read next. In a ledger this may follow dropped records, while the position (`next`) of an owner or of a service
 * without a store always follows an accepted record directly.
 */
int64_t input_offset(const InputPartition *input);

/* Offset of the oldest record kept, as far as this process knows. */
int64_t input_first(const Inputs *inputs, const InputPartition *input);

/* True while a partition has records that are known and not read. */
bool inputs_waiting(const Inputs *inputs);

/* ---- reading */

/*
 * Visits at most max records that have arrived; OK if none has. If retention dropped records of a stream before they were
 * read, input-lost is logged, and reading continues at the oldest record.
 */
Result input_read(Inputs *inputs, InputPartition *input, size_t max, BusVisit visit, void *context);

/*
 * Applies the ledger rule if the input is a ledger. *taken: the service is to process the record. ERROR_AGAIN: the record does not
 * have the offset that the cursor expects next. For an opening record, also returns the errors of ledger_opening_check.
 */
Result input_judge(InputPartition *input, const BusRecord *from, bool *taken);

/* The body of a keys_only input, read now; borrowed until the next call. ERROR_AGAIN: the body did not arrive. */
Result inputs_body(Inputs *inputs, const Record *input, Slice *body);

/* ---- observing again */

/* Call after state was loaded: the next inputs_observe starts again in every partition. */
void inputs_observe_reset(Inputs *inputs);

/*
 * Calls `observe` with the records before the accepted positions, as far as they have arrived. *complete: all were observed. If
 * not, call again when more have arrived, at the walk.next of each partition that is not input_is_observed. ERROR_AGAIN: no
 * record arrived for ten seconds.
 */
Result inputs_observe(Inputs *inputs, bool *progressed, bool *complete);
bool input_is_observed(const InputPartition *input);

/* ---- ledgers */

/*
 * *fits: the stored cursor belongs to this log, because the log still has the record whose mark the cursor holds, or the cursor
 * holds no mark. False if that record was trimmed. If the log ends before the cursor, record 0 decides: if it has the owner that
 * the cursor remembers, the log has lost records (true; the caller then reports state_newer_than_bus), else it is another log
 * (false).
 */
Result ledger_fits(BusReader *reader, TopicId topic, unsigned partition, const LedgerCursor *cursor, bool *fits);

#endif
