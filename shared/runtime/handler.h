/*
 * The definition of a service, and what its handlers may do.
 *
 * A service is one struct of designated initialisers: inputs, outputs, handlers. The runtime does the rest: the ledger protocol,
 * positions, transactions, timers, doubt, restart. A handler has no Kafka, Redis, SQLite connection, socket, clock or random
 * number; time is an argument.
 *
 * A stateful service is called in this order, for each batch, inside one open transaction of its store:
 *
 *   observe(input)   optional: folds an input into local tables or memory; a pure fold. Also called while a partition opens,
 *                    outside a transaction, and possibly again for the same record after a crash: it must be idempotent
 *   decide(input)    reads state and input, and drafts at most one record (handler_draft)
 *   apply(record)    folds the record into state: store_run, handler_arm, handler_disarm. PURE in state and record: no clock, no
 *                    policy, nothing remembered from decide; the same function rebuilds a lost state file
 *   ... the records are appended to the ledger and read back; once all came back accepted the transaction is committed ...
 *   derive(record)   emits the outputs that follow from an accepted record (handler_emit). PURE; repeated after a restart, so an
 *                    output's id must be a function of the record's id (id_derived)
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
	Slice key;     /* correlation key on events; incident id elsewhere */
	Slice id;      /* ce_id */
	Slice type;    /* ce_type */
	Slice subject; /* ce_subject: the incident id, or empty */
	Slice cause;   /* ce_cause: id of the input it follows from, or empty */
	Instant time;  /* ce_time: the record's time, not the clock's */
	Slice headers; /* all of them, packed */
	Slice body;
} Record;

/* A record to be appended; everything is borrowed for the call. The runtime adds the ledger's headers. */
typedef struct {
	Slice id;      /* ce_id; empty: derived from the input's id */
	Slice type;
	Slice subject;
	Slice key;     /* empty: the subject */
	Slice cause;   /* empty: the input's id */
	Slice body;
	Slice headers; /* further packed headers, or empty */
	Instant time;  /* ce_time */
} Draft;

typedef struct Handler Handler;
typedef struct Service Service;

enum { SERVICE_INPUTS_MAX = 4, SERVICE_OUTPUTS_MAX = 4 };

/*
 * The functions of an input return ERROR_INPUT for a record that cannot be processed: it becomes a dead letter and is
 * skipped. decide must return ERROR_INPUT before it drafts. ERROR_AGAIN: the batch is decided again later.
 */
typedef struct {
	TopicId topic;
	bool keys_only;      /* bodies need not be read from the bus: record->body may be empty, handler_body reads it */
	bool all_partitions; /* read every partition of the topic (audit); else the one with the owner's number */
	Result (*observe)(Handler *handler, const Record *input);
	Result (*decide)(Handler *handler, const Record *input); /* services with a ledger */
	Result (*handle)(Handler *handler, const Record *input); /* services without: fold into the view, or handler_emit */
} ServiceInput;

/* A header of a service's own records that names offsets of its first input. */
typedef struct {
	const char *name; /* NULL: the service has no such header */
	/* Appends the value with all of these offsets moved by this much; the rest of the value is unchanged. */
	void (*move)(Slice value, int64_t by, Buffer *out);
} ServiceOffsets;

/*
 * The table that a service with a ledger keeps for readers outside, on a bus that has any: the last record of a key states the
 * document that state has (projection.h). key: the subject of the service's records.
 */
typedef struct {
	TopicId topic;
	const char *type;
	const char *keys; /* SQL that selects every key of state */
	/* *version grows with each change, 0: state does not know the key. The document is appended; document may be NULL. NULL: no table. */
	Result (*state)(Handler *handler, Slice key, int64_t *version, Buffer *document);
} ServiceProjection;

