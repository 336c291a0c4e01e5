/*
 * The definition of a service, and what its handlers may do.
 *
 * A service is one struct of designated initialisers: inputs, outputs, handlers. The runtime does the rest: the ledger protocol,
 * positions, transactions, timers, recovery after doubt and restarts. A handler has no Kafka, Redis, SQLite connection, socket,
 * clock or random number; time is an argument.
 *
 * A stateful service is called in this order, for each batch, inside one open transaction of its store:
 *
 *   observe(input)   optional: folds an input into local tables or memory, and reads nothing else. Also called while a partition
 *                    opens, outside a transaction; after a crash possibly again for the same record: it must be idempotent
 *   decide(input)    reads state and input, and normally drafts at most one record (handler_draft)
 *   apply(record)    folds the record into state: store_run, handler_arm, handler_disarm. Reads nothing but state and
 *                    the record (no clock, no policy, nothing kept from decide), because it also rebuilds a lost state file
 *   ... the records are appended to the ledger and read back; once all came back accepted the transaction is committed ...
 *   derive(record)   emits the outputs that follow from an accepted record (handler_emit). Reads nothing but the record.
 *                    Repeated after a restart, so an output's id must be a function of the record's id (id_derived)
 *
 * When a batch is in doubt its transaction is rolled back and `restore` is called: a service with memory besides its store must
 * then restore this memory from the store.
 */
#ifndef TOCSIN_RUNTIME_HANDLER_H
#define TOCSIN_RUNTIME_HANDLER_H

#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/instant.h"
#include "shared/base/json.h"
#include "shared/domain/policy.h"
#include "shared/domain/topics.h"
#include "shared/io/outbound/outbound.h"
#include "shared/io/sqlite/store.h"

/* A record as a handler sees it; everything is borrowed for the call. */
typedef struct {
	TopicId topic;
	unsigned partition;
	int64_t offset;
	Slice key;     /* correlation key of an event, join key of a join; elsewhere usually the incident id */
	Slice id;      /* ce_id */
	Slice type;    /* ce_type */
	Slice subject; /* ce_subject: the incident id, or empty */
	Slice cause;   /* ce_cause: id of the input that led to this record, or empty */
	Instant time;  /* ce_time: set by the record's writer, not by the reader's clock */
	Slice headers; /* all headers, packed (shared/base/header.h) */
	Slice body;
} Record;

/* A record to be appended; everything is borrowed for the call. The runtime adds the ledger's headers. */
typedef struct {
	Slice id;      /* ce_id; empty: the runtime derives one */
	Slice type;
	Slice subject;
	Slice key;     /* empty: the subject */
	Slice cause;   /* empty: the id of the input, if there is an input */
	Slice body;
	Slice headers; /* further packed headers, or empty */
	Instant time;  /* ce_time of an output; unused for a ledger record, whose ce_time is the owner's clock (handler->now) */
} Draft;

typedef struct Handler Handler;
typedef struct Service Service;

enum { SERVICE_INPUTS_MAX = 4, SERVICE_OUTPUTS_MAX = 4 };

/*
 * The functions of an input return ERROR_INPUT for a record that cannot be processed: it becomes a dead letter and is
 * skipped. After its first draft decide must not return ERROR_INPUT. ERROR_AGAIN: the batch is decided again later.
 */
typedef struct {
	TopicId topic;
	bool keys_only;      /* bodies need not be read from the bus: record->body may be empty, handler_body reads it */
	bool all_partitions; /* read every partition of the topic (audit); else the runtime's own, or 0 if not slotted */
	Result (*observe)(Handler *handler, const Record *input);
	Result (*decide)(Handler *handler, const Record *input); /* services with a ledger */
	Result (*handle)(Handler *handler, const Record *input); /* services without a ledger: folds into the view, or emits */
} ServiceInput;

/* A header of a service's own records that names offsets of its first input. */
typedef struct {
	const char *name; /* NULL: the service has no such header */
	/* Appends the header's value, with `by` added to each of these offsets. */
	void (*move)(Slice value, int64_t by, Buffer *out);
} ServiceOffsets;

/*
 * The table that a service with a ledger keeps for outside readers, on a bus that can have them: the last record of a key holds the
 * key's document as it is in state (projection.h). A key is the subject of records of the service.
 */
typedef struct {
	TopicId topic;
	const char *type;
	const char *keys; /* SQL that selects every key of state */
	/*
	 * Sets *version, which grows with each change of the key's document (0: state does not know the key), and appends the
	 * document unless `document` is NULL. The function is NULL if the service has no table.
	 */
	Result (*state)(Handler *handler, Slice key, int64_t *version, Buffer *document);
} ServiceProjection;

struct Service {
	const char *name;     /* "response" */
	const char *sentence; /* its task, in one sentence */
	TopicId ledger;       /* TOPICS: the service has no ledger */
	bool single;          /* one partition, however many the bus has (audit) */
	ServiceInput inputs[SERVICE_INPUTS_MAX];
	size_t input_count;
	TopicId outputs[SERVICE_OUTPUTS_MAX]; /* topics that derive or handle emits to */
	size_t output_count;
	ServiceProjection projection;
	bool policy; /* uses the policy; takes no input before one was published */
	const char *const *schema; /* steps for store_open; NULL: keeps no state */
	void (*schema_prepare)(void); /* fills the texts of schema that follow from field tables; called before each use */
	int schema_version;

