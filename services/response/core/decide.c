#include "services/response/core/decide.h"

#include "services/response/core/lifecycle.h"
#include "services/response/core/opening.h"
#include "services/response/core/roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything a check or an effect may look at. */
typedef struct {
	json_t *incident;
	const IncidentExtras *standing;
	const CommandRecord *record;
	const Actor *actor;
	const Policy *policy;
	CommandId id;
	CommandArguments arguments;
	const char *kind, *status;
	const LifecycleCell *cell;
	Instant at;
} CommandContext;

/* ---- problems */

static json_t *problem_new(const char *code, const char *detail)
{
	json_t *problem = json_pack("{s:s, s:s, s:n, s:n}", "code", code, "detail", detail, "allowed", "errors");
	must(problem != NULL);
	return problem;
}

static json_t *problem_of_errors(const FieldErrors *errors)
{
	json_t *problem = problem_new("validation-failed", "The arguments are not right");
	json_t *list = json_array();
	for (size_t i = 0; i < errors->count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "pointer", errors->list[i].pointer, "detail",
						      errors->list[i].detail));
	json_object_set_new(problem, "errors", list);
	return problem;
}

/* ---- checks: a new problem, or NULL where there is none */

static json_t *check_known(CommandContext *asked)
{
	if (asked->id == COMMANDS)
		return problem_new("not-found", "There is no such command");
	return asked->incident ? NULL : problem_new("not-found", "There is no such incident");
}

static json_t *check_role(CommandContext *asked)
{
	return role_allows(asked->actor, asked->id) ? NULL : problem_new("forbidden", "None of your roles may do this");
}

static void check_assignee(const CommandContext *asked, FieldErrors *errors)
{
	if (asked->arguments.team && !policy_team(asked->policy, asked->arguments.team))
		field_errors_add(errors, "/team", "must be the id of a team of the policy");
	if (asked->arguments.person && !policy_person(asked->policy, asked->arguments.person))
		field_errors_add(errors, "/person", "must be the id of a person of the policy");
}

static json_t *check_arguments(CommandContext *asked)
{
	FieldErrors *errors = calloc(1, sizeof(*errors)); /* too large for the stack of a thread among many */
	must(errors != NULL);
	if (command_decode(asked->id, asked->record->arguments, false, &asked->arguments, errors) && asked->id == COMMAND_ASSIGN)
		check_assignee(asked, errors);
	json_t *problem = errors->count > 0 ? problem_of_errors(errors) : NULL;
	free(errors);
	return problem;
}

static json_t *check_version(CommandContext *asked)
{
	int64_t version = json_integer_value(json_object_get(asked->incident, "version"));
	char detail[96];
	if (asked->record->expected_version == INT64_MIN || asked->record->expected_version == version)
		return NULL;
	snprintf(detail, sizeof(detail), "The incident is at version %lld", (long long)version);
	return problem_new("version-conflict", detail);
}

static json_t *check_lifecycle(CommandContext *asked)
{
	char detail[160];
	if (asked->cell->taken)
		return NULL;
	snprintf(detail, sizeof(detail), "%s is not taken while the status is %.64s", commands[asked->id].name,
		 asked->status ? asked->status : "unknown");
	json_t *problem = problem_new("transition-refused", detail);
	json_object_set_new(problem, "allowed", lifecycle_allowed(asked->kind, asked->status));
	return problem;
}

static json_t *(*const checks[])(CommandContext *asked) = { check_known, check_role, check_arguments, check_version, check_lifecycle };

/* ---- what it was already */

static bool is_acknowledged(const CommandContext *asked)
{
	return member_text(json_object_get(asked->incident, "acknowledged"), "at") != NULL;
}

/* A plan that counted from before the present one's beginning is none of this one's business. */
static bool is_told(const CommandContext *asked)
{
	int64_t level = json_integer_value(json_object_get(asked->incident, "escalation_level"));
	Instant base_at = asked->arguments.base_at;
	bool former = base_at != INSTANT_NONE && base_at < asked->standing->base_at;
	return former || is_acknowledged(asked) || asked->arguments.escalation_level <= level;
}

