/* Field tables of the documents, and the words of their choices. */
#include "shared/domain/documents.h"

#include "shared/domain/lifecycle.h"
#include "shared/base/id.h"
#include "shared/domain/policy.h"
#include "shared/domain/rows.h"

#include <string.h>

const char *const observable_words[] = { "ip",   "domain",  "url",  "email", "hash",
					 "file", "account", "host", "other", NULL };
const char *const relation_words[] = { "employee", "contractor", "intern", "client", "visitor",
				       "supplier", "partner",    "other",  NULL };
const char *const data_words[] = { "ordinary", "confidential", "secret", "top-secret", NULL };
const char *const business_words[] = { "no", "will", "now", NULL };
const char *const origin_words[] = { "internal", "project", NULL };
const char *const report_type_words[] = { "theft",     "robbery", "fire",   "leak",  "loss", "malware",
					  "intrusion", "outage",  "misuse", "other", NULL };
const char *const actor_words[] = { "person", "key", "system", NULL };
const char *const resolution_words[] = { "resolved", "duplicate", "accepted", "other", NULL };
const char *const delivery_words[] = { "queued", "sent", "failed", "skipped", NULL };
const char *const join_words[] = { "asset", "actor", NULL };
const TextForm event_id_form = { .pattern = "^evt_[0-9a-hjkmnp-tv-z]{26}$" };
const TextForm incident_id_form = { .pattern = "^inc_[0-9a-hjkmnp-tv-z]{26}$" };
const TextForm command_id_form = { .pattern = "^cmd_[0-9a-hjkmnp-tv-z]{26}$" };
const TextForm correlation_key_form = { .pattern = "^[0-9a-hjkmnp-tv-z]{26}$" };
static const TextForm number_form = { .pattern = "^INC-[0-9]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$",
				      .matches = number_is,
				      .sentence = "a number like INC-2026-7K3M-9QRX" };

/* ---- events */
typedef struct {
	int type;
	const char *value;
} Observable;

static const Field observable_fields[] = {
	ROW_CHOICE(Observable, type, FIELD_REQUIRED, observable_words, "Type of the observable"),
	ROW_TEXT(Observable, value, FIELD_REQUIRED | FIELD_NOT_EMPTY | FIELD_PERSONAL, TEXT_MAX_CHARACTERS,
		 "The address, name or hash"),
};
static const FieldTable observable_table = FIELD_TABLE("observable", observable_fields, Observable);

static const Field event_fields[] = {
	ROW_NAME(EventDocument, source, FIELD_REQUIRED | FIELD_NOT_EMPTY, "Sensor or system that sends the event"),
	ROW_TEXT(EventDocument, title, FIELD_REQUIRED | FIELD_NOT_EMPTY, TITLE_MAX_CHARACTERS,
		 "One-line summary"),
	ROW_NAME(EventDocument, id, FIELD_NOT_EMPTY,
		 "The sender's id; the same (source, id) with the same correlation key counts once"),
	ROW_NAME(EventDocument, type, 0, "The sender's name for this type of event"),
	ROW_NAME(EventDocument, rule, 0, "Rule or signature of the sender that fired"),
	ROW_CHOICE(EventDocument, severity, 0, severity_words, "Severity assigned by the sender; medium where absent",
		   .fallback = "medium"),
	ROW_TIME(EventDocument, occurred_at, 0, "Time of the event; the time of receipt where absent"),
	ROW_NAME(EventDocument, asset, 0, "Affected asset: a host, service or data set"),
	ROW_NAME(EventDocument, actor, FIELD_PERSONAL, "Account or address that caused the event"),
	ROW_OBJECTS(EventDocument, observables, FIELD_PERSONAL, &observable_table, 0, OBSERVABLES_MAX,
		    "Observed addresses, names and hashes"),
	ROW_FREE(EventDocument, attributes, 0, "Further members defined by the sender; rules may test them"),
};
const FieldTable event_table =
	FIELD_DOCUMENT("event", event_fields, EventDocument, TABLE_REQUEST, "Event",
		       "An event from a machine: body of POST /v1/events.");

/* ---- reports of people */
#define REPORTER_OFFSET(member_) (offsetof(ReportDocument, reporter.member_) - offsetof(ReportDocument, reporter))
#define ACTION_OFFSET(member_) (offsetof(ReportDocument, first_action.member_) - offsetof(ReportDocument, first_action))