struct Service {
	const char *name;     /* "response" */
	const char *sentence; /* its one job */
	TopicId ledger;       /* TOPICS: none */
	bool single;          /* one partition, whatever P is (audit) */
	ServiceInput inputs[SERVICE_INPUTS_MAX];
	size_t input_count;
	TopicId outputs[SERVICE_OUTPUTS_MAX]; /* topics that derive or handle emits to */
	size_t output_count;
	ServiceProjection projection;
	bool policy; /* takes no input before a policy was published */
	const char *const *schema; /* steps for store_open; NULL: keeps no state */
	int schema_version;

	/* State was read from the store again (start, rollback, rebuild): make handler->memory match it. */
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
	/* At the end of each batch with inputs, and at *wake_at (INSTANT_NONE: not again); may draft several records. */
	Result (*settle)(Handler *handler, Instant now, Instant *wake_at);
	/* Optional: the position of the input that state reflects, at most next. */
	int64_t (*position)(Handler *handler, TopicId topic, unsigned partition, int64_t next);
	/* Optional: the offset, at most position, from which observe must see the input again after restore. */
	int64_t (*replay_from)(Handler *handler, TopicId topic, int64_t position);
	/* After the commit, which is final: wake a waiting request. */
	void (*accepted)(Handler *handler, const Record *record);
	/* Optional: whether state still holds something that this record of its ledger stated. NULL: the ledger is never trimmed. */
	Result (*needed)(Handler *handler, const Record *old, bool *needed);
	/*
	 * Optional, for a service without a ledger: true once its state holds everything that the logs held when its reader
	 * took its positions (reader.h), false just before the state is dropped and rebuilt. A bus that goes away later
	 * changes nothing: state may be stale then, but it is complete. Called on the runtime's thread.
	 */
	void (*caught_up)(Handler *handler, bool caught_up);
	/*
	 * Optional, asked before a replica that stands by claims: ERROR_AGAIN, with the remedy, where it must leave its
	 * partition to others. State is complete and must not be changed.
	 */
	Result (*may_own)(Handler *handler);
	ServiceOffsets offsets; /* the header whose offsets export and import convert: its input has others in the other log */
};

struct Handler {
	const Service *service;
	unsigned partition, partitions; /* its number, and P */
	Instant now;                    /* time of this step */
	Store *store;                   /* NULL: the service keeps no state */
	const Policy *policy;           /* in force; NULL only where service->policy is false */
	void *memory;                   /* the service's, made in restore, freed in release */
	void *environment;              /* the program's, for the service (waiting requests, settings) */
	struct Runtime *runtime;        /* the runtime's */
};

/*
 * In decide, fire, outcome or settle: drafts a record, which is applied at once, appended, and becomes state when it is read back
 * as accepted. At most one for each input; settle may draft many. The draft is copied. ERROR_AGAIN: the batch is full.
 */
Result handler_draft(Handler *handler, const Draft *draft);

/* In derive or handle: publishes an output, to the partition of slot (id_incident_parse, slot_of). The draft is copied. */
Result handler_emit(Handler *handler, TopicId topic, unsigned slot, const Draft *draft);

/*
 * In apply: arms (or moves) and disarms a timer. Timers are rows of the state and are armed again from it. timer_id: 1 to 127
 * bytes, unique in the partition.
 */
Result handler_arm(Handler *handler, Slice timer_id, Instant due_at);
Result handler_disarm(Handler *handler, Slice timer_id);

/* In fire: sends a message; nothing is recorded. The timer stays armed and fires again after its lease of 30 seconds. */
Result handler_send(Handler *handler, const OutboundRequest *message);

/* The body of the input of a keys_only topic that is being decided, read now; borrowed until the next call. ERROR_AGAIN: not there. */
Result handler_body(Handler *handler, const Record *input, Slice *body);

/* Logs a line of this service and partition (shared/io/system/log.h; level: LogLevel). detail: no document contents, no secrets. */
void handler_log(const Handler *handler, int level, const char *event, const char *detail);

/* The slot of a record's incident, or of its key, for handler_emit. */
unsigned record_slot(const Record *record);

#endif