/* Or there are as many links as an incident may have. */
static bool is_linked(const CommandContext *asked)
{
	json_t *links = json_object_get(asked->incident, "links"), *link;
	const char *by = join_words[asked->arguments.by];
	size_t i;
	json_array_foreach (links, i, link)
		if (strcmp(member_text(link, "incident_id"), asked->arguments.incident_id) == 0 &&
		    strcmp(member_text(link, "by"), by) == 0)
			return true;
	return json_array_size(links) >= INCIDENT_LINKS_MAX;
}

/* ---- effects: the members of the incident it sets, besides the status */

static void acknowledge(const CommandContext *asked, json_t *changes)
{
	json_t *acknowledged = json_object();
	json_object_set_new(acknowledged, "at", time_or_null(asked->at));
	json_object_set(acknowledged, "by", asked->record->actor);
	json_object_set_new(changes, "acknowledged", acknowledged);
}

/* A team alone: nobody of it in particular. A person alone: of the team that has it. */
static void assign(const CommandContext *asked, json_t *changes)
{
	const char *team = asked->arguments.team;
	if (team == NULL)
		team = member_text(json_object_get(asked->incident, "assignee"), "team");
	json_t *assignee = json_object();
	json_object_set_new(assignee, "team", text_or_null(team));
	json_object_set_new(assignee, "person", text_or_null(asked->arguments.person));
	json_object_set_new(changes, "assignee", assignee);
}

static void note(const CommandContext *asked, json_t *changes)
{
	(void)asked;
	(void)changes;
}

/* The key stands in this entry and in a reopening's because what intake is told is derived from the entry alone. */
static void end(const CommandContext *asked, json_t *changes)
{
	json_object_set_new(changes, "closed_at", time_or_null(asked->at));
	json_object_set(changes, "correlation_key", json_object_get(asked->incident, "correlation_key"));
}

static void end_closed(const CommandContext *asked, json_t *changes)
{
	end(asked, changes);
	json_object_set_new(changes, "resolution", json_string(resolution_words[asked->arguments.resolution]));
}

static void reopen(const CommandContext *asked, json_t *changes)
{
	const char *grade = member_text(asked->incident, "grade");
	json_object_set_new(changes, "acknowledged", json_pack("{s:n, s:n}", "at", "by"));
	json_object_set_new(changes, "closed_at", json_null());
	json_object_set_new(changes, "resolution", json_null());
	json_object_set_new(changes, "escalation_level", json_integer(0));
	json_object_set_new(changes, "acknowledge_by",
			    time_or_null(acknowledge_by(asked->policy, asked->kind, grade, asked->at)));
	json_object_set(changes, "correlation_key", json_object_get(asked->incident, "correlation_key"));
}

static void escalate(const CommandContext *asked, json_t *changes)
{
	json_object_set_new(changes, "escalation_level", json_integer(asked->arguments.escalation_level));
}

static void link_add(const CommandContext *asked, json_t *changes)
{
	json_t *links = json_copy(json_object_get(asked->incident, "links"));
	if (links == NULL)
		links = json_array();
	json_array_append_new(links, json_pack("{s:s, s:s}", "incident_id", asked->arguments.incident_id, "by",
					       join_words[asked->arguments.by]));
	json_object_set_new(changes, "links", links);
}

/* ---- what the timeline says of it: a new object */

static json_t *arguments_said(const CommandContext *asked)
{
	return json_encode_present(commands[asked->id].arguments, &asked->arguments);
}

/* Whose plan it was is between the services. */
static json_t *escalated_said(const CommandContext *asked)
{
	return json_pack("{s:I}", "escalation_level", (json_int_t)asked->arguments.escalation_level);
}

/* With what the two share, which the other side need not be told. */
static json_t *link_said(const CommandContext *asked)
{
	json_t *data = arguments_said(asked);
	json_object_set_new(data, "key", text_or_null(member_text(asked->incident, join_words[asked->arguments.by])));
	return data;
}