static const Field reporter_fields[] = {
	ROW("name", FIELD_TEXT, REPORTER_OFFSET(name), .flags = FIELD_PERSONAL, .max = NAME_MAX_CHARACTERS,
	    .sentence = "Name of the reporter"),
	ROW("contact", FIELD_TEXT, REPORTER_OFFSET(contact), .flags = FIELD_PERSONAL, .max = TEXT_MAX_CHARACTERS,
	    .sentence = "Address or telephone number for questions and the result"),
	ROW("relation", FIELD_CHOICE, REPORTER_OFFSET(relation), .choices = relation_words,
	    .sentence = "Relation of the reporter to the organisation"),
	ROW("department", FIELD_TEXT, REPORTER_OFFSET(department), .flags = FIELD_PERSONAL, .max = NAME_MAX_CHARACTERS,
	    .sentence = "Department of the reporter"),
};
static const FieldTable reporter_table = {
	.name = "reporter",
	.fields = reporter_fields,
	.count = sizeof(reporter_fields) / sizeof(reporter_fields[0]),
	.size = sizeof(((ReportDocument *)NULL)->reporter),
};

static const Field first_action_fields[] = {
	ROW("done_at", FIELD_TIME, ACTION_OFFSET(done_at), .sentence = "Time of the call to the police or fire brigade"),
	ROW("reference", FIELD_TEXT, ACTION_OFFSET(reference), .max = TEXT_MAX_CHARACTERS,
	    .sentence = "Reference number, or name of the person who took the call"),
};
static const FieldTable first_action_table = {
	.name = "first_action",
	.fields = first_action_fields,
	.count = sizeof(first_action_fields) / sizeof(first_action_fields[0]),
	.size = sizeof(((ReportDocument *)NULL)->first_action),
};

static const Field report_fields[] = {
	ROW_CHOICE(ReportDocument, kind, FIELD_REQUIRED, kind_words, "Kind in the reporter's opinion"),
	ROW_TEXT(ReportDocument, description, FIELD_REQUIRED | FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS,
		 "Observation in the reporter's words"),
	ROW_TEXT(ReportDocument, title, 0, TITLE_MAX_CHARACTERS, "One-line summary"),
	ROW_CHOICE(ReportDocument, type, 0, report_type_words, "Type of the observation"),
	ROW_OBJECT(ReportDocument, reporter, FIELD_PERSONAL, &reporter_table, "The person who reports"),
	ROW_BOOLEAN(ReportDocument, suspected, "Suspected, not observed; false where absent",
		    .fallback = "false"),
	ROW_TIME(ReportDocument, occurred_at, 0, "Time at which it happened"),
	ROW_TIME(ReportDocument, discovered_at, 0, "Time at which it was noticed"),
	ROW_TEXT(ReportDocument, interim_measures, 0, TEXT_MAX_CHARACTERS, "Measures already taken"),
	ROW_CHOICE(ReportDocument, data_classification, 0, data_words, "Highest class of the affected data"),
	ROW_CHOICE(ReportDocument, business_affected, 0, business_words,
		   "Effect on the business: none, expected or present"),
	ROW_CHOICE(ReportDocument, origin, 0, origin_words, "Internal, or in a project for a client"),
	ROW_NAME(ReportDocument, project, 0, "Name of the project"),
	ROW_NAME(ReportDocument, asset, 0, "Affected asset"),
	ROW_OBJECT(ReportDocument, first_action, 0, &first_action_table,
		   "First step that theft, robbery and fire require"),
};
const FieldTable report_table =
	FIELD_DOCUMENT("report", report_fields, ReportDocument, TABLE_REQUEST, "Report",
		       "A report from a person: body of POST /v1/reports.");

/* ---- authors */
static const Field actor_fields[] = {
	ROW_CHOICE(Actor, kind, FIELD_REQUIRED, actor_words, "A person, an API key, or Tocsin itself"),
	ROW_NAME(Actor, id, FIELD_REQUIRED | FIELD_PERSONAL, "Id of the person or key, or name of the service"),
	ROW_NAME(Actor, name, FIELD_PERSONAL, "Display name"),
	ROW_TEXTS(Actor, roles, 0, 0, 32, "Roles that permitted it"),
};
const FieldTable actor_table =
	FIELD_DOCUMENT("actor", actor_fields, Actor, TABLE_RECORD, "Actor",
		       "Author of a command or an entry.");

