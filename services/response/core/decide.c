#include "services/response/core/decide.h"

#include "services/response/core/opening.h"
#include "services/response/core/roles.h"

#include <stdio.h>
#include <stdlib.h>

/* A command and the incident on which it is to act; context.incident is NULL if it does not exist. */
typedef struct {
	CommandContext context;
	const CommandRecord *record;
	const Actor *actor;
	Transition transition;
} Request;

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

static json_t *check_known(Request *request)
{
	if (request->context.command == NULL)
		return problem_new("not-found", "There is no such command");
	return request->context.incident ? NULL : problem_new("not-found", "There is no such incident");
}

static json_t *check_role(Request *request)
{
	bool allows = role_allows(request->actor, request->context.command);
	return allows ? NULL : problem_new("forbidden", "None of your roles permits this command");
}

static json_t *check_arguments(Request *request)
{
	CommandContext *context = &request->context;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	bool decoded = command_decode(context->command, request->record->arguments, false, &context->arguments, &errors);
	if (decoded && context->command->check)
		context->command->check(context, &errors);
	return errors.count > 0 ? problem_of_errors(&errors) : NULL;
}

static json_t *check_version(Request *request)
{
	int64_t version = request->context.incident->version;
	char detail[96];
	if (request->record->expected_version == INT64_MIN || request->record->expected_version == version)
		return NULL;
	snprintf(detail, sizeof(detail), "The incident is at version %lld", (long long)version);
	return problem_new("version-conflict", detail);
}

static json_t *check_lifecycle(Request *request)
{
	const Incident *incident = request->context.incident;
	char detail[160];
	if (request->transition.taken)
		return NULL;
	snprintf(detail, sizeof(detail), "%s is not taken while the status is %s", request->context.command->name,
		 incident->status >= 0 ? status_words[incident->status] : "unknown");
	json_t *problem = problem_new("transition-refused", detail);
	json_object_set_new(problem, "allowed", commands_allowed(incident->kind, incident->status));
	return problem;
}

static json_t *(*const checks[])(Request *request) = {
	check_known, check_role, check_arguments, check_version, check_lifecycle,
};

static json_t *first_problem(Request *request)
{
	json_t *problem = NULL;
	for (size_t i = 0; problem == NULL && i < sizeof(checks) / sizeof(checks[0]); i++)
		problem = checks[i](request);
	return problem;
}

/* ---- the entries of a command that is taken */

/* An entry that closes or reopens contains the correlation key, because derive reads nothing but the entry. */
static void closing_change(const CommandContext *context, IncidentChange *change)
{
	CHANGE(change, closed_at, context->at);
	CHANGE(change, correlation_key, context->incident->correlation_key);
}

static void reopening_change(const CommandContext *context, IncidentChange *change)
{
	const Incident *incident = context->incident;
	CHANGE_MARK(change, acknowledged);
	CHANGE_MARK(change, closed_at);
	CHANGE_MARK(change, resolution);
	CHANGE(change, correlation_key, incident->correlation_key);
	escalation_restart(context->policy, incident->kind, incident->grade, context->at, change);
}

static void transition_change(const CommandContext *context, Status next, IncidentChange *change)
{
	int status = context->incident->status;
	if ((int)next == status)
		return;
	CHANGE(change, status, (int)next);
	if (status_is_open(status) && !status_is_open((int)next))
		closing_change(context, change);
	else if (!status_is_open(status) && status_is_open((int)next))
		reopening_change(context, change);
}

static void enter(const Request *request, Entries *entries)
{
	const CommandContext *context = &request->context;
	const Command *command = context->command;
	IncidentChange change = incident_change_none();
	transition_change(context, request->transition.next, &change);
	if (command->change)
		command->change(context, &change);
	json_t *data = command->data ? command->data(context) : json_encode_present(command->arguments, &context->arguments);
	entries_add(entries, command->entry, context->actor, data, &change);
	if (CHANGES(&change, kind) && !incident_is_assigned(context->incident))
		assigned_add(entries, context->policy, change.values.kind, context->incident->grade);
	incident_change_release(&change);
}

/* ---- the decision */

static Decision decided(Request *request, Entries entries)
{
	const CommandContext *context = &request->context;
	const Command *command = context->command;
	bool internal = command != NULL && !command_is_public(command) && role_allows(request->actor, command);
	Decision decision = { .kind = DECIDED_REFUSED, .entries = entries, .version = INT64_MIN };
	decision.problem = first_problem(request);
	if (!decision.problem)
		decision.kind = command->already && command->already(context) ? DECIDED_UNCHANGED : DECIDED_ENTERED;
	if (decision.kind == DECIDED_ENTERED)
		enter(request, &decision.entries);
	else if (internal)
		decision.kind = DECIDED_NOTHING;
	if (context->incident)
		decision.version = decision.entries.version;
	return decision;
}

Decision command_decide(const Incident *incident, const IncidentExtras *extras, const CommandRecord *record, const Actor *actor,
			const Policy *policy, Instant now)
{
	Entries entries = entries_begin(incident, extras, now);
	Request request = { .record = record, .actor = actor,
			    .context = { .command = command_of(record->command), .incident = incident, .extras = extras,
					 .actor = record->actor, .policy = policy, .at = entries.at } };
	if (request.context.command && incident)
		request.transition = command_transition(request.context.command, incident->kind, incident->status);
	return decided(&request, entries);
}

void decision_release(Decision *decision)
{
	json_decref(decision->entries.list);
	json_decref(decision->problem);
	*decision = (Decision){ 0 };
}
