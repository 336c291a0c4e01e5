/*
 * The documents: what senders post, what services exchange, what clients read. One field table each; the table is the
 * contract (proto/schemas is compared with it). Names and bounds are those of proto/openapi.yaml.
 */
#ifndef TOCSIN_DOMAIN_DOCUMENTS_H
#define TOCSIN_DOMAIN_DOCUMENTS_H

#include "shared/base/json.h"

extern const char *const observable_words[]; /* ip domain url email hash file account host other */
extern const char *const relation_words[];   /* employee contractor … */
extern const char *const data_words[];       /* ordinary confidential secret top-secret */
extern const char *const business_words[];   /* no will now */
extern const char *const origin_words[];     /* internal project */
extern const char *const report_type_words[]; /* theft robbery fire leak loss malware intrusion outage misuse other */
extern const char *const resolution_words[]; /* resolved duplicate accepted other */
extern const char *const actor_words[];      /* person key system */
extern const char *const entry_words[];      /* opened assessed repeated assigned acknowledged escalated noted closed reopened false-alarm linked */
extern const char *const join_words[];       /* asset actor */
extern const char *const delivery_words[];   /* queued sent failed skipped */

/* ---- POST /v1/events */
typedef struct {
	const char *source, *title, *id, *type, *rule, *asset, *actor;
	int severity;
	Instant occurred_at;
	json_t *observables, *attributes;
} EventDocument;
extern const FieldTable event_table;

/* ---- POST /v1/reports */
typedef struct {
	int kind;
	const char *description, *title, *asset, *project, *interim_measures;
	int type, suspected, data_classification, business_affected, origin;
	Instant occurred_at, discovered_at;
	struct {
		const char *name, *contact, *department;
		int relation;
	} reporter;
	struct {
		Instant done_at;
		const char *reference;
	} first_action;
} ReportDocument;
extern const FieldTable report_table;

/* ---- who did it: on every command and entry */
typedef struct {
	int kind;
	const char *id, *name;
	json_t *roles; /* list of texts */
} Actor;
extern const FieldTable actor_table;

/* ---- tocsin.reports: bodies of opened, repeated and released records (see services/intake) */
typedef struct {
	const char *incident_id, *number, *event_id, *correlation_key;
	const char *form;       /* "event" or "report": which table `document` fits */
	int64_t report_version; /* 1 for opened, then +1 */
	int64_t event_count;
	int64_t through;        /* events offset before which all of this key is counted */
	int64_t clock_offset_ms; /* sender's clock minus ours where it can be told, INT64_MIN: not known */
	int64_t window_seconds, cap_seconds; /* opened: how its key slides and ends */
	Instant received_at, last_seen_at;
	json_t *document;       /* as sent; NULL on repeats, unless the severity rose */
} ReportRecord;
extern const FieldTable report_record_table;

/* ---- what classification found */
typedef struct {
	const char *kind, *category, *severity, *grade, *damage_level; /* words */
	const char *rule;    /* id of the rule that decided, NULL: none, the defaults did */
	const char *reason;  /* for people, in the site's language */
	const char *policy_version;
	json_t *flags;       /* list of words */
	int noise;           /* 1: opens as a false alarm that tells nobody */
} Assessment;
extern const FieldTable assessment_table;

/* ---- tocsin.assessments */
typedef struct {
	ReportRecord report;
	json_t *assessment; /* object of assessment_table, NULL: as before */
} AssessmentRecord;
extern const FieldTable assessment_record_table;

/* ---- tocsin.commands */
typedef struct {
	const char *incident_id, *command; /* "acknowledge" … ; system: "escalated" */
	int64_t expected_version;          /* INT64_MIN: any */
	json_t *actor;                     /* object of actor_table */
	json_t *arguments;                 /* the body as sent, or {} */
	const char *fingerprint;           /* hex of the request's hash, for idempotency-mismatch; may be NULL */
	Instant issued_at;
} CommandRecord;
extern const FieldTable command_record_table;

/* ---- tocsin.journal: entries and answers to commands */
typedef struct {
	int64_t version; /* strictly +1 an incident */
	const char *type; /* entry_words */
	Instant at;
	json_t *actor;   /* object of actor_table */
	json_t *data;    /* what a person wants to see of it */
	json_t *changes; /* members of the incident this entry sets: applying it is merging them */
} JournalEntry;
extern const FieldTable journal_entry_table;