enum { ENTRIES_MAX = 16, LEVELS_MAX = 16, DELIVERIES_MAX = 1024, JOINS_MAX = 8 };

/* ---- intake */
static const Field report_record_fields[] = {
	ROW_NAME(ReportRecord, incident_id, FIELD_REQUIRED, "Incident that the record opens or belongs to"),
	ROW_NAME(ReportRecord, number, 0, "The incident's number, for people"),
	ROW_NAME(ReportRecord, event_id, FIELD_REQUIRED, "Event of the record; on repeats, the last one counted"),
	ROW_NAME(ReportRecord, correlation_key, FIELD_REQUIRED, "Correlation key of the incident"),
	ROW_NAME(ReportRecord, form, 0, "Form of the document: event or report"),
	ROW_INTEGER(ReportRecord, report_version, FIELD_REQUIRED, 1, INT64_MAX, "1 for the opening record, then one more with each record"),
	ROW_INTEGER(ReportRecord, event_count, FIELD_REQUIRED, 1, INT64_MAX, "Events counted so far"),
	ROW_INTEGER(ReportRecord, through, 0, 0, INT64_MAX, "Offset in tocsin.events before which every event of this key is counted"),
	ROW_INTEGER(ReportRecord, clock_offset_ms, 0, 0, 0, "Sender's clock minus the server's in milliseconds, where known"),
	ROW_INTEGER(ReportRecord, window_seconds, 0, 0, INT64_MAX,
		    "Seconds after the last event in which a further one belongs to the incident"),
	ROW_INTEGER(ReportRecord, cap_seconds, 0, 0, INT64_MAX, "Seconds after the first event in which a further one may belong to the incident"),
	ROW_TIME(ReportRecord, received_at, FIELD_REQUIRED, "Time of receipt of the event, by the server's clock"),
	ROW_TIME(ReportRecord, last_seen_at, 0, "Time of receipt of the last event counted"),
	ROW_FREE(ReportRecord, document, FIELD_PERSONAL, "Document as sent; absent on repeats, unless the severity rose"),
};
const FieldTable report_record_table =
	FIELD_DOCUMENT("report-record", report_record_fields, ReportRecord, TABLE_RECORD, "Report record",
		       "Body of the records of tocsin.reports: an incident that intake opened, counted events for, or released.");

/* ---- classification */
static const Field assessment_fields[] = {
	ROW_CHOICE(Assessment, kind, FIELD_REQUIRED, kind_words, "event, incident or weakness"),
	ROW_NAME(Assessment, category, 0, "Code of the category"),
	ROW_CHOICE(Assessment, severity, 0, severity_words, "info, low, medium, high or critical"),
	ROW_CHOICE(Assessment, grade, FIELD_REQUIRED, grade_words, "I, II, III or IV"),
	ROW_CHOICE(Assessment, damage_level, FIELD_REQUIRED, damage_words, "S, A or B"),
	ROW_NAME(Assessment, rule, 0, "Rule that decided; absent if the defaults did"),
	ROW_TEXT(Assessment, reason, 0, TEXT_MAX_CHARACTERS, "Reason, in the site's language"),
	ROW_NAME(Assessment, policy_version, FIELD_REQUIRED, "Policy version that decided"),
	ROW_WORDS(Assessment, flags, 0, flag_words, 0, 8, "serious, emergency, drill"),
	ROW_BOOLEAN(Assessment, noise, "Known noise: opens as a false alarm and notifies nobody"),
};
const FieldTable assessment_table =
	FIELD_DOCUMENT("assessment", assessment_fields, Assessment, TABLE_RECORD, "Assessment",
		       "Result of classification.");

static const Field assessment_record_fields[] = {
	ROW_OBJECT(AssessmentRecord, report, FIELD_REQUIRED, &report_record_table, "The report, as intake wrote it"),
	ROW_FREE(AssessmentRecord, assessment, 0, "Result of classification; absent if unchanged"),
};
const FieldTable assessment_record_table =
	FIELD_DOCUMENT("assessment-record", assessment_record_fields, AssessmentRecord, TABLE_RECORD, "Assessment record",
		       "Body of the records of tocsin.assessments.");

