/*
 * The documents that senders post, services exchange and clients read, with one field table each. The tables are the
 * contract: `make contracts` writes proto/schemas and parts of proto/openapi.yaml from them. All pointers in a decoded document
 * are borrowed from the JSON tree that it was decoded from.
 */
#ifndef TOCSIN_DOMAIN_DOCUMENTS_H
#define TOCSIN_DOMAIN_DOCUMENTS_H

#include "shared/base/json.h"

/* Bounds of the contract: *_CHARACTERS in characters, OBSERVABLES_MAX in items. */
enum { NAME_MAX_CHARACTERS = 256, TITLE_MAX_CHARACTERS = 512, TEXT_MAX_CHARACTERS = 8192, OBSERVABLES_MAX = 64 };

/*
 * Maximum levels and bytes of a sender's document. They are below JSON_DEPTH_MAX and BUS_RECORD_MAX, because the records that
 * contain the document (report, assessment, journal entry) add levels and bytes.
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
extern const char *const entry_words[];      /* opened assessed repeated, then Command.entry of each row; a word may occur twice */
extern const char *const timeline_words[];   /* entry_words and delivery */
extern const char *const join_words[];       /* asset actor */
enum { JOIN_BY_ASSET, JOIN_BY_ACTOR };       /* indexes into join_words */
extern const char *const delivery_words[];   /* queued sent failed skipped */

extern const TextForm event_id_form, incident_id_form, command_id_form, correlation_key_form;

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
	int64_t report_version; /* 1 for the opening record, one more for each further record of the incident */
	int64_t event_count;
	int64_t through;        /* every event of this key before this offset of tocsin.events is counted */
	int64_t clock_offset_ms; /* sender's clock minus the server's; INT64_MIN: unknown */
	int64_t window_seconds, cap_seconds; /* opened records only: window and cap of the correlation key */
	Instant received_at, last_seen_at;
	json_t *document;       /* the event or report as sent; NULL in a repeated record, unless the severity rose */
} ReportRecord;
extern const FieldTable report_record_table;

/* ---- result of classification */
typedef struct {
	int kind, severity, grade, damage_level; /* indexes into kind_words, severity_words, grade_words, damage_words */
	const char *category;
	const char *rule;    /* id of the rule that matched; NULL: none did, the defaults apply */
	const char *reason;  /* for people, in the site's language */
	const char *policy_version;
	json_t *flags;       /* list of flag_words */
	int noise;           /* 1: the incident opens as a false alarm, and nobody is notified */
} Assessment;
extern const FieldTable assessment_table;

/* ---- tocsin.assessments */
typedef struct {
	ReportRecord report;
	json_t *assessment; /* object of assessment_table; NULL: the same as before this report */
} AssessmentRecord;
extern const FieldTable assessment_record_table;

/* ---- tocsin.commands */
typedef struct {
	const char *incident_id, *command; /* name in commands[] */
	int64_t expected_version;          /* version that the incident must have; INT64_MIN: any */
	json_t *actor;                     /* object of actor_table */
	json_t *arguments;                 /* the body as sent, or {} */
	const char *fingerprint;           /* hash of the request in hex, to detect idempotency-mismatch; may be NULL */
	Instant issued_at;
} CommandRecord;
extern const FieldTable command_record_table;

/* ---- tocsin.journal: entries and answers to commands */
typedef struct {
	int64_t version;  /* of the incident after this entry: one more than after the previous entry */
	int64_t sequence; /* number of the entry among all entries of the incident and its entities, without gaps, from 1; INT64_MIN
	                     in entries of old programs */
	const char *type; /* one of entry_words */
	Instant at;
	json_t *actor;   /* object of actor_table */
	json_t *data;    /* details for display */
	json_t *changes; /* members of the incident to set */
} JournalEntry;
extern const FieldTable journal_entry_table;

