#include "services/response/core/opening.h"

#include "services/response/core/lifecycle.h"

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

/* ---- policy */

Instant acknowledge_by(const Policy *policy, const char *kind, const char *grade, Instant base)
{
	const EscalationPolicy *escalation = policy_escalation(policy, kind, grade);
	for (size_t i = 0; escalation != NULL && i < escalation->level_count; i++)
		if (escalation->levels[i].after_seconds > 0)
			return base + escalation->levels[i].after_seconds * 1000;
	return INSTANT_NONE;
}

static void add_assigned(Entries *entries, const Policy *policy, const char *kind, const char *grade)
{
	const EscalationPolicy *escalation = policy_escalation(policy, kind, grade);
	const TeamPolicy *team = escalation && escalation->team ? policy_team(policy, escalation->team) : NULL;
	if (team == NULL)
		return;
	const char *person = team->on_duty_count > 0 ? team->on_duty[0]->id : NULL;
	json_t *actor JSON_AUTO = actor_system("response");
	json_t *data = json_pack("{s:s, s:s?, s:s}", "team", team->id, "person", person, "escalation_policy", escalation->id);
	json_t *changes = json_pack("{s:{s:s, s:s?}}", "assignee", "team", team->id, "person", person);
	must(data != NULL && changes != NULL);
	entries_add(entries, "assigned", actor, data, changes);
}

/* ---- assessments */

static const char *const assessed_members[] = { "kind", "category", "severity", "grade", "damage_level",
						"flags", "reason", "rule", "policy_version" };
enum { ASSESSED_MEMBERS = sizeof(assessed_members) / sizeof(assessed_members[0]) };

static Result assessment_read(json_t *tree, Assessment *out)
{
	TRY(result_wrap(json_decode_record(&assessment_table, tree, out), "assessment"));
	return lifecycle_of(out->kind) != NULL ? result_ok() : result_fail(ERROR_INPUT, "assessment: unknown kind");
}

/* The members of the incident that the assessment sets. */
static json_t *assessed_changes(json_t *assessment)
{
	json_t *changes = json_object();
	for (size_t i = 0; i < ASSESSED_MEMBERS; i++) {
		json_t *member = json_object_get(assessment, assessed_members[i]);
		json_object_set(changes, assessed_members[i], member != NULL ? member : json_null());
	}
	if (!json_is_array(json_object_get(changes, "flags")))
		json_object_set_new(changes, "flags", json_array());
	return changes;
}

static bool changes_anything(json_t *incident, json_t *changes)
{
	for (size_t i = 0; i < ASSESSED_MEMBERS; i++)
		if (!json_equal(json_object_get(incident, assessed_members[i]), json_object_get(changes, assessed_members[i])))
			return true;
	return false;
}

/* was: the replaced kind and acknowledgement, for the timeline; taken; NULL: none. */
static void add_assessed(Entries *entries, const AssessmentRecord *record, json_t *was, json_t *changes)
{
	json_t *actor JSON_AUTO = actor_system("classification");
	json_t *data = json_copy(record->assessment);
	json_object_set_new(data, "report_version", json_integer(record->report.report_version));
	if (was != NULL)
		json_object_set_new(data, "was", was);
	entries_add(entries, "assessed", actor, data, changes);
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

/* title: buffer for title_of_description. */
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
	const Lifecycle *lifecycle = lifecycle_of(assessment->kind);
	bool noise = assessment->noise == 1;
	incident->kind = assessment->kind;
	incident->status = noise ? lifecycle->false_alarm : lifecycle->opening;
	incident->severity = assessment->severity;
	if (noise)
		incident->closed_at = at;
	else
		incident->acknowledge_by = acknowledge_by(policy, assessment->kind, assessment->grade, at);
}

static void add_opened(Entries *entries, const ReportRecord *report, const Incident *incident, bool noise)
{
	json_t *actor JSON_AUTO = actor_system("response");
	json_t *data = json_pack("{s:s, s:s, s:s, s:s?, s:I, s:b}", "kind", incident->kind, "status", incident->status,
				 "event_id", report->event_id, "title", incident->title, "report_version",
				 (json_int_t)report->report_version, "noise", noise);
	must(data != NULL);
	entries_add(entries, "opened", actor, data, json_encode_present(&incident_table, incident));
}

static Result incident_blank(Incident *out)
{
	json_t *nothing JSON_AUTO = json_object();
	return json_decode_record(&incident_table, nothing, out);
}