/* ---- commands */
static const Field command_record_fields[] = {
	ROW_NAME(CommandRecord, incident_id, FIELD_REQUIRED, "Incident to change"),
	ROW_NAME(CommandRecord, command, FIELD_REQUIRED, "Name of the command"),
	ROW_INTEGER(CommandRecord, expected_version, 0, 0, INT64_MAX, "Version that the incident must have; absent: any"),
	ROW_FREE(CommandRecord, actor, FIELD_REQUIRED | FIELD_PERSONAL, "Author of the command"),
	ROW_FREE(CommandRecord, arguments, 0, "The request's body, as sent"),
	ROW_NAME(CommandRecord, fingerprint, 0, "Hash of the request, to recognise a repeated one"),
	ROW_TIME(CommandRecord, issued_at, FIELD_REQUIRED, "Time of the request"),
};
const FieldTable command_record_table =
	FIELD_DOCUMENT("command-record", command_record_fields, CommandRecord, TABLE_RECORD, "Command record",
		       "Body of the records of tocsin.commands.");

/* ---- deliveries */
static const Field delivery_fields[] = {
	ROW_NAME(Delivery, key, FIELD_REQUIRED, "Id of the message, the same on every attempt"),
	ROW_NAME(Delivery, channel, 0, "Id of the channel"),
	ROW_NAME(Delivery, recipient, FIELD_REQUIRED | FIELD_PERSONAL, "Recipient: team:ID, person:ID or channel:ID"),
	ROW_INTEGER(Delivery, escalation_level, 0, 0, INT64_MAX, "Escalation level that requested it"),
	ROW_NAME(Delivery, state, FIELD_REQUIRED, "queued, sent, failed or skipped", .choices = delivery_words),
	ROW_INTEGER(Delivery, attempt, 0, 0, INT64_MAX, "Number of attempts"),
	ROW_TIME(Delivery, next_at, 0, "queued: time of the next attempt"),
	ROW_TEXT(Delivery, detail, 0, TEXT_MAX_CHARACTERS, "Reason for a skip, failure or retry"),
	ROW_TEXT(Delivery, address, FIELD_PERSONAL, TEXT_MAX_CHARACTERS, "Mail: address of the recipient"),
	ROW_NAME(Delivery, language, 0, "Mail: language of the text"),
};
const FieldTable delivery_table = FIELD_TABLE("delivery", delivery_fields, Delivery);

typedef struct {
	int64_t escalation_level;
	Instant due_at;
} PlannedLevel;

static const Field planned_level_fields[] = {
	ROW_INTEGER(PlannedLevel, escalation_level, FIELD_REQUIRED, 1, INT64_MAX, "Number of the level, from 1"),
	ROW_TIME(PlannedLevel, due_at, FIELD_REQUIRED, "Time at which it is due"),
};
static const FieldTable planned_level_table = FIELD_TABLE("planned-level", planned_level_fields, PlannedLevel);

static const Field delivery_record_fields[] = {
	ROW_NAME(DeliveryRecord, incident_id, FIELD_REQUIRED, "Incident that the record concerns"),
	ROW_NAME(DeliveryRecord, policy_id, 0, "planned: the escalation policy"),
	ROW_NAME(DeliveryRecord, policy_version, 0, "Version of the policy pack"),
	ROW_TIME(DeliveryRecord, base_at, 0, "planned: start time of the plan"),
	ROW_INTEGER(DeliveryRecord, escalation_level, 0, 0, INT64_MAX, "reached: number of the level"),
	ROW_OBJECTS(DeliveryRecord, levels, 0, &planned_level_table, 0, LEVELS_MAX, "planned: levels and their due times"),
	ROW_OBJECTS(DeliveryRecord, deliveries, 0, &delivery_table, 0, DELIVERIES_MAX, "Messages and their states"),
};
const FieldTable delivery_record_table =
	FIELD_DOCUMENT("delivery-record", delivery_record_fields, DeliveryRecord, TABLE_RECORD, "Delivery record",
		       "Body of the records of tocsin.deliveries.");

/* ---- joins */
static const Field join_fields[] = {
	ROW_NAME(Join, key, FIELD_REQUIRED | FIELD_NOT_EMPTY, "Join key: hash of the shared asset or actor"),
	ROW_CHOICE(Join, by, FIELD_REQUIRED, join_words, "asset or actor"),
	ROW_NAME(Join, incident_id, FIELD_REQUIRED, "The incident"),
	ROW_NAME(Join, number, 0, "Its number, for people"),
	ROW_INTEGER(Join, window_seconds, FIELD_REQUIRED, 1, INT64_MAX, "Seconds after this incident in which another is linked with it"),
	ROW_BOOLEAN(Join, open, "false once the incident is closed"),
};
const FieldTable join_table =
	FIELD_DOCUMENT("join", join_fields, Join, TABLE_RECORD, "Join",
		       "Body of the records of tocsin.joins: an incident has a join key, or no longer has it.");

