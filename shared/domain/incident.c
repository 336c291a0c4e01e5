/* The incident, and how entries are folded into it. */
#include "shared/domain/documents.h"

#include "shared/domain/policy.h"
#include "shared/domain/rows.h"

#include <string.h>

#define ASSIGNEE_PLACE(member_) (offsetof(Incident, assignee.member_) - offsetof(Incident, assignee))
#define ACKNOWLEDGED_PLACE(member_) (offsetof(Incident, acknowledged.member_) - offsetof(Incident, acknowledged))

static const Field assignee_fields[] = {
	ROW("team", FIELD_TEXT, ASSIGNEE_PLACE(team), .max = NAME_MAX_CHARACTERS,
	    .sentence = "Assigned team"),
	ROW("person", FIELD_TEXT, ASSIGNEE_PLACE(person), .flags = FIELD_PERSONAL, .max = NAME_MAX_CHARACTERS,
	    .sentence = "Assigned person"),
};
static const FieldTable assignee_table = {
	.name = "assignee",
	.fields = assignee_fields,
	.count = sizeof(assignee_fields) / sizeof(assignee_fields[0]),
	.size = sizeof(((Incident *)NULL)->assignee),
};

static const Field acknowledged_fields[] = {
	ROW("at", FIELD_TIME, ACKNOWLEDGED_PLACE(at), .sentence = "Time of the first acknowledgement"),
	ROW("by", FIELD_FREE, ACKNOWLEDGED_PLACE(by), .flags = FIELD_PERSONAL, .sentence = "Actor who acknowledged"),
};
static const FieldTable acknowledged_table = {
	.name = "acknowledged",
	.fields = acknowledged_fields,
	.count = sizeof(acknowledged_fields) / sizeof(acknowledged_fields[0]),
	.size = sizeof(((Incident *)NULL)->acknowledged),
};

static const Field incident_fields[] = {
	ROW_NAME(Incident, id, 0, "inc_…; never changes, even if the kind does"),
	ROW_NAME(Incident, number, 0, "INC-<year>-XXXX-XXXX, for people"),
	ROW_NAME(Incident, kind, 0, "event, incident or weakness"),
	ROW_NAME(Incident, status, 0, "Status in the lifecycle of its kind"),
	ROW_INTEGER(Incident, version, 0, 0, INT64_MAX, "Version, raised by one with each entry"),
	ROW_TEXT(Incident, title, 0, TITLE_MAX_CHARACTERS, "One-line summary"),
	ROW_TEXT(Incident, description, FIELD_PERSONAL, TEXT_MAX_CHARACTERS, "Full description"),
	ROW_NAME(Incident, source, 0, "Source of the opening event; report for a person's report"),
	ROW_NAME(Incident, severity, 0, "Severity: info to critical"),
	ROW_NAME(Incident, grade, 0, "Grade for the organisation, from I (the worst) to IV"),
	ROW_NAME(Incident, damage_level, 0, "Foreseeable damage: S, A or B"),
	ROW_NAME(Incident, category, 0, "Code of the category"),
	ROW_WORDS(Incident, flags, 0, flag_words, 0, 8, "serious, emergency, drill"),
	ROW_TEXT(Incident, reason, 0, TEXT_MAX_CHARACTERS, "Reason for the assessment"),
	ROW_NAME(Incident, rule, 0, "Rule that decided"),
	ROW_NAME(Incident, policy_version, 0, "Policy version that decided"),
	ROW_OBJECT(Incident, assignee, 0, &assignee_table, "Assigned team and person"),
	ROW_OBJECT(Incident, acknowledged, 0, &acknowledged_table, "First acknowledgement"),
	ROW_TIME(Incident, acknowledge_by, 0, "Time at which the next level is notified unless somebody acknowledges"),
	ROW_INTEGER(Incident, escalation_level, 0, 0, INT64_MAX, "Last level notified"),
	ROW_NAME(Incident, asset, 0, "Affected asset"),
	ROW_NAME(Incident, actor, FIELD_PERSONAL, "Account or address that caused it"),
	ROW_OBJECTS(Incident, observables, FIELD_PERSONAL, &observable_table, 0, OBSERVABLES_MAX,
		    "Observables of its events"),
	ROW_NAME(Incident, correlation_key, 0, "Correlation key of its events"),
	ROW_INTEGER(Incident, event_count, 0, 0, INT64_MAX, "Number of events counted"),
	ROW_TIME(Incident, first_seen_at, 0, "Time of receipt of the first event"),
	ROW_TIME(Incident, last_seen_at, 0, "Time of receipt of the last event"),
	ROW_TIME(Incident, occurred_at, 0, "Time of the event by the sender's clock"),
	ROW_TIME(Incident, discovered_at, 0, "Time at which a person noticed it"),
	ROW_TIME(Incident, reported_at, 0, "Time of receipt"),
	ROW_TIME(Incident, opened_at, 0, "Time of opening"),
	ROW_TIME(Incident, updated_at, 0, "Time of the last entry"),
	ROW_TIME(Incident, closed_at, 0, "Time of closing"),
	ROW_NAME(Incident, resolution, 0, "Outcome"),
	ROW_FREE(Incident, report, FIELD_PERSONAL, "The person's report, as sent"),
};
const FieldTable incident_table = FIELD_TABLE("incident", incident_fields, Incident);

