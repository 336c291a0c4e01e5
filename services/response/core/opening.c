#include "services/response/core/opening.h"

#include "shared/domain/commands.h"

#include <string.h>

/* ---- titles */

static Slice first_line(Slice text)
{
	size_t begin = 0;
	while (begin < text.size && strchr(" \t\r\n", text.data[begin]))
		begin++;
	size_t end = begin;
	while (end < text.size && text.data[end] != '\n' && text.data[end] != '\r')
		end++;
	return (Slice){ text.data + begin, end - begin };
}

/* The size in bytes of the first `characters` characters of valid UTF-8. */
static size_t prefix_size(Slice text, size_t characters)
{
	size_t size = 0;
	while (size < text.size && (characters > 0 || ((uint8_t)text.data[size] & 0xC0) == 0x80)) {
		if (((uint8_t)text.data[size] & 0xC0) != 0x80)
			characters--;
		size++;
	}
	return size;
}

void title_of_description(Slice description, Buffer *out)
{
	Slice line = first_line(description);
	if (text_characters(line) <= TITLE_CUT) {
		buffer_append(out, line);
		return;
	}
	size_t size = prefix_size(line, TITLE_CUT - 1), word = size;
	while (word > 0 && line.data[word] != ' ')
		word--;
	/* Text without spaces, or with a very long last word, is cut within a word. */
	buffer_append(out, (Slice){ line.data, word > size / 2 ? word : size });
	buffer_text(out, "…");
}

/* ---- assignment */

bool incident_is_assigned(const Incident *incident)
{
	return incident->assignee.team != NULL || incident->assignee.person != NULL;
}

void assigned_add(Entries *entries, const Policy *policy, int kind, int grade)
{
	const EscalationPolicy *escalation = policy_escalation(policy, kind, grade);
	const TeamPolicy *team = escalation && escalation->team ? policy_team(policy, escalation->team) : NULL;
	if (team == NULL)
		return;
	IncidentChange change = incident_change_none();
	change.values.assignee.team = team->id;
	change.values.assignee.person = team->on_duty_count > 0 ? team->on_duty[0]->id : NULL;
	CHANGE_MARK(&change, assignee);
	json_t *actor JSON_AUTO = actor_system("response");
	json_t *data = json_pack("{s:s, s:s?, s:s}", "team", team->id, "person", change.values.assignee.person,
				 "escalation_policy", escalation->id);
	must(data != NULL);
	entries_add(entries, "assigned", actor, data, &change);
}

/* ---- assessments */

static Result assessment_read(json_t *tree, Assessment *out)
{
	return result_wrap(json_decode_record(&assessment_table, tree, out), "assessment");
}

/* The members of the incident that the assessment sets. */
static IncidentChange assessed_change(const Assessment *assessment)
{
	IncidentChange change = incident_change_none();
	CHANGE(&change, kind, assessment->kind);
	CHANGE(&change, category, assessment->category);
	CHANGE(&change, severity, assessment->severity);
	CHANGE(&change, grade, assessment->grade);
	CHANGE(&change, damage_level, assessment->damage_level);
	CHANGE(&change, reason, assessment->reason);
	CHANGE(&change, rule, assessment->rule);
	CHANGE(&change, policy_version, assessment->policy_version);
	if (assessment->flags == NULL)
		change.owned = json_array();
	CHANGE(&change, flags, assessment->flags ? assessment->flags : change.owned);
	return change;
}

/* was: the replaced kind and acknowledgement, for the timeline, or NULL; takes ownership of it. */
static void assessed_add(Entries *entries, const AssessmentRecord *record, json_t *was, const IncidentChange *change)
{
	json_t *actor JSON_AUTO = actor_system("classification");
	json_t *data = json_copy(record->assessment);
	json_object_set_new(data, "report_version", json_integer(record->report.report_version));
	if (was != NULL)
		json_object_set_new(data, "was", was);
	entries_add(entries, "assessed", actor, data, change);
}

/* ---- opening */

static Result from_event(const ReportRecord *report, Incident *incident)
{
	EventDocument event;
	TRY(result_wrap(json_decode_record(&event_table, report->document, &event), "event"));
	incident->title = event.title;
	incident->source = event.source;
	incident->asset = event.asset;
	incident->actor = event.actor;
	incident->observables = event.observables;
	incident->occurred_at = event.occurred_at != INSTANT_NONE ? event.occurred_at : report->received_at;
	return result_ok();
}

/* title: holds the title if it is made from the description; *incident then borrows it. */
static Result from_person(const ReportRecord *report, Buffer *title, Incident *incident)
{
	ReportDocument document;
	TRY(result_wrap(json_decode_record(&report_table, report->document, &document), "report"));
	incident->title = document.title;
	if (document.title == NULL || document.title[0] == '\0') {
		title_of_description(slice_of(document.description), title);
		incident->title = title->size > 0 ? title->data : report->number;
	}
	incident->description = document.description;
	incident->source = "person";
	incident->asset = document.asset;
	incident->occurred_at = document.occurred_at;
	incident->discovered_at = document.discovered_at;
	incident->report = report->document;
	return result_ok();
}