static const Field joined_incident_fields[] = {
	ROW_NAME(JoinedIncident, incident_id, FIELD_REQUIRED, "An open incident"),
	ROW_NAME(JoinedIncident, number, 0, "Its number, for people"),
	ROW_TIME(JoinedIncident, at, FIELD_REQUIRED, "Time of its announcement"),
};
const FieldTable joined_incident_table = FIELD_TABLE("joined-incident", joined_incident_fields, JoinedIncident);

static const Field join_record_fields[] = {
	ROW_NAME(JoinRecord, key, FIELD_REQUIRED | FIELD_NOT_EMPTY, "Join key: hash of the shared asset or actor"),
	ROW_CHOICE(JoinRecord, by, FIELD_REQUIRED, join_words, "asset or actor"),
	ROW_INTEGER(JoinRecord, window_seconds, FIELD_REQUIRED, 1, INT64_MAX, "Seconds after one incident in which another is linked with it"),
	ROW_OBJECTS(JoinRecord, incidents, 0, &joined_incident_table, 0, JOIN_INCIDENTS_MAX,
		    "Open incidents with this key, in order of arrival"),
	ROW_NAME(JoinRecord, entered, 0, "Incident added by this record; it is linked with the others"),
	ROW_BOOLEAN(JoinRecord, proposed, "True once more incidents came than fit and a possible campaign was noted"),
	ROW_NAME(JoinRecord, campaign, 0, "Incident on which this record notes the possible campaign"),
};
const FieldTable join_record_table =
	FIELD_DOCUMENT("join-record", join_record_fields, JoinRecord, TABLE_RECORD, "Join record",
		       "Body of the join records of tocsin.reports: all open incidents of a join key.");

/* ---- reopenings */
static const Field resumption_fields[] = {
	ROW_INTEGER(Resumption, report_version, FIELD_REQUIRED, 1, INT64_MAX, "Version of the last known report of the incident"),
	ROW_INTEGER(Resumption, event_count, FIELD_REQUIRED, 1, INT64_MAX, "Number of events counted"),
	ROW_TIME(Resumption, last_seen_at, FIELD_REQUIRED, "Time of receipt of the last event counted"),
	ROW_CHOICE(Resumption, severity, 0, severity_words, "Highest severity of these events; absent for a person's report"),
	ROW_INTEGER(Resumption, window_seconds, FIELD_REQUIRED, 1, INT64_MAX,
		    "Seconds after the reopening, and after each event, in which a further one belongs to the incident"),
	ROW_INTEGER(Resumption, cap_seconds, FIELD_REQUIRED, 1, INT64_MAX,
		    "Seconds after the reopening in which an event may belong to the incident"),
};
const FieldTable resumption_table =
	FIELD_DOCUMENT("resumption", resumption_fields, Resumption, TABLE_RECORD, "Resumption",
		       "Body of a reopening on tocsin.events: state that intake needs to count events for the incident again.");

/* ---- the journal */
static const Field journal_entry_fields[] = {
	ROW_INTEGER(JournalEntry, version, FIELD_REQUIRED, 1, INT64_MAX, "Version of the incident after this entry"),
	ROW_INTEGER(JournalEntry, sequence, 0, 1, INT64_MAX, "Number of the entry among those of the incident and its entities, without gaps"),
	ROW_NAME(JournalEntry, type, FIELD_REQUIRED, "Type of the entry", .choices = entry_words),
	ROW_TIME(JournalEntry, at, FIELD_REQUIRED, "Time of the entry"),
	ROW_FREE(JournalEntry, actor, FIELD_PERSONAL, "Author of the entry"),
	ROW_FREE(JournalEntry, data, FIELD_PERSONAL, "Details for display"),
	ROW_FREE(JournalEntry, changes, FIELD_PERSONAL, "Members of the incident to set"),
};
const FieldTable journal_entry_table =
	FIELD_DOCUMENT("journal-entry", journal_entry_fields, JournalEntry, TABLE_RECORD, "Journal entry",
		       "One change of an incident, applied by setting the members in `changes`; a nested object replaces the former one.");

