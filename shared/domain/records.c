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
	ROW_NAME(ReportRecord, incident_id, FIELD_REQUIRED, "The incident it opens or belongs to"),
	ROW_NAME(ReportRecord, number, 0, "The incident's number, for people"),
	ROW_NAME(ReportRecord, event_id, FIELD_REQUIRED, "The event it speaks of; on repeats the last one counted"),
	ROW_NAME(ReportRecord, correlation_key, FIELD_REQUIRED, "What the events of this incident have in common"),
	ROW_NAME(ReportRecord, form, 0, "event or report: which table the document fits"),
	ROW_INTEGER(ReportRecord, report_version, FIELD_REQUIRED, 1, INT64_MAX, "1 opened it, then one more each"),
	ROW_INTEGER(ReportRecord, event_count, FIELD_REQUIRED, 1, INT64_MAX, "Events counted so far"),
	ROW_INTEGER(ReportRecord, through, 0, 0, INT64_MAX, "Offset of events before which all of this key is counted"),
	ROW_INTEGER(ReportRecord, clock_offset_ms, 0, 0, 0, "The sender's clock minus ours, where it can be told"),
	ROW_INTEGER(ReportRecord, window_seconds, 0, 0, INT64_MAX,
		    "How long after the last event one still belongs to it"),
	ROW_INTEGER(ReportRecord, cap_seconds, 0, 0, INT64_MAX, "How long after the first event one may belong to it"),
	ROW_TIME(ReportRecord, received_at, FIELD_REQUIRED, "When the event was received, by the server's clock"),
	ROW_TIME(ReportRecord, last_seen_at, 0, "When the last event counted was received"),
	ROW_FREE(ReportRecord, document, FIELD_PERSONAL, "As sent; absent on repeats, unless the severity rose"),
};
const FieldTable report_record_table = FIELD_TABLE("report-record", report_record_fields, ReportRecord);

/* ---- classification */
static const Field assessment_fields[] = {
	ROW_NAME(Assessment, kind, FIELD_REQUIRED, "event, incident or weakness"),
	ROW_NAME(Assessment, category, 0, "Code of the category"),
	ROW_NAME(Assessment, severity, 0, "info, low, medium, high or critical"),
	ROW_NAME(Assessment, grade, FIELD_REQUIRED, "I, II, III or IV"),
	ROW_NAME(Assessment, damage_level, FIELD_REQUIRED, "S, A or B"),
	ROW_NAME(Assessment, rule, 0, "The rule that decided; absent: the defaults did"),
	ROW_TEXT(Assessment, reason, 0, TEXT_MAX_CHARACTERS, "Why, in the site's language"),
	ROW_NAME(Assessment, policy_version, FIELD_REQUIRED, "The policy that decided"),
	ROW_WORDS(Assessment, flags, 0, flag_words, 0, 8, "serious, emergency, drill"),
	ROW_BOOLEAN(Assessment, noise, "Known noise: opens as a false alarm that tells nobody"),
};
const FieldTable assessment_table = FIELD_TABLE("assessment", assessment_fields, Assessment);

static const Field assessment_record_fields[] = {
	ROW_OBJECT(AssessmentRecord, report, FIELD_REQUIRED, &report_record_table, "The report, as intake wrote it"),
	ROW_FREE(AssessmentRecord, assessment, 0, "What was found; absent: as before"),
};
const FieldTable assessment_record_table = FIELD_TABLE("assessment-record", assessment_record_fields, AssessmentRecord);

/* ---- commands */
static const Field command_record_fields[] = {
	ROW_NAME(CommandRecord, incident_id, FIELD_REQUIRED, "The incident it is for"),
	ROW_NAME(CommandRecord, command, FIELD_REQUIRED, "What is to be done"),
	ROW_INTEGER(CommandRecord, expected_version, 0, 0, INT64_MAX, "Only if the incident is at this version"),
	ROW_FREE(CommandRecord, actor, FIELD_REQUIRED | FIELD_PERSONAL, "Who asks"),
	ROW_FREE(CommandRecord, arguments, 0, "The request's body, as sent"),
	ROW_NAME(CommandRecord, fingerprint, 0, "Hash of the request, to know the same one again"),
	ROW_TIME(CommandRecord, issued_at, FIELD_REQUIRED, "When it was asked"),
};
const FieldTable command_record_table = FIELD_TABLE("command-record", command_record_fields, CommandRecord);