	/* Makes handler->memory match the store. Called at the start, after a rollback, and after state was dropped. */
	Result (*restore)(Handler *handler);
	/* Frees handler->memory. */
	void (*release)(Handler *handler);
	Result (*apply)(Handler *handler, const Record *record);
	/* Reads nothing but the record. */
	Result (*derive)(Handler *handler, const Record *record);
	/* Like decide, for a due timer; may call handler_send. */
	Result (*fire)(Handler *handler, Slice timer_id, Instant due_at);
	/* Like decide, for the outcome of a sent message. */
	Result (*outcome)(Handler *handler, const OutboundOutcome *outcome);
	/*
	 * Called when a term begins, at the end of each batch with inputs, outcomes or timers, and at the *wake_at of the last call
	 * (INSTANT_NONE: no such time). May draft several records.
	 */
	Result (*settle)(Handler *handler, Instant now, Instant *wake_at);
	/* Optional: the offset, at most next, up to which state reflects the input. Without this function it is next. */
	int64_t (*position)(Handler *handler, TopicId topic, unsigned partition, int64_t next);
	/* Optional: the offset, at most position, from which the input must be passed to observe again after restore. */
	int64_t (*replay_from)(Handler *handler, TopicId topic, int64_t position);
	/*
	 * Called for each accepted record once its batch is committed: may answer a request that waits for the record. Not called
	 * during a replay. A service without a ledger gets the records of its input ledgers, except those that do not fit into the
	 * batch.
	 */
	void (*accepted)(Handler *handler, const Record *record);
	/*
	 * Optional. Sets *needed to true if state still holds something that this old record of its ledger stated. Without this
	 * function the ledger is never trimmed.
	 */
	Result (*needed)(Handler *handler, const Record *old, bool *needed);
	/*
	 * Optional, for a service without a ledger. Called with true once state holds all records up to the ends of the logs
	 * that the reader had to reach (reader.h), and with false just before state is dropped and rebuilt. Not called when
	 * the bus becomes unreachable later: state may then be stale, but is not incomplete. Called on the runtime's thread.
	 */
	void (*caught_up)(Handler *handler, bool caught_up);
	/*
	 * Optional: called before a replica with `standby` (runtime.h) claims its partition. ERROR_AGAIN, with the remedy in
	 * its text: the replica must leave the partition to other replicas. State then reflects the ledger to its end; the
	 * function must not change it.
	 */
	Result (*may_own)(Handler *handler);
	ServiceOffsets offsets; /* the header that export and import convert, because offsets differ in the other log */
};

struct Handler {
	const Service *service;
	unsigned partition, partitions; /* the runtime's partition; the number of partitions of the bus */
	Instant now;                    /* time of this step */
	Store *store;                   /* NULL: the service keeps no state */
	const Policy *policy;           /* in force; never NULL while an input is decided or handled, if service->policy */
	void *memory;                   /* owned by the service: made in restore, freed in release */
	void *environment;              /* passed by the program to the service (waiting requests, settings) */
	struct Runtime *runtime;        /* used only by the runtime */
};

/*
 * In decide, fire, outcome or settle: drafts a record, which is applied at once, appended, and becomes state when it is read back
 * as accepted. The draft is copied. ERROR_AGAIN: the batch is full.
 *
 * Normally an input has at most one record, because a crash may separate two records. If it needs more, all but the last must state
 * a position before the input (Service.position), so that the input is decided again after the crash. settle may draft many.
 */
Result handler_draft(Handler *handler, const Draft *draft);

/* In derive or handle: publishes an output to the partition of the slot (record_slot, slot_of). The draft is copied. */
Result handler_emit(Handler *handler, TopicId topic, unsigned slot, const Draft *draft);

/*
 * In apply: handler_arm arms or moves a timer, handler_disarm removes it. Timers are rows of state, from which they are armed again
 * after a loss. timer_id: 1 to 127 bytes, unique in the partition.
 */
Result handler_arm(Handler *handler, Slice timer_id, Instant due_at);
Result handler_disarm(Handler *handler, Slice timer_id);

/* In fire: sends a message; nothing is recorded. The timer stays armed: it fires again after its lease of 30 s unless disarmed. */
Result handler_send(Handler *handler, const OutboundRequest *message);

/* Reads the body of the keys_only input that is being decided; borrowed until the next call. ERROR_AGAIN: it did not arrive. */
Result handler_body(Handler *handler, const Record *input, Slice *body);

/* Logs a line of this service and partition (shared/io/system/log.h; level: LogLevel). detail: no document contents, no secrets. */
void handler_log(const Handler *handler, int level, const char *event, const char *detail);

/* For handler_emit: the slot of the incident that is the record's subject; without one, the slot of its key, or else of its id. */
unsigned record_slot(const Record *record);

#endif