static const Field journal_record_fields[] = {
	ROW_NAME(JournalRecord, incident_id, FIELD_REQUIRED, "Incident that the record concerns"),
	ROW_NAME(JournalRecord, command_id, 0, "Command that caused the record"),
	ROW_NAME(JournalRecord, fingerprint, 0, "Fingerprint of the command"),
	ROW_OBJECTS(JournalRecord, entries, 0, &journal_entry_table, 0, ENTRIES_MAX,
		    "New entries; none if nothing changed or the command was refused"),
	ROW_FREE(JournalRecord, problem, 0, "Reason for a refusal, and the accepted alternatives"),
	ROW_INTEGER(JournalRecord, version, 0, 0, INT64_MAX, "Version of the incident after the record"),
	ROW_FREE(JournalRecord, resumption, 0, "On a reopening: state that intake needs to count events for the incident again"),
	ROW_OBJECTS(JournalRecord, joins, 0, &join_table, 0, JOINS_MAX, "Join keys that the record announces or withdraws, where the policy joins incidents"),
};
const FieldTable journal_record_table =
	FIELD_DOCUMENT("journal-record", journal_record_fields, JournalRecord, TABLE_RECORD, "Journal record",
		       "Body of the records of tocsin.journal.");

/* ---- incidents */
#define ASSIGNEE_OFFSET(member_) (offsetof(Incident, assignee.member_) - offsetof(Incident, assignee))
#define ACKNOWLEDGED_OFFSET(member_) (offsetof(Incident, acknowledged.member_) - offsetof(Incident, acknowledged))

static const Field assignee_fields[] = {
	ROW("team", FIELD_TEXT, ASSIGNEE_OFFSET(team), .flags = FIELD_IN_NOTICE, .max = NAME_MAX_CHARACTERS,
	    .sentence = "Assigned team"),
	ROW("person", FIELD_TEXT, ASSIGNEE_OFFSET(person), .flags = FIELD_PERSONAL, .max = NAME_MAX_CHARACTERS,
	    .sentence = "Assigned person"),
};
static const FieldTable assignee_table = {
	.name = "assignee",
	.fields = assignee_fields,
	.count = sizeof(assignee_fields) / sizeof(assignee_fields[0]),
	.size = sizeof(((Incident *)NULL)->assignee),
};

static const Field acknowledged_fields[] = {
	ROW("at", FIELD_TIME, ACKNOWLEDGED_OFFSET(at), .sentence = "Time of the first acknowledgement"),
	ROW("by", FIELD_FREE, ACKNOWLEDGED_OFFSET(by), .flags = FIELD_PERSONAL, .sentence = "Actor who acknowledged"),
};
static const FieldTable acknowledged_table = {
	.name = "acknowledged",
	.fields = acknowledged_fields,
	.count = sizeof(acknowledged_fields) / sizeof(acknowledged_fields[0]),
	.size = sizeof(((Incident *)NULL)->acknowledged),
};

static const Field link_fields[] = {
	ROW_NAME(Link, incident_id, FIELD_REQUIRED, "The other incident"),
	ROW_CHOICE(Link, by, FIELD_REQUIRED, join_words, "Shared member: asset or actor"),
};
const FieldTable link_table = FIELD_TABLE("link", link_fields, Link);

enum { LISTED = FIELD_FILTER | FIELD_INDEXED };

