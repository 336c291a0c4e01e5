#include "shared/domain/commands.h"

#include "shared/domain/rows.h"

#include <stdio.h>
#include <string.h>

enum { LEVEL_MAX = 1000, ONE_OF_TEXT = 96 };

const char *const promotion_words[] = { "incident", "weakness", NULL };
static const Kind promotions[] = { KIND_INCIDENT, KIND_WEAKNESS }; /* by promotion_words */

/* ---- arguments */

static const Field note_only_fields[] = {
	ROW_TEXT(CommandArguments, note, 0, TEXT_MAX_CHARACTERS, "Remark for the timeline"),
};
static const FieldTable note_only_table = FIELD_TABLE("note-only", note_only_fields, CommandArguments);

static const Field assign_fields[] = {
	ROW_NAME(CommandArguments, team, FIELD_NOT_EMPTY, "Id of the team"),
	ROW_NAME(CommandArguments, person, FIELD_NOT_EMPTY | FIELD_PERSONAL, "Id of the person"),
	ROW_TEXT(CommandArguments, note, 0, TEXT_MAX_CHARACTERS, "Remark for the timeline"),
};
static const FieldTable assign_table = FIELD_TABLE("assign", assign_fields, CommandArguments);

static const Field note_fields[] = {
	ROW_TEXT(CommandArguments, text, FIELD_REQUIRED | FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "The remark"),
};
static const FieldTable note_table = FIELD_TABLE("note", note_fields, CommandArguments);

static const Field close_fields[] = {
	ROW_CHOICE(CommandArguments, resolution, FIELD_REQUIRED, resolution_words, "Outcome"),
	ROW_TEXT(CommandArguments, reason, FIELD_REQUIRED | FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "Reason for closing"),
};
static const FieldTable close_table = FIELD_TABLE("close", close_fields, CommandArguments);

static const Field reason_fields[] = {
	ROW_TEXT(CommandArguments, reason, FIELD_REQUIRED | FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "Reason"),
};
static const FieldTable reason_table = FIELD_TABLE("reason", reason_fields, CommandArguments);

static const Field confirm_fields[] = {
	ROW_TEXT(CommandArguments, reason, 0, TEXT_MAX_CHARACTERS, "Reason"),
};
static const FieldTable confirm_table = FIELD_TABLE("confirm", confirm_fields, CommandArguments);

static const Field promote_fields[] = {
	ROW_CHOICE(CommandArguments, kind, FIELD_REQUIRED, promotion_words, "Kind that the event becomes"),
	ROW_TEXT(CommandArguments, reason, FIELD_REQUIRED | FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "Reason"),
};
static const FieldTable promote_table = FIELD_TABLE("promote", promote_fields, CommandArguments);

static const Field escalated_fields[] = {
	ROW_INTEGER(CommandArguments, escalation_level, FIELD_REQUIRED, 1, LEVEL_MAX, "Last level notified"),
	ROW_TIME(CommandArguments, base_at, 0, "Start time of its plan"),
};
static const FieldTable escalated_table = FIELD_TABLE("escalated", escalated_fields, CommandArguments);

static const Field link_fields[] = {
	ROW_NAME(CommandArguments, incident_id, FIELD_REQUIRED, "The other incident"),
	ROW_NAME(CommandArguments, number, 0, "Its number, for people"),
	ROW_CHOICE(CommandArguments, by, FIELD_REQUIRED, join_words, "Shared member: asset or actor"),
};
static const FieldTable link_arguments_table = FIELD_TABLE("link", link_fields, CommandArguments);

static const Field campaign_fields[] = {
	ROW_CHOICE(CommandArguments, by, FIELD_REQUIRED, join_words, "Shared member: asset or actor"),
	ROW_INTEGER(CommandArguments, count, FIELD_REQUIRED, 2, INT64_MAX, "Minimum number of open incidents that share it"),
};
static const FieldTable campaign_table = FIELD_TABLE("campaign", campaign_fields, CommandArguments);

static const char *const team_or_person[] = { "team", "person", NULL };

/* ---- checks */

static void check_assignee(const CommandContext *context, FieldErrors *errors)
{
	if (context->arguments.team && !policy_team(context->policy, context->arguments.team))
		field_errors_add(errors, "/team", "must be the id of a team of the policy");
	if (context->arguments.person && !policy_person(context->policy, context->arguments.person))
		field_errors_add(errors, "/person", "must be the id of a person of the policy");
}

