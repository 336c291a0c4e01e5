/*
 * What runtime.c, owner.c, batch.c, inputs.c, outputs.c and reader.c share. Nothing else includes it.
 */
#ifndef TOCSIN_RUNTIME_RUNTIME_INTERNAL_H
#define TOCSIN_RUNTIME_RUNTIME_INTERNAL_H

#include "shared/runtime/record.h"
#include "shared/runtime/runtime.h"

#include <stdatomic.h>

enum {
	BATCH_INPUTS = 1000,        /* inputs a batch: docs/design/ownership.md, "Steps of an owner" */
	BATCH_KEYS = 4096,          /* the same for inputs read without bodies: most of them are counted and draft nothing */
	BATCH_RECORDS = 8192,       /* records a batch may draft */
	BATCH_BYTES = 64 << 20,
	BATCH_TIMERS = 200,
	BATCH_OUTCOMES = 64,
	FOLLOW_RECORDS = 1000,      /* ledger records a step */
	TIMER_LEASE_MS = 30000,     /* a fired timer that is still armed fires again after it */
	TIMER_SWEEP_MS = 30000,     /* overdue timers are armed again from state this often: a lost one is found */
	READBACK_MS = 60000,        /* a batch not read back by then is in doubt */
	OBSERVE_MS = 10000,         /* known records of an input that do not come for so long are reported */
	SUPERSEDED_PAUSE_MS = 1000,    /* before claiming again from another owner */
	ADVANCE_MS = 60000,         /* positions moved without a record: say so this often, */
	ADVANCE_INPUTS = 10000,     /* or after this many inputs, */
	TIMERS_PAUSE_MS = 1000,     /* before asking timers again that could not be reached */
	PROJECTION_MS = 1000,            /* a key of the table is written this often at most */
	PROJECTION_KEYS = 500,           /* and so many at a time */
	PROJECTION_PAUSE_MAX_MS = 60000, /* between tries to reach it, at most */
	TRIM_MS = 3600000,          /* an owner looks this often for what its ledger need not keep */
	TRIM_READS = 20,            /* at most so many reads of FOLLOW_RECORDS each time */
	SILENT_MS = 3600000,        /* and in any case this often, so that a silent owner is visible */
	HANDLE_BYTES = 4 << 20,     /* inputs a batch of a reader: well below what the bus's queue takes */
	GROUP_COMMIT_MS = 2000,     /* advisory positions, for lag and retention */
	LAG_MS = 1000,              /* how far it is behind is told this often */
	INPUT_PARTITIONS = SERVICE_INPUTS_MAX * BUS_PARTITIONS_MAX,
};

/* Counts appends under way; outlives the runtime while the bus still holds any. */
typedef struct {
	atomic_uint references;
	atomic_uint pending;
	atomic_bool failed;
} Wire;

Wire *wire_new(void);
void wire_release(Wire *wire);
/* Give the old one up (its late reports count for nothing) and start with a new one. */
void wire_replace(Wire **wire);
Result wire_append(Wire *wire, Bus *bus, TopicId topic, unsigned partition, const BusRecord *record);

/* How far an owner that opens has shown the records before its accepted position to the service again. */
typedef struct {
	bool begun;
	int64_t next;
	LedgerCursor cursor; /* where the input is a ledger */
} InputWalk;

/* One partition of one input. */
typedef struct {
	const ServiceInput *input;
	unsigned partition;
	int64_t next;        /* offset of the next record to take */
	int64_t observed;    /* records before it were observed */
	LedgerCursor cursor; /* where the input is a ledger */
	InputWalk walk;      /* kept over the steps of an opening; begins again when state is loaded */
	int64_t until;       /* readers: offset from which on the place has caught up */
} InputPartition;

/* A drafted record, copied: what derive and accepted are called with once it is accepted. */
typedef struct {
	TopicId topic;
	unsigned partition;
	size_t begin; /* in Runtime.drafted_bytes; the lengths of its parts follow one another */
	size_t id, type, subject, key, cause, headers, body;
	Instant time;
} Drafted;

typedef struct {
	bool armed;
	Instant due_at;
	char id[128];
} TimerChange;