typedef struct {
	const char *incident_id;
	int by;
} Link;

static const Field link_fields[] = {
	ROW_NAME(Link, incident_id, FIELD_REQUIRED, "The other incident"),
	ROW_CHOICE(Link, by, FIELD_REQUIRED, join_words, "Shared member: asset or actor"),
};
static const FieldTable link_table = FIELD_TABLE("link", link_fields, Link);

static const Field incident_more_fields[] = {
	ROW_OBJECTS(IncidentAddition, links, 0, &link_table, 0, INCIDENT_LINKS_MAX,
		    "Incidents that were open at the same time and share its asset or actor; absent if there are none"),
};
const FieldTable incident_more_table = FIELD_TABLE("incident-more", incident_more_fields, IncidentAddition);

/* ---- folding entries */
static json_t *object_of_nulls(const FieldTable *table)
{
	json_t *object = json_object();
	for (size_t i = 0; i < table->count; i++) {
		const Field *field = &table->fields[i];
		json_object_set_new(object, field->name,
				    field->type == FIELD_OBJECT ? object_of_nulls(field->table) : json_null());
	}
	return object;
}

json_t *incident_new(void)
{
	return object_of_nulls(&incident_table);
}

/* A nested object is merged member by member, into a new one: the old one may still belong to the entry it came from. */
static json_t *nested_merged(const FieldTable *table, json_t *before, json_t *change)
{
	json_t *merged = object_of_nulls(table);
	if (json_is_object(change)) {
		json_object_update_existing(merged, before);
		json_object_update_existing(merged, change);
	}
	return merged;
}

static void changes_merge(json_t *incident, json_t *changes, const FieldTable *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const Field *field = &table->fields[i];
		json_t *change = json_object_get(changes, field->name);
		if (change == NULL)
			continue;
		if (field->type == FIELD_OBJECT) {
			json_t *before = json_object_get(incident, field->name);
			json_object_set_new(incident, field->name, nested_merged(field->table, before, change));
		} else {
			json_object_set(incident, field->name, change);
		}
	}
}

Result incident_apply(json_t *incident, json_t *entry)
{
	JournalEntry decoded;
	TRY(result_wrap(json_decode_own(&journal_entry_table, entry, &decoded), "journal entry"));
	json_int_t before = json_integer_value(json_object_get(incident, "version"));
	if (decoded.version != before + 1)
		return result_fail(ERROR_INTERNAL, "journal entry of version %lld for an incident at version %lld",
				   (long long)decoded.version, (long long)before);
	changes_merge(incident, decoded.changes, &incident_table);
	changes_merge(incident, decoded.changes, &incident_more_table);
	json_object_set_new(incident, "version", json_integer(decoded.version));
	json_object_set(incident, "updated_at", json_object_get(entry, "at"));
	return result_ok();
}

bool status_is_open(const char *status)
{
	static const char *const over[] = { "closed", "false-alarm", "informational", "duplicate", "linked",
					    "merged", "cancelled",   "accepted",      "weakness",  NULL };
	return status != NULL && choice_of(over, status) < 0;
}