/* ---- already */

static bool is_acknowledged(const CommandContext *context)
{
	return context->incident->acknowledged.at != INSTANT_NONE;
}

/* True also for an escalation of a superseded plan, whose base_at is before the base_at of the present plan. */
static bool is_escalated(const CommandContext *context)
{
	Instant base_at = context->arguments.base_at;
	bool former = base_at != INSTANT_NONE && base_at < context->extras->base_at;
	return former || is_acknowledged(context) || context->arguments.escalation_level <= context->incident->escalation_level;
}

/* True also if the incident has the maximum number of links. */
static bool is_linked(const CommandContext *context)
{
	json_t *item;
	size_t i;
	json_array_foreach (context->incident->links, i, item) {
		Link link;
		if (!result_failed(json_decode_record(&link_table, item, &link)) && link.by == context->arguments.by &&
		    strcmp(link.incident_id, context->arguments.incident_id) == 0)
			return true;
	}
	return json_array_size(context->incident->links) >= INCIDENT_LINKS_MAX;
}

/* ---- changes */

static void acknowledge(const CommandContext *context, IncidentChange *change)
{
	change->values.acknowledged.at = context->at;
	change->values.acknowledged.by = context->actor;
	CHANGE_MARK(change, acknowledged);
}

/* A person who works on a record has taken it on: escalation stops. */
static void take_on(const CommandContext *context, IncidentChange *change)
{
	if (!is_acknowledged(context))
		acknowledge(context, change);
}

/* A command with a team but no person clears the assigned person; one with a person but no team keeps the assigned team. */
static void assign(const CommandContext *context, IncidentChange *change)
{
	const char *team = context->arguments.team;
	change->values.assignee.team = team ? team : context->incident->assignee.team;
	change->values.assignee.person = context->arguments.person;
	CHANGE_MARK(change, assignee);
}

static void close_resolved(const CommandContext *context, IncidentChange *change)
{
	CHANGE(change, resolution, context->arguments.resolution);
}

/* The acknowledgement of an event does not cover the incident or weakness that it becomes. */
static void promote(const CommandContext *context, IncidentChange *change)
{
	Kind kind = promotions[context->arguments.kind];
	CHANGE(change, kind, (int)kind);
	CHANGE(change, status, (int)status_of_opening(kind));
	CHANGE_MARK(change, acknowledged);
	escalation_restart(context->policy, (int)kind, context->incident->grade, context->at, change);
}

static void escalate(const CommandContext *context, IncidentChange *change)
{
	CHANGE(change, escalation_level, context->arguments.escalation_level);
}

static void link_add(const CommandContext *context, IncidentChange *change)
{
	const Link link = { .incident_id = context->arguments.incident_id, .by = context->arguments.by };
	change->owned = context->incident->links ? json_copy(context->incident->links) : json_array();
	json_array_append_new(change->owned, json_encode(&link_table, &link));
	CHANGE(change, links, change->owned);
}

/* ---- data for the timeline */

/* base_at is omitted, because it is internal to the services. */
static json_t *escalated_data(const CommandContext *context)
{
	return json_pack("{s:I}", "escalation_level", (json_int_t)context->arguments.escalation_level);
}

static const char *shared_name(const CommandContext *context)
{
	return context->arguments.by == JOIN_BY_ASSET ? context->incident->asset : context->incident->actor;
}

/* The arguments, and as `key` the name of the asset or actor that both incidents share. */
static json_t *link_data(const CommandContext *context)
{
	const char *key = shared_name(context);
	json_t *data = json_encode_present(context->command->arguments, &context->arguments);
	json_object_set_new(data, "key", key ? json_string(key) : json_null());
	return data;
}

static json_t *campaign_data(const CommandContext *context)
{
	enum { TEXT_SIZE = 2048 };
	const char *by = join_words[context->arguments.by], *name = shared_name(context);
	char key[32], count[24];
	Buffer word, text;
	buffer_init(&word, TEXT_SIZE);
	buffer_init(&text, 4 * TEXT_SIZE);
	snprintf(key, sizeof(key), "join.%s", by);
	snprintf(count, sizeof(count), "%lld", (long long)context->arguments.count);
	policy_words(context->policy, NULL, key, &word, NULL);
	policy_words(context->policy, NULL, "join.campaign", &text, "by", word.data, "name", name ? name : "", "count", count,
		     NULL);
	json_t *data = json_pack("{s:s}", "text", text.size > 0 ? text.data : "");
	must(data != NULL);
	buffer_release(&word);
	buffer_release(&text);
	return data;
}