static Result opening_entries(const AssessmentRecord *record, const Policy *policy, Instant now, Buffer *title, Entries *out)
{
	const ReportRecord *report = &record->report;
	Assessment assessment;
	Incident incident;
	bool person = report->form != NULL && strcmp(report->form, "report") == 0;
	TRY(assessment_read(record->assessment, &assessment));
	TRY(incident_blank(&incident));
	from_report(report, now, &incident);
	TRY(person ? from_person(report, title, &incident) : from_event(report, &incident));
	from_assessment(&assessment, policy, now, &incident);
	*out = entries_begin(NULL, now);
	add_opened(out, report, &incident, assessment.noise == 1);
	add_assessed(out, record, NULL, assessed_changes(record->assessment));
	if (assessment.noise != 1)
		add_assigned(out, policy, assessment.kind, assessment.grade);
	return result_ok();
}

Result opening_decide(const AssessmentRecord *record, const Policy *policy, Instant now, Entries *out)
{
	enum { TITLE_BYTES = 4 * TITLE_CUT + 8 };
	if (record->assessment == NULL || record->report.document == NULL)
		return result_fail(ERROR_INPUT, "an opening report lacks its assessment or its document");
	if (record->report.number == NULL)
		return result_fail(ERROR_INPUT, "an opening report lacks the number of its incident");
	Buffer title;
	buffer_init(&title, TITLE_BYTES);
	Result result = opening_entries(record, policy, now, &title, out);
	buffer_release(&title);
	return result;
}

bool entries_open(json_t *entries, const char **kind, const char **grade)
{
	json_t *opened = json_array_get(entries, 0), *assessed = json_array_get(entries, 1);
	const char *type = member_text(opened, "type"), *graded = member_text(json_object_get(assessed, "changes"), "grade");
	*kind = member_text(json_object_get(opened, "changes"), "kind");
	*grade = graded != NULL ? graded : "";
	return type != NULL && *kind != NULL && strcmp(type, "opened") == 0;
}

/* ---- later reports */

static void add_repeated(Entries *entries, json_t *incident, const ReportRecord *report)
{
	int64_t count = json_integer_value(json_object_get(incident, "event_count"));
	Instant seen = member_time(incident, "last_seen_at");
	Instant reported = report->last_seen_at != INSTANT_NONE ? report->last_seen_at : seen;
	if (report->event_count <= count && reported <= seen)
		return;
	count = report->event_count > count ? report->event_count : count;
	seen = reported > seen ? reported : seen;
	json_t *actor JSON_AUTO = actor_system("intake");
	json_t *changes = json_object();
	json_object_set_new(changes, "event_count", json_integer(count));
	json_object_set_new(changes, "last_seen_at", time_or_null(seen));
	json_t *data = json_copy(changes);
	json_object_set_new(data, "report_version", json_integer(report->report_version));
	entries_add(entries, "repeated", actor, data, changes);
}

/* A later assessment, and the incident to which it applies. */
typedef struct {
	json_t *incident;
	const IncidentExtras *extras;
	const AssessmentRecord *record;
	const Assessment *assessment;
	const Policy *policy;
} Review;

static bool is_acknowledged(const Review *review)
{
	return member_text(json_object_get(review->incident, "acknowledged"), "at") != NULL;
}

static bool is_promotion(const Review *review)
{
	return strcmp(member_text(review->incident, "kind"), review->assessment->kind) != 0;
}

static Instant promised_from(const Review *review, Instant base)
{
	return acknowledge_by(review->policy, review->assessment->kind, review->assessment->grade, base);
}

/* Setting the level marks this entry as the start of escalation (core/extras.h). */
static void escalation_start(const Review *review, json_t *changes, Instant at)
{
	json_object_set_new(changes, "escalation_level", json_integer(0));
	json_object_set_new(changes, "acknowledge_by", time_or_null(promised_from(review, at)));
}

/* acknowledge_by may become earlier, never later. */
static void escalation_advance(const Review *review, json_t *changes)
{
	Instant promised = member_time(review->incident, "acknowledge_by");
	Instant earlier = promised_from(review, review->extras->base_at);
	if (earlier != INSTANT_NONE && (promised == INSTANT_NONE || earlier < promised))
		json_object_set_new(changes, "acknowledge_by", time_or_null(earlier));
}

