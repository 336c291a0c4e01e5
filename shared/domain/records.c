/* What services tell each other: reports, assessments, commands, deliveries. */
#include "shared/domain/documents.h"

#include "shared/domain/policy.h"
#include "shared/domain/rows.h"

const char *const resolution_words[] = { "resolved", "duplicate", "accepted", "other", NULL };
const char *const delivery_words[] = { "queued", "sent", "failed", "skipped", NULL };

const char *const join_words[] = { "asset", "actor", NULL };

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
const FieldTable report_record_table = FIELD_TABLE("report-record", report_record_fields, ReportRecord);

/* ---- classification */
static const Field assessment_fields[] = {
	ROW_NAME(Assessment, kind, FIELD_REQUIRED, "event, incident or weakness"),
	ROW_NAME(Assessment, category, 0, "Code of the category"),
	ROW_NAME(Assessment, severity, 0, "info, low, medium, high or critical"),
	ROW_NAME(Assessment, grade, FIELD_REQUIRED, "I, II, III or IV"),
	ROW_NAME(Assessment, damage_level, FIELD_REQUIRED, "S, A or B"),
	ROW_NAME(Assessment, rule, 0, "Rule that decided; absent if the defaults did"),
	ROW_TEXT(Assessment, reason, 0, TEXT_MAX_CHARACTERS, "Reason, in the site's language"),
	ROW_NAME(Assessment, policy_version, FIELD_REQUIRED, "Policy version that decided"),
	ROW_WORDS(Assessment, flags, 0, flag_words, 0, 8, "serious, emergency, drill"),
	ROW_BOOLEAN(Assessment, noise, "Known noise: opens as a false alarm and notifies nobody"),
};
const FieldTable assessment_table = FIELD_TABLE("assessment", assessment_fields, Assessment);

static const Field assessment_record_fields[] = {
	ROW_OBJECT(AssessmentRecord, report, FIELD_REQUIRED, &report_record_table, "The report, as intake wrote it"),
	ROW_FREE(AssessmentRecord, assessment, 0, "Result of classification; absent if unchanged"),
};
const FieldTable assessment_record_table = FIELD_TABLE("assessment-record", assessment_record_fields, AssessmentRecord);

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
const FieldTable command_record_table = FIELD_TABLE("command-record", command_record_fields, CommandRecord);

/* ---- deliveries */
static const Field delivery_fields[] = {
	ROW_NAME(Delivery, key, FIELD_REQUIRED, "Id of the message, the same on every attempt"),
	ROW_NAME(Delivery, channel, 0, "Id of the channel"),
	ROW_NAME(Delivery, recipient, FIELD_REQUIRED | FIELD_PERSONAL, "Recipient: team:ID, person:ID or channel:ID"),
	ROW_INTEGER(Delivery, escalation_level, 0, 0, INT64_MAX, "Escalation level that requested it"),
	ROW_NAME(Delivery, state, FIELD_REQUIRED, "queued, sent, failed or skipped"),
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
const FieldTable delivery_record_table = FIELD_TABLE("delivery-record", delivery_record_fields, DeliveryRecord);

/* ---- what incidents have in common */
static const Field join_fields[] = {
	ROW_NAME(Join, key, FIELD_REQUIRED | FIELD_NOT_EMPTY, "Join key: hash of the shared asset or actor"),
	ROW_CHOICE(Join, by, FIELD_REQUIRED, join_words, "asset or actor"),
	ROW_NAME(Join, incident_id, FIELD_REQUIRED, "The incident"),
	ROW_NAME(Join, number, 0, "Its number, for people"),
	ROW_INTEGER(Join, window_seconds, FIELD_REQUIRED, 1, INT64_MAX, "Seconds after this incident in which another is linked with it"),
	ROW_BOOLEAN(Join, open, "false once the incident is closed"),
};
const FieldTable join_table = FIELD_TABLE("join", join_fields, Join);

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
const FieldTable join_record_table = FIELD_TABLE("join-record", join_record_fields, JoinRecord);

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
const FieldTable resumption_table = FIELD_TABLE("resumption", resumption_fields, Resumption);

/* ---- the journal */
const char *const entry_words[] = { "opened",       "assessed",    "repeated", "assigned",
				    "acknowledged", "escalated",   "noted",    "closed",
				    "reopened",     "false-alarm", "linked",   NULL };

static const Field journal_entry_fields[] = {
	ROW_INTEGER(JournalEntry, version, FIELD_REQUIRED, 1, INT64_MAX, "Version of the incident after this entry"),
	ROW_NAME(JournalEntry, type, FIELD_REQUIRED, "Type of the entry"),
	ROW_TIME(JournalEntry, at, FIELD_REQUIRED, "Time of the entry"),
	ROW_FREE(JournalEntry, actor, FIELD_PERSONAL, "Author of the entry"),
	ROW_FREE(JournalEntry, data, FIELD_PERSONAL, "Details for display"),
	ROW_FREE(JournalEntry, changes, FIELD_PERSONAL, "Members of the incident to set"),
};
const FieldTable journal_entry_table = FIELD_TABLE("journal-entry", journal_entry_fields, JournalEntry);

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
const FieldTable journal_record_table = FIELD_TABLE("journal-record", journal_record_fields, JournalRecord);