/* ---- the commands */

#define COMMAND(name_, entry_, ...) { .name = (name_), .entry = (entry_), __VA_ARGS__ },
const Command commands[] = {
#include "shared/domain/command_rows.h"
};
const size_t command_count = sizeof(commands) / sizeof(commands[0]);
#undef COMMAND
_Static_assert(sizeof(commands) / sizeof(commands[0]) <= COMMANDS_MAX, "raise COMMANDS_MAX");

const Command *command_of(const char *name)
{
	for (size_t i = 0; name != NULL && i < command_count; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

bool command_is_public(const Command *command)
{
	return command->permission != PERMISSION_SYSTEM;
}

Transition command_transition(const Command *command, int kind, int status)
{
	return transition_of(kind >= 0 && kind < KINDS ? command->transitions[kind] : NULL, kind, status);
}

json_t *commands_allowed(int kind, int status)
{
	json_t *allowed = json_array();
	for (size_t i = 0; i < command_count; i++)
		if (command_is_public(&commands[i]) && command_transition(&commands[i], kind, status).taken)
			json_array_append_new(allowed, json_string(commands[i].name));
	return allowed;
}

/* ---- derived words and pictures */

#define ENTRY_WORDS_OF_SERVICES "opened", "assessed", "repeated",
#define COMMAND(name_, entry_, ...) entry_,
const char *const entry_words[] = {
	ENTRY_WORDS_OF_SERVICES
#include "shared/domain/command_rows.h"
	NULL,
};
const char *const timeline_words[] = {
	ENTRY_WORDS_OF_SERVICES
#include "shared/domain/command_rows.h" /* NOLINT(readability-duplicate-include): each inclusion expands COMMAND */
	"delivery", NULL,
};
#undef COMMAND

static void transitions_print(Kind kind, Status status, Buffer *out)
{
	for (size_t i = 0; i < command_count; i++) {
		Transition transition = command_transition(&commands[i], (int)kind, (int)status);
		if (!transition.taken)
			continue;
		if (commands[i].promotes)
			buffer_format(out, "    %s --> [*] : %s\n", status_words[status], commands[i].name);
		else if (transition.next != status)
			buffer_format(out, "    %s --> %s : %s\n", status_words[status], status_words[transition.next],
				      commands[i].name);
	}
}

void lifecycle_print(Kind kind, Buffer *out)
{
	buffer_format(out, "stateDiagram-v2\n    [*] --> %s\n", status_words[status_of_opening(kind)]);
	for (int status = 0; status < STATUSES; status++) {
		if (!status_exists((int)kind, status))
			continue;
		transitions_print(kind, (Status)status, out);
		if (!status_is_open(status))
			buffer_format(out, "    %s --> [*]\n", status_words[status]);
	}
}

/* ---- arguments and escalation */

static bool has_one_of(const char *const *names, json_t *arguments)
{
	for (size_t i = 0; names[i] != NULL; i++) {
		json_t *member = json_object_get(arguments, names[i]);
		if (member != NULL && !json_is_null(member))
			return true;
	}
	return false;
}

static void refuse_none_of(const char *const *names, FieldErrors *errors)
{
	char list[ONE_OF_TEXT] = "";
	size_t size = 0;
	for (size_t i = 0; names[i] != NULL && size < sizeof(list); i++)
		size += (size_t)snprintf(list + size, sizeof(list) - size, "%s%s", i == 0 ? "" : " or ", names[i]);
	field_errors_add(errors, "", "must have %s", list);
}

bool command_decode(const Command *command, json_t *arguments, bool strict, CommandArguments *out, FieldErrors *errors)
{
	json_t *none JSON_AUTO = arguments == NULL || json_is_null(arguments) ? json_object() : NULL;
	json_t *tree = none != NULL ? none : arguments;
	bool valid = json_decode(command->arguments, tree, strict, out, errors);
	if (valid && command->one_of != NULL && !has_one_of(command->one_of, tree)) {
		refuse_none_of(command->one_of, errors);
		valid = false;
	}
	return valid;
}

void escalation_restart(const Policy *policy, int kind, int grade, Instant at, IncidentChange *change)
{
	CHANGE(change, escalation_level, 0);
	CHANGE(change, acknowledge_by, policy_acknowledge_by(policy, kind, grade, at));
}