static void from_report(const ReportRecord *report, Instant at, Incident *incident)
{
	incident->id = report->incident_id;
	incident->number = report->number;
	incident->escalation_level = 0;
	incident->correlation_key = report->correlation_key;
	incident->event_count = report->event_count;
	incident->first_seen_at = report->received_at;
	incident->last_seen_at = report->last_seen_at != INSTANT_NONE ? report->last_seen_at : report->received_at;
	incident->reported_at = report->received_at;
	incident->opened_at = at;
}

static void from_assessment(const Assessment *assessment, const Policy *policy, Instant at, Incident *incident)
{
	bool noise = assessment->noise == 1;
	incident->kind = assessment->kind;
	incident->status = noise ? STATUS_FALSE_ALARM : (int)status_of_opening((Kind)assessment->kind);
	incident->severity = assessment->severity;
	if (noise)
		incident->closed_at = at;
	else
		incident->acknowledge_by = policy_acknowledge_by(policy, assessment->kind, assessment->grade, at);
}

static void opened_add(Entries *entries, const ReportRecord *report, const Incident *incident, bool noise)
{
	json_t *actor JSON_AUTO = actor_system("response");
	IncidentChange change = incident_change_of(incident);
	json_t *data = json_pack("{s:s, s:s, s:s, s:s?, s:I, s:b}", "kind", kind_words[incident->kind], "status",
				 status_words[incident->status], "event_id", report->event_id, "title", incident->title,
				 "report_version", (json_int_t)report->report_version, "noise", noise);
	must(data != NULL);
	entries_add(entries, "opened", actor, data, &change);
}

static Result opening_entries(const AssessmentRecord *record, const Policy *policy, Instant now, Buffer *title, Entries *out,
			      Incident *opened)
{
	const ReportRecord *report = &record->report;
	Assessment assessment;
	bool person = report->form != NULL && strcmp(report->form, "report") == 0;
	TRY(assessment_read(record->assessment, &assessment));
	*opened = incident_change_none().values;
	from_report(report, now, opened);
	TRY(person ? from_person(report, title, opened) : from_event(report, opened));
	from_assessment(&assessment, policy, now, opened);
	*out = entries_begin(NULL, NULL, now);
	opened_add(out, report, opened, assessment.noise == 1);
	IncidentChange change = assessed_change(&assessment);
	assessed_add(out, record, NULL, &change);
	incident_change_release(&change);
	opened->grade = assessment.grade;
	if (assessment.noise != 1)
		assigned_add(out, policy, assessment.kind, assessment.grade);
	return result_ok();
}

Result opening_decide(const AssessmentRecord *record, const Policy *policy, Instant now, Entries *out, Incident *opened)
{
	enum { TITLE_BYTES = 4 * TITLE_CUT + 8 };
	if (record->assessment == NULL || record->report.document == NULL)
		return result_fail(ERROR_INPUT, "an opening report lacks its assessment or its document");
	if (record->report.number == NULL)
		return result_fail(ERROR_INPUT, "an opening report lacks the number of its incident");
	Buffer title;
	buffer_init(&title, TITLE_BYTES);
	Result result = opening_entries(record, policy, now, &title, out, opened);
	opened->title = NULL;
	buffer_release(&title);
	return result;
}

static bool entry_read(json_t *entries, size_t index, const char *type, IncidentChange *change)
{
	JournalEntry entry;
	return !result_failed(json_decode_record(&journal_entry_table, json_array_get(entries, index), &entry)) &&
	       strcmp(entry.type, type) == 0 && !result_failed(incident_change_decode(entry.changes, change));
}

void entries_open(json_t *entries, int *kind, int *grade)
{
	IncidentChange opening, assessment;
	bool opens = entry_read(entries, 0, "opened", &opening);
	*kind = opens ? opening.values.kind : -1;
	*grade = opens && entry_read(entries, 1, "assessed", &assessment) ? assessment.values.grade : -1;
}

/* ---- later reports */

static void repeated_add(Entries *entries, const Incident *incident, const ReportRecord *report)
{
	Instant seen = incident->last_seen_at;
	Instant reported = report->last_seen_at != INSTANT_NONE ? report->last_seen_at : seen;
	if (report->event_count <= incident->event_count && reported <= seen)
		return;
	IncidentChange change = incident_change_none();
	CHANGE(&change, event_count, report->event_count > incident->event_count ? report->event_count : incident->event_count);
	CHANGE(&change, last_seen_at, reported > seen ? reported : seen);
	json_t *actor JSON_AUTO = actor_system("intake");
	json_t *data = incident_change_encode(&change);
	json_object_set_new(data, "report_version", json_integer(report->report_version));
	entries_add(entries, "repeated", actor, data, &change);
}

/* A later assessment, and the incident to which it applies. */
typedef struct {
	const Incident *incident;
	const IncidentExtras *extras;
	const AssessmentRecord *record;
	const Assessment *assessment;
	const Policy *policy;
} Review;