static const Field incident_fields[] = {
	ROW_NAME(Incident, id, FIELD_ALWAYS | FIELD_IN_NOTICE, "inc_…; never changes, even if the kind does",
		 .form = &incident_id_form),
	ROW_NAME(Incident, number, FIELD_ALWAYS | LISTED | FIELD_SEARCH | FIELD_IN_NOTICE, "INC-<year>-XXXX-XXXX, for people",
		 .form = &number_form),
	ROW_CHOICE(Incident, kind, FIELD_ALWAYS | FIELD_FILTER | FIELD_IN_NOTICE, kind_words, "event, incident or weakness"),
	ROW_CHOICE(Incident, status, FIELD_ALWAYS | LISTED, status_words, "Status in the lifecycle of its kind"),
	ROW_INTEGER(Incident, version, FIELD_ALWAYS, 1, INT64_MAX, "Version, raised by one with each entry"),
	ROW_TEXT(Incident, title, FIELD_ALWAYS | FIELD_SEARCH | FIELD_IN_NOTICE, TITLE_MAX_CHARACTERS, "One-line summary"),
	ROW_TEXT(Incident, description, FIELD_PERSONAL | FIELD_SEARCH, TEXT_MAX_CHARACTERS, "Full description"),
	ROW_NAME(Incident, source, LISTED | FIELD_IN_NOTICE, "Source of the opening event; person for the report of a person"),
	ROW_CHOICE(Incident, severity, FIELD_FILTER | FIELD_IN_NOTICE, severity_words, "Severity: info to critical"),
	ROW_CHOICE(Incident, grade, LISTED | FIELD_IN_NOTICE, grade_words, "Grade for the organisation, from I (the worst) to IV"),
	ROW_CHOICE(Incident, damage_level, 0, damage_words, "Foreseeable damage: S, A or B"),
	ROW_NAME(Incident, category, LISTED | FIELD_IN_NOTICE, "Code of the category"),
	ROW_WORDS(Incident, flags, 0, flag_words, 0, 8, "serious, emergency, drill"),
	ROW_TEXT(Incident, reason, FIELD_IN_NOTICE, TEXT_MAX_CHARACTERS, "Reason for the assessment"),
	ROW_NAME(Incident, rule, 0, "Rule that decided"),
	ROW_NAME(Incident, policy_version, 0, "Policy version that decided"),
	ROW_OBJECT(Incident, assignee, FIELD_ALWAYS | FIELD_IN_NOTICE, &assignee_table, "Assigned team and person"),
	ROW_OBJECT(Incident, acknowledged, FIELD_ALWAYS, &acknowledged_table, "First acknowledgement"),
	ROW_TIME(Incident, acknowledge_by, 0, "Time by which somebody must acknowledge: that of the first escalation level with a delay; it stays when later levels are notified"),
	ROW_INTEGER(Incident, escalation_level, 0, 0, INT64_MAX, "Last level notified"),
	ROW_NAME(Incident, asset, FIELD_SEARCH | FIELD_IN_NOTICE, "Affected asset"),
	ROW_NAME(Incident, actor, FIELD_PERSONAL | FIELD_SEARCH, "Account or address that caused it"),
	ROW_OBJECTS(Incident, observables, FIELD_PERSONAL, &observable_table, 0, OBSERVABLES_MAX,
		    "Observables of its events"),
	ROW_NAME(Incident, correlation_key, FIELD_ALWAYS | LISTED, "Correlation key of its events",
		 .form = &correlation_key_form),
	ROW_INTEGER(Incident, event_count, FIELD_ALWAYS, 0, INT64_MAX, "Number of events counted"),
	ROW_TIME(Incident, first_seen_at, 0, "Time of receipt of the first event"),
	ROW_TIME(Incident, last_seen_at, 0, "Time of receipt of the last event"),
	ROW_TIME(Incident, occurred_at, 0, "Time of the event by the sender's clock"),
	ROW_TIME(Incident, discovered_at, 0, "Time at which a person noticed it"),
	ROW_TIME(Incident, reported_at, 0, "Time of receipt"),
	ROW_TIME(Incident, opened_at, FIELD_IN_NOTICE, "Time of opening"),
	ROW_TIME(Incident, updated_at, 0, "Time of the last entry"),
	ROW_TIME(Incident, closed_at, 0, "Time of closing"),
	ROW_CHOICE(Incident, resolution, 0, resolution_words, "Outcome"),
	ROW_FREE(Incident, report, FIELD_PERSONAL, "The person's report, as sent"),
	ROW_OBJECTS(Incident, links, FIELD_OMIT_EMPTY, &link_table, 0, INCIDENT_LINKS_MAX,
		    "Incidents that were open at the same time and share its asset or actor; absent if there are none"),
};
const FieldTable incident_table =
	FIELD_DOCUMENT("incident", incident_fields, Incident, TABLE_ANSWER, "Incident",
		       "A case of any kind, with one id and number for its whole life. Every member is present, "
		       "null where unknown; links is present only if there are any.");

_Static_assert(sizeof(incident_fields) / sizeof(incident_fields[0]) <= INCIDENT_FIELDS_MAX, "raise INCIDENT_FIELDS_MAX");