struct Runtime {
	RuntimeOptions options;
	Handler handler;
	BusReader *reader, *body_reader;
	Policy *policy;
	int64_t policy_next;
	RuntimePhase phase;
	bool paused, assigned;
	bool caught_up; /* has once read all there was */
	int64_t behind; /* readers: records between the places and their `until` when these were set */
	bool placed;    /* readers: stand where their view, or without a store their group, has come to */
	Instant not_before; /* nothing is claimed before it */
	Instant observed_at; /* while opening: the last time a record was observed again; INSTANT_NONE: not begun */
	RuntimeFigures figures;

	/* inputs */
	InputPartition places[INPUT_PARTITIONS];
	InputPartition positions_before_batch[INPUT_PARTITIONS]; /* of a view's batch under way, for undoing it */
	size_t place_count;
	const Record *current; /* the input being decided */
	unsigned current_drafts;

	/* the ledger: where its reader stands, and from where derived outputs must be published again */
	LedgerCursor cursor, derive_from;
	int64_t derived; /* ce_derived */
	LedgerPositions positions; /* of the last accepted record */
	uint64_t epoch;  /* claimed */
	Wire *wire;

	/* the batch under way */
	bool in_transaction;
	Buffer drafted_bytes;
	Drafted *drafted;
	size_t drafted_count, drafted_room, accepted_count;
	bool lettered; /* an input was refused: its dead letter's report is waited for before the batch ends */
	Instant batch_began, last_record_at, group_committed_at, swept_at, timers_at, trim_at;
	bool timers_contested; /* a greater term than ours is known where the timers are: the next accepted record decides */
	uint64_t inputs_since_record;
	Instant settle_at;
	OutboundOutcome outcomes[BATCH_OUTCOMES];
	size_t outcome_count;
	TimerChange *timer_changes;
	size_t timer_change_count, timer_change_room;

	/* what it told of being behind */
	int64_t lag[TOPICS]; /* records */
	Instant lag_at;

	/* outputs of accepted records */
	Wire *outputs;
	bool deriving;
	size_t derive_next;
	unsigned emitted; /* ordinal of the next output of the record being derived */
	const Record *deriving_from;

	/* the table, where the service has one */
	struct {
		Wire *wire;
		int64_t next;                 /* read so far */
		bool stale;                   /* keys of state may be */
		Instant write_at, rest_until; /* not before them */
		int64_t pause_ms;             /* the next rest, which doubles with each failure */
	} table;

	Buffer scratch, body;
	char timers_owner[64];
};

/* ---- records (runtime.c) */
/* ERROR_INPUT: it stands in a partition in which neither its incident nor its key lives (docs/design/ownership.md, "Words and topics"). */
Result record_partition_check(const Runtime *runtime, const Record *record);
/* A copy of a record, kept for the batch. The caller keeps within BATCH_RECORDS and BATCH_BYTES. */
Drafted *drafted_keep(Runtime *runtime, const Record *record);
Record drafted_record(const Runtime *runtime, const Drafted *drafted);
/*
 * ERROR_AGAIN where it cannot be written: then the input must not be passed. Its report counts on `wire` in an owner's batch,
 * else on `outputs`.
 */
Result runtime_dead_letter(Runtime *runtime, TopicId topic, unsigned partition, int64_t offset, const char *reason);
/* The failure of a state file that has read more than the bus holds. */
Result runtime_bus_older(const Runtime *runtime, TopicId topic);
unsigned runtime_partition_of(const Runtime *runtime, TopicId topic, unsigned slot);
void runtime_log(const Runtime *runtime, int level, const char *event, const char *detail);
/* Tells the service too. */
void runtime_caught_up(Runtime *runtime, bool caught_up);

/* ---- state kept beside the service's own tables (meta.c) */
Result meta_prepare(Runtime *runtime);
Result meta_load(Runtime *runtime);
Result meta_save(Runtime *runtime);
Result meta_projection_save(Runtime *runtime); /* how far the table was read */
Result meta_positions_load(Runtime *runtime);
Result meta_positions_save(Runtime *runtime);
/* Nothing of the state is left, as if its file had never been. */
Result meta_reset(Runtime *runtime);
/* *usable: the state was made from this log; a state that does not know is taken for this one's. */
Result meta_cluster_check(Runtime *runtime, bool *usable);
Result meta_timers_arm(Runtime *runtime);
/* When the state wants it; false: it does not know it. */
bool meta_timer_find(Runtime *runtime, Slice id, Instant *due_at);