static bool was_promised(const Review *review)
{
	return review->extras->base_at != INSTANT_NONE &&
	       policy_escalation(review->policy, member_text(review->incident, "kind"), member_text(review->incident, "grade"));
}

static void escalation_review(const Review *review, json_t *changes, Instant at)
{
	if (is_promotion(review)) {
		json_object_set_new(changes, "acknowledged", json_pack("{s:n, s:n}", "at", "by"));
		escalation_start(review, changes, at);
	} else if (is_acknowledged(review)) {
		return;
	} else if (was_promised(review)) {
		escalation_advance(review, changes);
	} else if (policy_escalation(review->policy, review->assessment->kind, review->assessment->grade)) {
		escalation_start(review, changes, at);
	}
}

/* If the assessment turns an event or a weakness into an incident: its former kind and acknowledgement, a new object. Else NULL. */
static json_t *former_values(const Review *review)
{
	if (!is_promotion(review))
		return NULL;
	json_t *was = json_pack("{s:s}", "kind", member_text(review->incident, "kind"));
	if (is_acknowledged(review))
		json_object_set(was, "acknowledged", json_object_get(review->incident, "acknowledged"));
	return was;
}

/*
 * An event can make a case worse, never milder: only people may lower a grade. So an assessment takes effect when it turns an
 * event or a weakness into an incident or, for the same kind, when its grade is not better.
 */
static bool is_milder(json_t *incident, const Assessment *assessment)
{
	const char *kind = member_text(incident, "kind"), *grade = member_text(incident, "grade");
	if (strcmp(kind, assessment->kind) != 0)
		return strcmp(assessment->kind, "incident") != 0;
	return grade && assessment->grade && choice_of(grade_words, assessment->grade) > choice_of(grade_words, grade);
}

static void reassess(Entries *entries, const Review *review)
{
	json_t *incident = review->incident, *changes = assessed_changes(review->record->assessment);
	const Assessment *assessment = review->assessment;
	if (!changes_anything(incident, changes)) {
		json_decref(changes);
		return;
	}
	const char *status = lifecycle_translated(member_text(incident, "status"), member_text(incident, "kind"),
						  assessment->kind);
	if (strcmp(status, member_text(incident, "status")) != 0)
		json_object_set_new(changes, "status", json_string(status));
	bool open = status_is_open(status);
	json_t *assignee = json_object_get(incident, "assignee");
	bool assigned = member_text(assignee, "team") != NULL || member_text(assignee, "person") != NULL;
	if (open)
		escalation_review(review, changes, entries->at);
	add_assessed(entries, review->record, former_values(review), changes);
	if (open && !assigned)
		add_assigned(entries, review->policy, assessment->kind, assessment->grade);
}

/* Reopens noise as if the incident had just been reported. */
static void reopen_noise(Entries *entries, const Assessment *assessment, const Policy *policy)
{
	const LifecycleCell *cell = lifecycle_cell(assessment->kind, lifecycle_of(assessment->kind)->false_alarm, COMMAND_REOPEN);
	json_t *actor JSON_AUTO = actor_system("response");
	json_t *data = json_pack("{s:s?}", "reason", assessment->reason);
	json_t *changes = json_object();
	json_object_set_new(changes, "status", json_string(cell->next));
	json_object_set_new(changes, "closed_at", json_null());
	json_object_set_new(changes, "acknowledge_by",
			    time_or_null(acknowledge_by(policy, assessment->kind, assessment->grade, entries->at)));
	entries_add(entries, "reopened", actor, data, changes);
	add_assigned(entries, policy, assessment->kind, assessment->grade);
}

Result repeat_decide(json_t *incident, const IncidentExtras *extras, const AssessmentRecord *record, const Policy *policy,
		     Instant now, Entries *out)
{
	bool noise = extras->noise;
	Assessment assessment = { .noise = 1 }; /* a record without an assessment leaves that of the incident unchanged */
	if (record->assessment != NULL)
		TRY(assessment_read(record->assessment, &assessment));
	*out = entries_begin(incident, now);
	add_repeated(out, incident, &record->report);
	if (assessment.noise == 1)
		return result_ok();
	if (noise || (status_is_open(member_text(incident, "status")) && !is_milder(incident, &assessment)))
		reassess(out, &(Review){ incident, extras, record, &assessment, policy });
	if (noise)
		reopen_noise(out, &assessment, policy);
	return result_ok();
}