/* ---- deliveries */
static const Field delivery_fields[] = {
	ROW_NAME(Delivery, key, FIELD_REQUIRED, "Id of the message, the same on every attempt"),
	ROW_NAME(Delivery, channel, 0, "Which channel carries it"),
	ROW_NAME(Delivery, recipient, FIELD_REQUIRED | FIELD_PERSONAL, "Whom it is for"),
	ROW_INTEGER(Delivery, escalation_level, 0, 0, INT64_MAX, "The level that asked for it"),
	ROW_NAME(Delivery, state, FIELD_REQUIRED, "queued, sent, failed or skipped"),
	ROW_INTEGER(Delivery, attempt, 0, 0, INT64_MAX, "How often it was tried"),
	ROW_TIME(Delivery, next_at, 0, "queued: when it is tried, or tried again"),
	ROW_TEXT(Delivery, detail, 0, TEXT_MAX_CHARACTERS, "Why it was skipped, failed, or is tried again"),
	ROW_TEXT(Delivery, address, FIELD_PERSONAL, TEXT_MAX_CHARACTERS, "Mail: where to"),
	ROW_NAME(Delivery, language, 0, "Mail: in which language"),
};
const FieldTable delivery_table = FIELD_TABLE("delivery", delivery_fields, Delivery);

typedef struct {
	int64_t escalation_level;
	Instant due_at;
} PlannedLevel;

static const Field planned_level_fields[] = {
	ROW_INTEGER(PlannedLevel, escalation_level, FIELD_REQUIRED, 1, INT64_MAX, "Which level"),
	ROW_TIME(PlannedLevel, due_at, FIELD_REQUIRED, "When it is reached"),
};
static const FieldTable planned_level_table = FIELD_TABLE("planned-level", planned_level_fields, PlannedLevel);

static const Field delivery_record_fields[] = {
	ROW_NAME(DeliveryRecord, incident_id, FIELD_REQUIRED, "The incident it is about"),
	ROW_NAME(DeliveryRecord, policy_id, 0, "planned: the escalation policy"),
	ROW_NAME(DeliveryRecord, policy_version, 0, "The pack it was read from"),
	ROW_TIME(DeliveryRecord, base_at, 0, "planned: the seconds count from here"),
	ROW_INTEGER(DeliveryRecord, escalation_level, 0, 0, INT64_MAX, "reached: which level"),
	ROW_OBJECTS(DeliveryRecord, levels, 0, &planned_level_table, 0, LEVELS_MAX, "planned: the levels to come"),
	ROW_OBJECTS(DeliveryRecord, deliveries, 0, &delivery_table, 0, DELIVERIES_MAX, "Messages and how they stand"),
};
const FieldTable delivery_record_table = FIELD_TABLE("delivery-record", delivery_record_fields, DeliveryRecord);

/* ---- what incidents have in common */
static const Field join_fields[] = {
	ROW_NAME(Join, key, FIELD_REQUIRED | FIELD_NOT_EMPTY, "Hash of what it has in common with others"),
	ROW_CHOICE(Join, by, FIELD_REQUIRED, join_words, "asset or actor"),
	ROW_NAME(Join, incident_id, FIELD_REQUIRED, "The incident"),
	ROW_NAME(Join, number, 0, "Its number, for people"),
	ROW_INTEGER(Join, window_seconds, FIELD_REQUIRED, 1, INT64_MAX, "How long after it another is joined to it"),
	ROW_BOOLEAN(Join, open, "false: it was closed"),
};
const FieldTable join_table = FIELD_TABLE("join", join_fields, Join);

static const Field joined_incident_fields[] = {
	ROW_NAME(JoinedIncident, incident_id, FIELD_REQUIRED, "An open incident"),
	ROW_NAME(JoinedIncident, number, 0, "Its number, for people"),
	ROW_TIME(JoinedIncident, at, FIELD_REQUIRED, "When it was announced"),
};
const FieldTable joined_incident_table = FIELD_TABLE("joined-incident", joined_incident_fields, JoinedIncident);