/* ---- inputs (inputs.c) */
void inputs_prepare(Runtime *runtime);
Result inputs_start(Runtime *runtime); /* owners: at the accepted positions */
/* Puts the cursors of ledger inputs right behind the accepted records before their next; ERROR_AGAIN: not all have come yet. */
Result inputs_enter(Runtime *runtime);
/*
 * *fits: this log is the one that left the stored cursor: the record it stands behind is there still. False too where that
 * record was cut off. Of a log that ends before it, its beginning decides: where that is the same, the log has lost records,
 * which is not judged here (runtime_bus_older).
 */
Result ledger_fits(Runtime *runtime, TopicId topic, unsigned partition, const LedgerCursor *cursor, bool *fits);
/* Applies the ledger rule where the input is a ledger. *taken: hand it to the service. */
Result input_judge(InputPartition *place, const BusRecord *from, bool *taken);
/*
 * Shows to the service what has come of the records that restore needs to see again. *whole: all of them were shown; else call
 * again when more has come, which runtime_positions waits for. ERROR_AGAIN: nothing has come for OBSERVE_MS.
 */
Result inputs_observe(Runtime *runtime, bool *progressed, bool *whole);
bool input_is_observed(const InputPartition *place);
/* State was loaded: nothing of it is observed yet. */
void inputs_observe_reset(Runtime *runtime);
LedgerPositions inputs_positions(Runtime *runtime);
/* Of the input, as the last accepted record says; 0: it says nothing. */
int64_t input_accepted(const Runtime *runtime, const InputPartition *place);
/* Offset to read next: on ledgers behind dropped records too, where no position may stand. */
int64_t input_at(const InputPartition *place);
/* Offset of the oldest record that its log still keeps, as far as is known. */
int64_t input_first(const Runtime *runtime, const InputPartition *place);
/* Visits what has arrived there, at most max records; OK where nothing has. */
Result input_read(Runtime *runtime, InputPartition *place, size_t max, BusVisit visit, void *context);
bool inputs_waiting(const Runtime *runtime);

/* ---- timers.c: a failing edge costs time, never a batch */
void timers_arm(Runtime *runtime);
void timers_sync(Runtime *runtime);
void timers_take(Runtime *runtime); /* once a batch was accepted */
bool timers_waiting(const Runtime *runtime);
Instant timers_wake_at(const Runtime *runtime);
Result timers_decide(Runtime *runtime, size_t *count);

/* ---- projection.c */
/* The record, being applied, changes what the table should say of its subject. */
Result projection_touch(Runtime *runtime, const Record *record);
void projection_begin(Runtime *runtime); /* a term begins */
/* Reads and writes what is due of it. Its failures are its own. */
void projection_step(Runtime *runtime, bool *progressed);
/* How many places it reads: 0 or 1. */
size_t projection_position(const Runtime *runtime, BusPosition *out);
Instant projection_wake_at(const Runtime *runtime);

/* ---- trim.c */
Result ledger_trim(Runtime *runtime);

/* ---- lag.c */
void lag_report(Runtime *runtime);
void lag_withdraw(Runtime *runtime); /* it reads no more */

/* ---- outputs (outputs.c) */
Result outputs_derive_batch(Runtime *runtime, bool *done);
Result outputs_derive_again(Runtime *runtime); /* after opening: from derive_from */

/* ---- owner.c, batch.c, reader.c */
Result owner_step(Runtime *runtime, bool *progressed);
void owner_doubt(Runtime *runtime, const char *why, int64_t pause_ms);
Result owner_append(Runtime *runtime, const char *type, const char *id_suffix, uint64_t seq);
/* The ledger headers every record carries, then the draft's. */
void owner_headers(Runtime *runtime, Buffer *headers, uint64_t seq, bool with_positions);
Result batch_decide(Runtime *runtime, bool *progressed);
Result batch_accepted(Runtime *runtime);
void batch_forget(Runtime *runtime);
Result reader_step(Runtime *runtime, bool *progressed);

#endif