typedef struct {
	const char *incident_id;
	const char *command_id;  /* where a command caused it */
	const char *fingerprint; /* the command's */
	json_t *entries;         /* list of journal_entry_table; empty: nothing changed, or refused */
	json_t *problem;         /* {code, detail, allowed: [words]} where it was refused, else NULL */
	int64_t version;         /* of the incident after it */
	json_t *resumption;      /* a reopening by people: object of resumption_table; else NULL */
	json_t *joins;           /* where the policy joins incidents and this changes what it joins: list of join_table; else NULL */
} JournalRecord;
extern const FieldTable journal_record_table;

/* ---- tocsin.events, of a reopening: what intake must know to count to the incident again, should it have forgotten it */
typedef struct {
	int64_t report_version, event_count; /* as response knows them */
	Instant last_seen_at;
	int severity;                        /* index into severity_words; -1: none */
	int64_t window_seconds, cap_seconds; /* of the incident's source, counted from the reopening */
} Resumption;
extern const FieldTable resumption_table;

/* ---- tocsin.joins: an incident has something in common with others, or (closed) has it no more */
typedef struct {
	const char *key;         /* the join key: 26 base32 characters of the hash of `by` and the asset's or actor's name */
	int by;                  /* index into join_words */
	const char *incident_id, *number;
	int64_t window_seconds;  /* how long after it another incident is joined to it */
	int open;                /* 0: no more */
} Join;
extern const FieldTable join_table;

/* ---- tocsin.reports: the open incidents of a join key, as they are after this record */
enum { JOIN_INCIDENTS_MAX = 64 };
typedef struct {
	const char *incident_id, *number;
	Instant at; /* when it was announced */
} JoinedIncident;
extern const FieldTable joined_incident_table;

typedef struct {
	const char *key;
	int by;
	int64_t window_seconds;
	json_t *incidents;    /* list of joined_incident_table, in the order in which they came */
	const char *entered;  /* the incident that came with this record: it is linked with all others; NULL: none came */
	int proposed;         /* 1: there were more than fit, and somebody was told that it may be a campaign */
	const char *campaign; /* the incident to which that is said with this record; NULL: none */
} JoinRecord;
extern const FieldTable join_record_table;

/* ---- the incident, as everybody sees it; fields in the order of the answer */
typedef struct {
	const char *id, *number, *kind, *status;
	int64_t version;
	const char *title, *description, *source, *severity, *grade, *damage_level, *category;
	json_t *flags;
	const char *reason, *rule, *policy_version;
	struct {
		const char *team, *person;
	} assignee;
	struct {
		Instant at;
		json_t *by;
	} acknowledged;
	Instant acknowledge_by;
	int64_t escalation_level;
	const char *asset, *actor;
	json_t *observables;
	const char *correlation_key;
	int64_t event_count;
	Instant first_seen_at, last_seen_at, occurred_at, discovered_at, reported_at, opened_at, updated_at, closed_at;
	const char *resolution;
	json_t *report;
} Incident;
extern const FieldTable incident_table;

/* Members an incident has only where there is something to say; they stand behind the others. */
enum { INCIDENT_LINKS_MAX = 128 };
typedef struct {
	json_t *links; /* list of {incident_id, by}: open incidents with which it shares an asset or an actor */
} IncidentAddition;
extern const FieldTable incident_more_table;

/* A new incident document with every member there and null, to be filled by entries. */
json_t *incident_new(void);

/*
 * Folds one entry into an incident document: merges its changes, sets version and updated_at. The entry's version must be
 * the document's + 1 (ERROR_INTERNAL otherwise: the ledger's order was broken). PURE; both response and every view use it.
 */
Result incident_apply(json_t *incident, json_t *entry);

/* True for statuses in which a case is still worked on. */
bool status_is_open(const char *status);

/* ---- tocsin.deliveries */
typedef struct {
	const char *key;       /* msg_… */
	const char *channel, *recipient; /* "webhook" / "person:li" … */
	int64_t escalation_level;
	const char *state;     /* delivery_words */
	int64_t attempt;
	Instant next_at;       /* queued: when it is tried (again) */
	const char *detail;    /* why skipped, failed, tried again */
	const char *address, *language; /* email: where to, in which language */
} Delivery;
extern const FieldTable delivery_table;

typedef struct {
	const char *incident_id;
	const char *policy_id;     /* planned: the escalation policy */
	const char *policy_version;
	Instant base_at;           /* planned: seconds count from here */
	int64_t escalation_level;  /* reached */
	json_t *levels;            /* planned: [{escalation_level, due_at}] */
	json_t *deliveries;        /* reached, attempted: list of delivery_table */
} DeliveryRecord;
extern const FieldTable delivery_record_table;

#endif