typedef struct {
	const char *incident_id;
	const char *command_id;  /* the command that caused the record; NULL: no command did */
	const char *fingerprint; /* CommandRecord.fingerprint of the command */
	json_t *entries;         /* list of journal_entry_table; empty: unchanged or refused */
	json_t *problem;         /* {code, detail, allowed: [words]} of a refusal, else NULL */
	int64_t version;         /* of the incident after this record */
	json_t *resumption;      /* object of resumption_table if a person reopened the incident; else NULL */
	json_t *joins;           /* list of join_table: join keys that the record announces or withdraws; NULL: none */
} JournalRecord;
extern const FieldTable journal_record_table;

/* ---- tocsin.events, reopened records: state of the incident, which intake dropped and needs to count events again */
typedef struct {
	int64_t report_version, event_count; /* as of the last report that response has read */
	Instant last_seen_at;
	int severity;                        /* index into severity_words; -1: none */
	int64_t window_seconds, cap_seconds; /* window and cap of the incident's source, counted from the reopening */
} Resumption;
extern const FieldTable resumption_table;

/* ---- tocsin.joins: an open incident has a join key (asset or actor), or a closed one no longer has it */
typedef struct {
	const char *key;         /* join key: 26 base32 characters of the hash of `by` and the name of the asset or actor */
	int by;                  /* index into join_words */
	const char *incident_id, *number;
	int64_t window_seconds;  /* incidents announced within this time of each other are linked */
	int open;                /* 1: the incident has the key; 0: it no longer has it */
} Join;
extern const FieldTable join_table;

/* ---- tocsin.reports: the open incidents of a join key after this record, without those announced more than two windows earlier */
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
	json_t *incidents;    /* list of joined_incident_table, in the order of announcement, at most JOIN_INCIDENTS_MAX */
	const char *entered;  /* the incident that this record adds; it is linked with others of the list; NULL: none */
	int proposed;         /* 1: one window had more than JOIN_INCIDENTS_MAX incidents, and a possible campaign was proposed */
	const char *campaign; /* the incident to which this record proposes the campaign; NULL: none */
} JoinRecord;
extern const FieldTable join_record_table;

/* ---- the incident as clients see it; members in the order of the answer */
enum { INCIDENT_LINKS_MAX = 128, INCIDENT_FIELDS_MAX = 128 };
typedef struct {
	const char *id, *number;
	int kind, status; /* indexes into kind_words and status_words */
	int64_t version;
	const char *title, *description, *source;
	int severity, grade, damage_level; /* indexes into severity_words, grade_words and damage_words */
	const char *category;
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
	int resolution; /* index into resolution_words */
	json_t *report;
	json_t *links; /* list of {incident_id, by}: incidents with the same asset or actor, at most INCIDENT_LINKS_MAX */
} Incident;
extern const FieldTable incident_table;

/* An item of `links`. */
typedef struct {
	const char *incident_id;
	int by; /* index into join_words */
} Link;
extern const FieldTable link_table;

/* ---- tocsin.deliveries */
typedef struct {
	const char *key;       /* id of the message, msg_… */
	const char *channel, *recipient; /* "webhook" / "person:li" … */
	int64_t escalation_level;
	const char *state;     /* one of delivery_words */
	int64_t attempt;
	Instant next_at;       /* in the state queued: time of the next attempt */
	const char *detail;    /* reason for a skip, failure or retry */
	const char *address, *language; /* for mail: the recipient's address, and the language of the text */
} Delivery;
extern const FieldTable delivery_table;

/* "planned", "reached" and "attempted" name the type of record that has the member (TYPE_ESCALATION_PLANNED …). */
typedef struct {
	const char *incident_id;
	const char *policy_id;     /* planned: the escalation policy */
	const char *policy_version;
	Instant base_at;           /* planned: start time of the plan */
	int64_t escalation_level;  /* reached: number of the level */
	json_t *levels;            /* planned: [{escalation_level, due_at}] */
	json_t *deliveries;        /* reached, attempted: list of delivery_table */
} DeliveryRecord;
extern const FieldTable delivery_record_table;

#endif