static json_t *campaign_said(const CommandContext *asked)
{
	enum { TEXT_SIZE = 2048 };
	const char *by = join_words[asked->arguments.by], *name = member_text(asked->incident, by);
	char key[32], count[24];
	Buffer word, text;
	buffer_init(&word, TEXT_SIZE);
	buffer_init(&text, 4 * TEXT_SIZE);
	snprintf(key, sizeof(key), "join.%s", by);
	snprintf(count, sizeof(count), "%lld", (long long)asked->arguments.count);
	policy_words(asked->policy, NULL, key, &word, NULL);
	policy_words(asked->policy, NULL, "join.campaign", &text, "by", word.data, "name", name, "count", count, NULL);
	json_t *data = json_pack("{s:s}", "text", text.size > 0 ? text.data : "");
	must(data != NULL);
	buffer_release(&word);
	buffer_release(&text);
	return data;
}

static const struct {
	bool (*already)(const CommandContext *asked); /* NULL: never */
	void (*change)(const CommandContext *asked, json_t *changes);
	json_t *(*said)(const CommandContext *asked);
} effects[COMMANDS] = {
	[COMMAND_ACKNOWLEDGE] = { is_acknowledged, acknowledge, arguments_said },
	[COMMAND_ASSIGN] = { NULL, assign, arguments_said },
	[COMMAND_NOTE] = { NULL, note, arguments_said },
	[COMMAND_CLOSE] = { NULL, end_closed, arguments_said },
	[COMMAND_REOPEN] = { NULL, reopen, arguments_said },
	[COMMAND_FALSE_ALARM] = { NULL, end, arguments_said },
	[COMMAND_ESCALATED] = { is_told, escalate, escalated_said },
	[COMMAND_LINK] = { is_linked, link_add, link_said },
	[COMMAND_CAMPAIGN] = { NULL, note, campaign_said },
};

/* ---- the verdict */

static json_t *first_problem(CommandContext *asked)
{
	json_t *problem = NULL;
	for (size_t i = 0; problem == NULL && i < sizeof(checks) / sizeof(checks[0]); i++)
		problem = checks[i](asked);
	return problem;
}

static void enter(const CommandContext *asked, Entries *entries)
{
	json_t *changes = json_object();
	effects[asked->id].change(asked, changes);
	if (asked->cell->next)
		json_object_set_new(changes, "status", json_string(asked->cell->next));
	entries_add(entries, commands[asked->id].entry, asked->record->actor, effects[asked->id].said(asked), changes);
}

static Decision decided(CommandContext *asked, Entries entries)
{
	bool internal = asked->id < COMMANDS && commands[asked->id].internal && role_allows(asked->actor, asked->id);
	Decision decision = { .kind = DECIDED_REFUSED, .entries = entries, .version = INT64_MIN };
	decision.problem = first_problem(asked);
	if (!decision.problem) {
		bool already = effects[asked->id].already && effects[asked->id].already(asked);
		decision.kind = already ? DECIDED_UNCHANGED : DECIDED_ENTERED;
	}
	if (decision.kind == DECIDED_ENTERED)
		enter(asked, &decision.entries);
	else if (internal)
		decision.kind = DECIDED_NOTHING;
	if (asked->incident)
		decision.version = decision.entries.version;
	return decision;
}

Decision command_decide(json_t *incident, const IncidentExtras *standing, const CommandRecord *command, const Actor *actor,
			const Policy *policy, Instant now)
{
	Entries entries = entries_begin(incident, now);
	CommandContext asked = { .incident = incident, .standing = standing, .record = command, .actor = actor, .policy = policy,
			.id = command_of(command->command), .kind = member_text(incident, "kind"),
			.status = member_text(incident, "status"), .at = entries.at };
	asked.cell = lifecycle_cell(asked.kind, asked.status, asked.id);
	return decided(&asked, entries);
}

void decision_release(Decision *decision)
{
	json_decref(decision->entries.list);
	json_decref(decision->problem);
	*decision = (Decision){ 0 };
}
