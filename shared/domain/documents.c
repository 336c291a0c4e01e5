/* What senders post and what every record carries: events, reports of people, actors. */
#include "shared/domain/documents.h"

#include "shared/domain/policy.h"
#include "shared/domain/rows.h"

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
const FieldTable observable_table = FIELD_TABLE("observable", observable_fields, Observable);

static const Field event_fields[] = {
	ROW_NAME(EventDocument, source, FIELD_REQUIRED | FIELD_NOT_EMPTY, "Sensor or system that sends the event"),
	ROW_TEXT(EventDocument, title, FIELD_REQUIRED | FIELD_NOT_EMPTY, TITLE_MAX_CHARACTERS,
		 "One-line summary"),
	ROW_NAME(EventDocument, id, FIELD_NOT_EMPTY,
		 "The sender's id; the same (source, id) with the same correlation key counts once"),
	ROW_NAME(EventDocument, type, 0, "The sender's name for this type of event"),
	ROW_NAME(EventDocument, rule, 0, "Rule or signature of the sender that fired"),
	ROW_CHOICE(EventDocument, severity, 0, severity_words, "Severity assigned by the sender; medium where absent"),
	ROW_TIME(EventDocument, occurred_at, 0, "Time of the event; the time of receipt where absent"),
	ROW_NAME(EventDocument, asset, 0, "Affected asset: a host, service or data set"),
	ROW_NAME(EventDocument, actor, FIELD_PERSONAL, "Account or address that caused the event"),
	ROW_OBJECTS(EventDocument, observables, FIELD_PERSONAL, &observable_table, 0, OBSERVABLES_MAX,
		    "Observed addresses, names and hashes"),
	ROW_FREE(EventDocument, attributes, 0, "Further members defined by the sender; rules may test them"),
};
const FieldTable event_table = FIELD_TABLE("event", event_fields, EventDocument);

/* ---- reports of people */
#define REPORTER_PLACE(member_) (offsetof(ReportDocument, reporter.member_) - offsetof(ReportDocument, reporter))
#define ACTION_PLACE(member_) (offsetof(ReportDocument, first_action.member_) - offsetof(ReportDocument, first_action))

static const Field reporter_fields[] = {
	ROW("name", FIELD_TEXT, REPORTER_PLACE(name), .flags = FIELD_PERSONAL, .max = NAME_MAX_CHARACTERS,
	    .sentence = "Name of the reporter"),
	ROW("contact", FIELD_TEXT, REPORTER_PLACE(contact), .flags = FIELD_PERSONAL, .max = TEXT_MAX_CHARACTERS,
	    .sentence = "Address or telephone number for questions and the result"),
	ROW("relation", FIELD_CHOICE, REPORTER_PLACE(relation), .choices = relation_words,
	    .sentence = "Relation of the reporter to the organisation"),
	ROW("department", FIELD_TEXT, REPORTER_PLACE(department), .flags = FIELD_PERSONAL, .max = NAME_MAX_CHARACTERS,
	    .sentence = "Department of the reporter"),
};
static const FieldTable reporter_table = {
	.name = "reporter",
	.fields = reporter_fields,
	.count = sizeof(reporter_fields) / sizeof(reporter_fields[0]),
	.size = sizeof(((ReportDocument *)NULL)->reporter),
};

static const Field first_action_fields[] = {
	ROW("done_at", FIELD_TIME, ACTION_PLACE(done_at), .sentence = "Time of the call to the police or fire brigade"),
	ROW("reference", FIELD_TEXT, ACTION_PLACE(reference), .max = TEXT_MAX_CHARACTERS,
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
	ROW_BOOLEAN(ReportDocument, suspected, "Suspected, not observed; false where absent"),
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
const FieldTable report_table = FIELD_TABLE("report", report_fields, ReportDocument);

/* ---- who did it */
static const Field actor_fields[] = {
	ROW_CHOICE(Actor, kind, FIELD_REQUIRED, actor_words, "A person, an API key, or Tocsin itself"),
	ROW_NAME(Actor, id, FIELD_REQUIRED | FIELD_PERSONAL, "Id of the person or key, or name of the service"),
	ROW_NAME(Actor, name, FIELD_PERSONAL, "Display name"),
	ROW_TEXTS(Actor, roles, 0, 0, 32, "Roles that permitted it"),
};
const FieldTable actor_table = FIELD_TABLE("actor", actor_fields, Actor);
