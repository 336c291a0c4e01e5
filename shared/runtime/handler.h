/*
 * What a service is and what its handlers may do.
 *
 * A service is one struct of designated initialisers: what it reads, what it writes, its handlers. The runtime (owner.h for
 * services with a ledger, reader.h for those without) does the rest: the ledger protocol, positions, transactions, timers,
 * doubt, restart. A handler sees no Kafka, Redis, SQLite connection, socket, clock or random number; time is an argument.
 *
 * A stateful service works in this order, for each batch, inside one open transaction of its store:
 *
 *   observe(input)   optional: folds an input (a ledger of another service) into local tables; a pure fold
 *   decide(input)    looks at state and input, and drafts one record or none  (handler_draft)
 *   apply(record)    folds the record into state: store_run, handler_arm, handler_disarm. PURE in state and record:
 *                    no clock, no policy, no memory of how it was decided; the same function rebuilds a lost state file
 *   ... the records are appended to the ledger and read back; when all came back accepted the transaction is committed ...
 *   derive(record)   names the outputs that follow from an accepted record (handler_emit). PURE; done again after a
 *                    restart, so an output's id must be a function of the record's id (id_derived)
 *
 * When a batch is in doubt its transaction is rolled back and `restore` is called: a service that keeps anything in memory
 * must then drop it and read it again from its store.
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
	Slice subject; /* ce_subject: the incident id, where there is one */
	Slice cause;   /* ce_cause: id of the input it came of, where there is one */
	Instant time;  /* ce_time: the record's time; never the clock */
	Slice headers; /* all of them, packed */
	Slice body;
} Record;

/* A record to be. The runtime adds the ledger's headers; everything is borrowed for the call. */
typedef struct {
	Slice id;      /* ce_id; empty: derived from the input's id */
	Slice type;
	Slice subject;
	Slice key;     /* empty: the subject */
	Slice cause;   /* empty: the input's id */
	Slice body;
	Slice headers; /* further packed headers of the service's own, or empty */
	Instant time;  /* ce_time */
} Draft;

typedef struct Handler Handler;
typedef struct Service Service;

enum { SERVICE_INPUTS_MAX = 4, SERVICE_OUTPUTS_MAX = 4 };

typedef struct {
	TopicId topic;
	bool keys_only;  /* bodies need not be read from the bus: record->body may be empty, handler_body gives it */
	bool all_partitions; /* read every partition of the topic (audit); else the one with the owner's number */
	Result (*observe)(Handler *handler, const Record *input);
	Result (*decide)(Handler *handler, const Record *input); /* services with a ledger */
	Result (*handle)(Handler *handler, const Record *input); /* services without: apply to the view, or handler_emit */
} ServiceInput;

/* A header of a service's own records that names offsets of its first input. */
typedef struct {
	const char *name; /* NULL: there is none */
	/* The value with all of these offsets moved by so much, appended; everything else stays as it is. */
	void (*move)(Slice value, int64_t by, Buffer *out);
} ServiceOffsets;

/*
 * What outsiders may read of a service with a ledger, where the bus has any: the last record of a key says what state says of it
 * (projection.c). key: the subject of the service's records.
 */
typedef struct {
	TopicId topic;
	const char *type;
	const char *keys; /* SQL that selects every key of state */
	/* *version grows with each change, 0: state does not know the key; document (NULL: not wanted) is appended to. NULL: none. */
	Result (*state)(Handler *handler, Slice key, int64_t *version, Buffer *document);
} ServiceProjection;

struct Service {
	const char *name;     /* "response" */
	const char *sentence; /* its one job */
	TopicId ledger;       /* TOPICS: none */
	bool single;          /* one partition only, whatever P is (audit) */
	ServiceInput inputs[SERVICE_INPUTS_MAX];
	size_t input_count;
	TopicId outputs[SERVICE_OUTPUTS_MAX]; /* what derive or handle emits to */
	size_t output_count;
	ServiceProjection table;
	bool policy;          /* waits for a policy before it takes input */
	const char *const *schema; /* steps for store_open, after the runtime's own; NULL: keeps no state */
	int schema_version;

	Result (*restore)(Handler *handler);                       /* state (re)read or rolled back; make memory fit it */
	void (*release)(Handler *handler);                         /* free handler->memory */
	Result (*apply)(Handler *handler, const Record *record);
	Result (*derive)(Handler *handler, const Record *record);  /* may read nothing but the record */
	Result (*fire)(Handler *handler, Slice timer_id, Instant due_at); /* like decide, for a due timer; may handler_send */
	Result (*outcome)(Handler *handler, const OutboundOutcome *outcome); /* like decide, for an answer of the outside */
	Result (*settle)(Handler *handler, Instant now, Instant *wake_at);  /* at the end of each batch and at wake_at: may draft several records */
	int64_t (*position)(Handler *handler, TopicId topic, unsigned partition, int64_t next); /* optional: how far the input is reflected, <= next */
	int64_t (*replay_from)(Handler *handler, TopicId topic, int64_t position); /* optional: offset <= position from which observe must see the input again after restore */
	void (*accepted)(Handler *handler, const Record *record);  /* after commit, never undone: wake a waiting request */
	Result (*needed)(Handler *handler, const Record *old, bool *needed); /* optional: whether state still holds something this record of the own ledger stated; without it the ledger is never trimmed */
	/*
	 * Optional, for a service without a ledger: true once its state holds everything that the logs held when its reader was
	 * placed (reader.c), false just before the state is dropped to be built again. A bus that goes away later does not take
	 * it back: state may be stale then, but it is whole. Called on the runtime's thread.
	 */
	void (*caught_up)(Handler *handler, bool caught_up);
	Result (*may_own)(Handler *handler); /* optional: ERROR_AGAIN, with what people should do, where this replica must leave its partition to others; asked of one that stands by. State is complete; nothing may be changed */
	ServiceOffsets offsets; /* what export and import must move along with the input */
};

struct Handler {
	const Service *service;
	unsigned partition, partitions; /* own number, and P */
	Instant now;                    /* time of this batch */
	Store *store;                   /* NULL where the service keeps no state */
	const Policy *policy;           /* in force now; NULL only where service->policy is false */
	void *memory;                   /* the service's own, made in restore, freed in release */
	void *environment;              /* what the program gave the service (gateway's waiting requests, settings) */
	struct Runtime *runtime;        /* the runtime's own */
};

/*
 * Draft one record in decide, fire, outcome or settle. It is applied at once (apply), appended, and becomes state when
 * read back as accepted. At most one for each input; settle may draft many. The draft's bytes are copied.
 */
Result handler_draft(Handler *handler, const Draft *draft);

/* Publish an output, in derive or handle. Goes to the partition of slot (see id_incident_parse, slot_of). */
Result handler_emit(Handler *handler, TopicId topic, unsigned slot, const Draft *draft);

/* In apply: arm (or move) and disarm a timer; rows of the state, so every timer can be made again from it. */
Result handler_arm(Handler *handler, Slice timer_id, Instant due_at);
Result handler_disarm(Handler *handler, Slice timer_id);

/* In fire: hand a message to the outside; nothing is recorded by it. Its timer stays armed and fires again after the lease. */
Result handler_send(Handler *handler, const OutboundRequest *message);

/* The body of the input of a keys_only topic that is being decided, read now; borrowed until the next call. */
Result handler_body(Handler *handler, const Record *input, Slice *body);

/* KafkaPartition of a record's incident or key, for handler_emit. */
unsigned record_slot(const Record *record);

#endif
