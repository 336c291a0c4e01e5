#include "services/response/core/decide.h"

#include "services/response/core/lifecycle.h"
#include "services/response/core/opening.h"
#include "services/response/core/roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The inputs of checks and effects. */
typedef struct {
	json_t *incident;
	const IncidentExtras *extras;
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
	json_t *problem = problem_new("validation-failed", "The arguments are invalid");
	json_t *list = json_array();
	for (size_t i = 0; i < errors->count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "pointer", errors->list[i].pointer, "detail",
						      errors->list[i].detail));
	json_object_set_new(problem, "errors", list);
	return problem;
}

/* ---- checks: each returns a new problem, or NULL */

static json_t *check_known(CommandContext *context)
{
	if (context->id == COMMANDS)
		return problem_new("not-found", "There is no such command");
	return context->incident ? NULL : problem_new("not-found", "There is no such incident");
}

static json_t *check_role(CommandContext *context)
{
	return role_allows(context->actor, context->id) ? NULL : problem_new("forbidden", "None of your roles permits this command");
}

static void check_assignee(const CommandContext *context, FieldErrors *errors)
{
	if (context->arguments.team && !policy_team(context->policy, context->arguments.team))
		field_errors_add(errors, "/team", "must be the id of a team of the policy");
	if (context->arguments.person && !policy_person(context->policy, context->arguments.person))
		field_errors_add(errors, "/person", "must be the id of a person of the policy");
}

static json_t *check_arguments(CommandContext *context)
{
	FieldErrors *errors = calloc(1, sizeof(*errors)); /* too large for the stack of a thread */
	must(errors != NULL);
	bool decoded = command_decode(context->id, context->record->arguments, false, &context->arguments, errors);
	if (decoded && context->id == COMMAND_ASSIGN)
		check_assignee(context, errors);
	json_t *problem = errors->count > 0 ? problem_of_errors(errors) : NULL;
	free(errors);
	return problem;
}

static json_t *check_version(CommandContext *context)
{
	int64_t version = json_integer_value(json_object_get(context->incident, "version"));
	char detail[96];
	if (context->record->expected_version == INT64_MIN || context->record->expected_version == version)
		return NULL;
	snprintf(detail, sizeof(detail), "The incident is at version %lld", (long long)version);
	return problem_new("version-conflict", detail);
}

static json_t *check_lifecycle(CommandContext *context)
{
	char detail[160];
	if (context->cell->taken)
		return NULL;
	snprintf(detail, sizeof(detail), "%s is not taken while the status is %.64s", commands[context->id].name,
		 context->status ? context->status : "unknown");
	json_t *problem = problem_new("transition-refused", detail);
	json_object_set_new(problem, "allowed", lifecycle_allowed(context->kind, context->status));
	return problem;
}

static json_t *(*const checks[])(CommandContext *context) = {
	check_known, check_role, check_arguments, check_version, check_lifecycle,
};

/* ---- already: true if the incident is already in the state that the command would set */

static bool is_acknowledged(const CommandContext *context)
{
	return member_text(json_object_get(context->incident, "acknowledged"), "at") != NULL;
}

/* True also for an escalation of a superseded plan, whose base_at is before that of the present plan. */
static bool is_escalated(const CommandContext *context)
{
	int64_t level = json_integer_value(json_object_get(context->incident, "escalation_level"));
	Instant base_at = context->arguments.base_at;
	bool former = base_at != INSTANT_NONE && base_at < context->extras->base_at;
	return former || is_acknowledged(context) || context->arguments.escalation_level <= level;
}

/* True also if the incident has the maximum number of links. */
static bool is_linked(const CommandContext *context)
{
	json_t *links = json_object_get(context->incident, "links"), *link;
	const char *by = join_words[context->arguments.by];
	size_t i;
	json_array_foreach (links, i, link)
		if (strcmp(member_text(link, "incident_id"), context->arguments.incident_id) == 0 &&
		    strcmp(member_text(link, "by"), by) == 0)
			return true;
	return json_array_size(links) >= INCIDENT_LINKS_MAX;
}

/* ---- effects: members of the incident that a command sets, besides the status */

static void acknowledge(const CommandContext *context, json_t *changes)
{
	json_t *acknowledged = json_object();
	json_object_set_new(acknowledged, "at", time_or_null(context->at));
	json_object_set(acknowledged, "by", context->record->actor);
	json_object_set_new(changes, "acknowledged", acknowledged);
}

/* A command with a team but no person clears the assigned person; one with a person but no team keeps the assigned team. */
static void assign(const CommandContext *context, json_t *changes)
{
	const char *team = context->arguments.team;
	if (team == NULL)
		team = member_text(json_object_get(context->incident, "assignee"), "team");
	json_t *assignee = json_object();
	json_object_set_new(assignee, "team", text_or_null(team));
	json_object_set_new(assignee, "person", text_or_null(context->arguments.person));
	json_object_set_new(changes, "assignee", assignee);
}

static void note(const CommandContext *context, json_t *changes)
{
	(void)context;
	(void)changes;
}

/* Entries that close or reopen contain the correlation key, because derive reads only the entry. */
static void close_incident(const CommandContext *context, json_t *changes)
{
	json_object_set_new(changes, "closed_at", time_or_null(context->at));
	json_object_set(changes, "correlation_key", json_object_get(context->incident, "correlation_key"));
}

static void close_resolved(const CommandContext *context, json_t *changes)
{
	close_incident(context, changes);
	json_object_set_new(changes, "resolution", json_string(resolution_words[context->arguments.resolution]));
}