static bool is_acknowledged(const Review *review)
{
	return review->incident->acknowledged.at != INSTANT_NONE;
}

static bool is_promotion(const Review *review)
{
	return review->incident->kind != review->assessment->kind;
}

static Instant promised_from(const Review *review, Instant base)
{
	return policy_acknowledge_by(review->policy, review->assessment->kind, review->assessment->grade, base);
}

static void escalation_start(const Review *review, IncidentChange *change, Instant at)
{
	escalation_restart(review->policy, review->assessment->kind, review->assessment->grade, at, change);
}

/* acknowledge_by may become earlier, never later. */
static void escalation_advance(const Review *review, IncidentChange *change)
{
	Instant promised = review->incident->acknowledge_by;
	Instant earlier = promised_from(review, review->extras->base_at);
	if (earlier != INSTANT_NONE && (promised == INSTANT_NONE || earlier < promised))
		CHANGE(change, acknowledge_by, earlier);
}

static bool was_promised(const Review *review)
{
	return review->extras->base_at != INSTANT_NONE &&
	       policy_escalation(review->policy, review->incident->kind, review->incident->grade);
}

static void escalation_review(const Review *review, IncidentChange *change, Instant at)
{
	if (is_promotion(review)) {
		CHANGE_MARK(change, acknowledged);
		escalation_start(review, change, at);
	} else if (is_acknowledged(review)) {
		return;
	} else if (was_promised(review)) {
		escalation_advance(review, change);
	} else if (policy_escalation(review->policy, review->assessment->kind, review->assessment->grade)) {
		escalation_start(review, change, at);
	}
}

/* If the assessment changes the kind: a new object with the former kind and, if acknowledged, acknowledgement; else NULL. */
static json_t *former_values(const Review *review)
{
	if (!is_promotion(review))
		return NULL;
	IncidentChange former = incident_change_none();
	CHANGE(&former, kind, review->incident->kind);
	if (is_acknowledged(review))
		CHANGE(&former, acknowledged, review->incident->acknowledged);
	return incident_change_encode(&former);
}

/*
 * An event can make a case worse, never milder: only people may lower a grade. So an assessment takes effect when it turns an
 * event or a weakness into an incident or, for the same kind, when its grade is not milder.
 */
static bool is_milder(const Incident *incident, const Assessment *assessment)
{
	if (incident->kind != assessment->kind)
		return assessment->kind != KIND_INCIDENT;
	return incident->grade >= 0 && assessment->grade > incident->grade;
}

static void reassess(Entries *entries, const Review *review)
{
	const Incident *incident = review->incident;
	const Assessment *assessment = review->assessment;
	IncidentChange change = assessed_change(assessment);
	Status status = status_translated((Status)incident->status, (Kind)incident->kind, (Kind)assessment->kind);
	bool open = status_is_open((int)status);
	if (!incident_change_matters(&change, incident)) {
		incident_change_release(&change);
		return;
	}
	if ((int)status != incident->status)
		CHANGE(&change, status, (int)status);
	if (open)
		escalation_review(review, &change, entries->at);
	assessed_add(entries, review->record, former_values(review), &change);
	if (open && !incident_is_assigned(incident))
		assigned_add(entries, review->policy, assessment->kind, assessment->grade);
	incident_change_release(&change);
}

/* Reopens noise as if the incident had just been reported. */
static void reopen_noise(Entries *entries, const Assessment *assessment, const Policy *policy)
{
	Transition reopening = command_transition(command_of("reopen"), assessment->kind, STATUS_FALSE_ALARM);
	json_t *actor JSON_AUTO = actor_system("response");
	json_t *data = json_pack("{s:s?}", "reason", assessment->reason);
	IncidentChange change = incident_change_none();
	CHANGE(&change, status, (int)reopening.next);
	CHANGE_MARK(&change, closed_at);
	CHANGE(&change, acknowledge_by, policy_acknowledge_by(policy, assessment->kind, assessment->grade, entries->at));
	entries_add(entries, "reopened", actor, data, &change);
	assigned_add(entries, policy, assessment->kind, assessment->grade);
}

Result repeat_decide(const Incident *incident, const IncidentExtras *extras, const AssessmentRecord *record, const Policy *policy,
		     Instant now, Entries *out)
{
	bool noise = extras->noise;
	Assessment assessment = { .noise = 1 }; /* a record without an assessment leaves that of the incident unchanged */
	if (record->assessment != NULL)
		TRY(assessment_read(record->assessment, &assessment));
	*out = entries_begin(incident, extras, now);
	repeated_add(out, incident, &record->report);
	if (assessment.noise == 1)
		return result_ok();
	if (noise || (status_is_open(incident->status) && !is_milder(incident, &assessment)))
		reassess(out, &(Review){ incident, extras, record, &assessment, policy });
	if (noise)
		reopen_noise(out, &assessment, policy);
	return result_ok();
}