static const Field join_record_fields[] = {
	ROW_NAME(JoinRecord, key, FIELD_REQUIRED | FIELD_NOT_EMPTY, "Hash of what the incidents have in common"),
	ROW_CHOICE(JoinRecord, by, FIELD_REQUIRED, join_words, "asset or actor"),
	ROW_INTEGER(JoinRecord, window_seconds, FIELD_REQUIRED, 1, INT64_MAX, "How long after one another is joined to it"),
	ROW_OBJECTS(JoinRecord, incidents, 0, &joined_incident_table, 0, JOIN_INCIDENTS_MAX,
		    "The open incidents that have it, in the order in which they came"),
	ROW_NAME(JoinRecord, entered, 0, "The incident that came: it is linked with the others"),
	ROW_BOOLEAN(JoinRecord, proposed, "There were more than fit, and it was said that they may be a campaign"),
	ROW_NAME(JoinRecord, campaign, 0, "The incident to which that is said now"),
};
const FieldTable join_record_table = FIELD_TABLE("join-record", join_record_fields, JoinRecord);

/* ---- reopenings */
static const Field resumption_fields[] = {
	ROW_INTEGER(Resumption, report_version, FIELD_REQUIRED, 1, INT64_MAX, "The last report of the incident that is known"),
	ROW_INTEGER(Resumption, event_count, FIELD_REQUIRED, 1, INT64_MAX, "How many events it stands for"),
	ROW_TIME(Resumption, last_seen_at, FIELD_REQUIRED, "When the last of them was received"),
	ROW_CHOICE(Resumption, severity, 0, severity_words, "The worst of them; absent: a person's report"),
	ROW_INTEGER(Resumption, window_seconds, FIELD_REQUIRED, 1, INT64_MAX,
		    "How long after the reopening, and after each event, one still belongs to it"),
	ROW_INTEGER(Resumption, cap_seconds, FIELD_REQUIRED, 1, INT64_MAX,
		    "How long after the reopening one may belong to it"),
};
const FieldTable resumption_table = FIELD_TABLE("resumption", resumption_fields, Resumption);

/* ---- the journal */
const char *const entry_words[] = { "opened",       "assessed",    "repeated", "assigned",
				    "acknowledged", "escalated",   "noted",    "closed",
				    "reopened",     "false-alarm", "linked",   NULL };

static const Field journal_entry_fields[] = {
	ROW_INTEGER(JournalEntry, version, FIELD_REQUIRED, 1, INT64_MAX, "The incident's version with this entry"),
	ROW_NAME(JournalEntry, type, FIELD_REQUIRED, "What was done"),
	ROW_TIME(JournalEntry, at, FIELD_REQUIRED, "When"),
	ROW_FREE(JournalEntry, actor, FIELD_PERSONAL, "By whom"),
	ROW_FREE(JournalEntry, data, FIELD_PERSONAL, "What a person wants to see of it"),
	ROW_FREE(JournalEntry, changes, FIELD_PERSONAL, "The members of the incident it sets"),
};
const FieldTable journal_entry_table = FIELD_TABLE("journal-entry", journal_entry_fields, JournalEntry);

static const Field journal_record_fields[] = {
	ROW_NAME(JournalRecord, incident_id, FIELD_REQUIRED, "The incident it is about"),
	ROW_NAME(JournalRecord, command_id, 0, "The command that caused it"),
	ROW_NAME(JournalRecord, fingerprint, 0, "The command's fingerprint"),
	ROW_OBJECTS(JournalRecord, entries, 0, &journal_entry_table, 0, ENTRIES_MAX,
		    "What was entered; none: nothing changed, or it was refused"),
	ROW_FREE(JournalRecord, problem, 0, "Why it was refused, and what would be taken"),
	ROW_INTEGER(JournalRecord, version, 0, 0, INT64_MAX, "The incident's version after it"),
	ROW_FREE(JournalRecord, resumption, 0, "A reopening: what intake must know to count to it again"),
	ROW_OBJECTS(JournalRecord, joins, 0, &join_table, 0, JOINS_MAX, "What it has in common with others, where the policy asks"),
};
const FieldTable journal_record_table = FIELD_TABLE("journal-record", journal_record_fields, JournalRecord);