static void reopen(const CommandContext *context, json_t *changes)
{
	const char *grade = member_text(context->incident, "grade");
	json_object_set_new(changes, "acknowledged", json_pack("{s:n, s:n}", "at", "by"));
	json_object_set_new(changes, "closed_at", json_null());
	json_object_set_new(changes, "resolution", json_null());
	json_object_set_new(changes, "escalation_level", json_integer(0));
	json_object_set_new(changes, "acknowledge_by",
			    time_or_null(acknowledge_by(context->policy, context->kind, grade, context->at)));
	json_object_set(changes, "correlation_key", json_object_get(context->incident, "correlation_key"));
}

static void escalate(const CommandContext *context, json_t *changes)
{
	json_object_set_new(changes, "escalation_level", json_integer(context->arguments.escalation_level));
}

static void link_add(const CommandContext *context, json_t *changes)
{
	json_t *links = json_copy(json_object_get(context->incident, "links"));
	if (links == NULL)
		links = json_array();
	json_array_append_new(links, json_pack("{s:s, s:s}", "incident_id", context->arguments.incident_id, "by",
					       join_words[context->arguments.by]));
	json_object_set_new(changes, "links", links);
}

/* ---- data: a new object with the details of an entry for the timeline */

static json_t *arguments_data(const CommandContext *context)
{
	return json_encode_present(commands[context->id].arguments, &context->arguments);
}

/* base_at is omitted, because it is internal to the services. */
static json_t *escalated_data(const CommandContext *context)
{
	return json_pack("{s:I}", "escalation_level", (json_int_t)context->arguments.escalation_level);
}

/* The arguments and, as `key`, the value that both incidents share. */
static json_t *link_data(const CommandContext *context)
{
	json_t *data = arguments_data(context);
	json_object_set_new(data, "key", text_or_null(member_text(context->incident, join_words[context->arguments.by])));
	return data;
}

static json_t *campaign_data(const CommandContext *context)
{
	enum { TEXT_SIZE = 2048 };
	const char *by = join_words[context->arguments.by], *name = member_text(context->incident, by);
	char key[32], count[24];
	Buffer word, text;
	buffer_init(&word, TEXT_SIZE);
	buffer_init(&text, 4 * TEXT_SIZE);
	snprintf(key, sizeof(key), "join.%s", by);
	snprintf(count, sizeof(count), "%lld", (long long)context->arguments.count);
	policy_words(context->policy, NULL, key, &word, NULL);
	policy_words(context->policy, NULL, "join.campaign", &text, "by", word.data, "name", name, "count", count, NULL);
	json_t *data = json_pack("{s:s}", "text", text.size > 0 ? text.data : "");
	must(data != NULL);
	buffer_release(&word);
	buffer_release(&text);
	return data;
}

static const struct {
	bool (*already)(const CommandContext *context); /* NULL: the command always makes an entry */
	void (*change)(const CommandContext *context, json_t *changes);
	json_t *(*data)(const CommandContext *context);
} effects[COMMANDS] = {
	[COMMAND_ACKNOWLEDGE] = { is_acknowledged, acknowledge, arguments_data },
	[COMMAND_ASSIGN] = { NULL, assign, arguments_data },
	[COMMAND_NOTE] = { NULL, note, arguments_data },
	[COMMAND_CLOSE] = { NULL, close_resolved, arguments_data },
	[COMMAND_REOPEN] = { NULL, reopen, arguments_data },
	[COMMAND_FALSE_ALARM] = { NULL, close_incident, arguments_data },
	[COMMAND_ESCALATED] = { is_escalated, escalate, escalated_data },
	[COMMAND_LINK] = { is_linked, link_add, link_data },
	[COMMAND_CAMPAIGN] = { NULL, note, campaign_data },
};

/* ---- the decision */

static json_t *first_problem(CommandContext *context)
{
	json_t *problem = NULL;
	for (size_t i = 0; problem == NULL && i < sizeof(checks) / sizeof(checks[0]); i++)
		problem = checks[i](context);
	return problem;
}

static void enter(const CommandContext *context, Entries *entries)
{
	json_t *changes = json_object();
	effects[context->id].change(context, changes);
	if (context->cell->next)
		json_object_set_new(changes, "status", json_string(context->cell->next));
	entries_add(entries, commands[context->id].entry, context->record->actor, effects[context->id].data(context), changes);
}

static Decision decided(CommandContext *context, Entries entries)
{
	bool internal = context->id < COMMANDS && commands[context->id].internal && role_allows(context->actor, context->id);
	Decision decision = { .kind = DECIDED_REFUSED, .entries = entries, .version = INT64_MIN };
	decision.problem = first_problem(context);
	if (!decision.problem) {
		bool already = effects[context->id].already && effects[context->id].already(context);
		decision.kind = already ? DECIDED_UNCHANGED : DECIDED_ENTERED;
	}
	if (decision.kind == DECIDED_ENTERED)
		enter(context, &decision.entries);
	else if (internal)
		decision.kind = DECIDED_NOTHING;
	if (context->incident)
		decision.version = decision.entries.version;
	return decision;
}

Decision command_decide(json_t *incident, const IncidentExtras *extras, const CommandRecord *command, const Actor *actor,
			const Policy *policy, Instant now)
{
	Entries entries = entries_begin(incident, now);
	CommandContext context = { .incident = incident, .extras = extras, .record = command, .actor = actor, .policy = policy,
			.id = command_of(command->command), .kind = member_text(incident, "kind"),
			.status = member_text(incident, "status"), .at = entries.at };
	context.cell = lifecycle_cell(context.kind, context.status, context.id);
	return decided(&context, entries);
}

void decision_release(Decision *decision)
{
	json_decref(decision->entries.list);
	json_decref(decision->problem);
	*decision = (Decision){ 0 };
}
