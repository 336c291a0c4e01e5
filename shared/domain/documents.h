/*
 * The documents that senders post, services exchange and clients read, with one field table each. The table is the contract:
 * tests/contract compares proto/schemas and proto/openapi.yaml with it. All pointers of a decoded document are borrowed from
 * its tree.
 */
#ifndef TOCSIN_DOMAIN_DOCUMENTS_H
#define TOCSIN_DOMAIN_DOCUMENTS_H

#include "shared/base/json.h"

/* Bounds of the contract, in characters and items. */
enum { NAME_MAX_CHARACTERS = 256, TITLE_MAX_CHARACTERS = 512, TEXT_MAX_CHARACTERS = 8192, OBSERVABLES_MAX = 64 };

/*
 * Levels and bytes of a sender's document: fewer than JSON_DEPTH_MAX and BUS_RECORD_MAX, because each record that embeds it
 * adds some: report, assessment, journal entry.
 */
enum { SENDER_DEPTH_MAX = 32, SENDER_BYTES_MAX = 786432 };

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

/* ---- the author of a command or an entry */
typedef struct {
	int kind;
	const char *id, *name;
	json_t *roles; /* list of texts */
} Actor;
extern const FieldTable actor_table;

/* ---- tocsin.reports: opened, repeated and released records (services/intake) */
typedef struct {
	const char *incident_id, *number, *event_id, *correlation_key;
	const char *form;       /* "event" or "report": the form of `document` */
	int64_t report_version; /* 1 for the opening record, then +1 */
	int64_t event_count;
	int64_t through;        /* offset in tocsin.events before which every event of this key is counted */
	int64_t clock_offset_ms; /* sender's clock minus the server's; INT64_MIN: unknown */
	int64_t window_seconds, cap_seconds; /* opened: window and cap of its key */
	Instant received_at, last_seen_at;
	json_t *document;       /* as sent; NULL on repeats, unless the severity rose */
} ReportRecord;
extern const FieldTable report_record_table;

/* ---- result of classification */
typedef struct {
	const char *kind, *category, *severity, *grade, *damage_level; /* words */
	const char *rule;    /* id of the rule that decided; NULL: the defaults did */
	const char *reason;  /* for people, in the site's language */
	const char *policy_version;
	json_t *flags;       /* list of words */
	int noise;           /* 1: opens as a false alarm and notifies nobody */
} Assessment;
extern const FieldTable assessment_table;

/* ---- tocsin.assessments */
typedef struct {
	ReportRecord report;
	json_t *assessment; /* object of assessment_table; NULL: unchanged */
} AssessmentRecord;
extern const FieldTable assessment_record_table;

/* ---- tocsin.commands */
typedef struct {
	const char *incident_id, *command; /* name in commands[] */
	int64_t expected_version;          /* INT64_MIN: any */
	json_t *actor;                     /* object of actor_table */
	json_t *arguments;                 /* the body as sent, or {} */
	const char *fingerprint;           /* hash of the request in hex, for idempotency-mismatch; may be NULL */
	Instant issued_at;
} CommandRecord;
extern const FieldTable command_record_table;

/* ---- tocsin.journal: entries and answers to commands */
typedef struct {
	int64_t version; /* strictly +1 an incident */
	const char *type; /* entry_words */
	Instant at;
	json_t *actor;   /* object of actor_table */
	json_t *data;    /* details for display */
	json_t *changes; /* members of the incident to set */
} JournalEntry;
extern const FieldTable journal_entry_table;

typedef struct {
	const char *incident_id;
	const char *command_id;  /* the command that caused it; NULL: none */
	const char *fingerprint; /* of the command */
	json_t *entries;         /* list of journal_entry_table; empty: unchanged or refused */
	json_t *problem;         /* {code, detail, allowed: [words]} of a refusal, else NULL */
	int64_t version;         /* of the incident after the record */
	json_t *resumption;      /* of a reopening by people: object of resumption_table; else NULL */
	json_t *joins;           /* list of join_table where the policy joins incidents and the record changes a join key; else NULL */
} JournalRecord;
extern const FieldTable journal_record_table;

/* ---- tocsin.events, of a reopening: state of an incident that intake has dropped and needs to count its events again */
typedef struct {
	int64_t report_version, event_count; /* last known to response */
	Instant last_seen_at;
	int severity;                        /* index into severity_words; -1: none */
	int64_t window_seconds, cap_seconds; /* of the incident's source, counted from the reopening */
} Resumption;
extern const FieldTable resumption_table;

/* ---- tocsin.joins: an incident has a join key, or (closed) no longer has it */
typedef struct {
	const char *key;         /* join key: 26 base32 characters of the hash of `by` and the name of the asset or actor */
	int by;                  /* index into join_words */
	const char *incident_id, *number;
	int64_t window_seconds;  /* incidents announced within this time of each other are linked */
	int open;                /* 0: closed */
} Join;
extern const FieldTable join_table;

/* ---- tocsin.reports: all open incidents of a join key after this record */
enum { JOIN_INCIDENTS_MAX = 64 };
typedef struct {
	const char *incident_id, *number;
	Instant at; /* time of the announcement */
} JoinedIncident;
extern const FieldTable joined_incident_table;

typedef struct {
	const char *key;
	int by;
	int64_t window_seconds;
	json_t *incidents;    /* list of joined_incident_table, in order of arrival, at most JOIN_INCIDENTS_MAX */
	const char *entered;  /* the incident added by this record; it is linked with all others; NULL: none */
	int proposed;         /* 1: more incidents came than fit, and a possible campaign was proposed */
	const char *campaign; /* the incident to which this record proposes the campaign; NULL: none */
} JoinRecord;
extern const FieldTable join_record_table;

/* ---- the incident as clients see it; members in the order of the answer */
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

/* Members that an incident has only if they are not empty; they follow the others. */
enum { INCIDENT_LINKS_MAX = 128 };
typedef struct {
	json_t *links; /* list of {incident_id, by}: incidents with the same asset or actor, at most INCIDENT_LINKS_MAX */
} IncidentAddition;
extern const FieldTable incident_addition_table;

/* A new incident document with every member null, for incident_apply. A new reference. */
json_t *incident_new(void);

/*
 * Folds one entry into an incident document: merges its changes and sets version and updated_at. ERROR_INPUT for an invalid
 * entry; ERROR_INTERNAL unless the entry's version is the incident's plus one, because the order of the ledger is broken
 * then. incident is unchanged on failure. Response and every view use this function.
 */
Result incident_apply(json_t *incident, json_t *entry);

/* True for statuses in which work on a case is not finished; false for NULL. */
bool status_is_open(const char *status);

/* ---- tocsin.deliveries */
typedef struct {
	const char *key;       /* msg_… */
	const char *channel, *recipient; /* "webhook" / "person:li" … */
	int64_t escalation_level;
	const char *state;     /* delivery_words */
	int64_t attempt;
	Instant next_at;       /* queued: time of the next attempt */
	const char *detail;    /* reason for a skip, failure or retry */
	const char *address, *language; /* email: address, and language of the text */
} Delivery;
extern const FieldTable delivery_table;

typedef struct {
	const char *incident_id;
	const char *policy_id;     /* planned: the escalation policy */
	const char *policy_version;
	Instant base_at;           /* planned: start time of the plan */
	int64_t escalation_level;  /* reached: the level */
	json_t *levels;            /* planned: [{escalation_level, due_at}] */
	json_t *deliveries;        /* reached, attempted: list of delivery_table */
} DeliveryRecord;
extern const FieldTable delivery_record_table;

#endif
