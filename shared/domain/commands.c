#include "shared/domain/commands.h"

#include "shared/domain/documents.h"
#include "shared/domain/rows.h"

#include <stdio.h>
#include <string.h>

enum { LEVEL_MAX = 1000, ONE_OF_TEXT = 96 };

static const Field acknowledge_fields[] = {
	ROW_TEXT(CommandArguments, note, 0, TEXT_MAX_CHARACTERS, "Remark for the timeline"),
};
static const FieldTable acknowledge_table = FIELD_TABLE("acknowledge", acknowledge_fields, CommandArguments);

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
static const FieldTable reopen_table = FIELD_TABLE("reopen", reason_fields, CommandArguments);
static const FieldTable false_alarm_table = FIELD_TABLE("false-alarm", reason_fields, CommandArguments);

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
static const FieldTable link_table = FIELD_TABLE("link", link_fields, CommandArguments);

static const Field campaign_fields[] = {
	ROW_CHOICE(CommandArguments, by, FIELD_REQUIRED, join_words, "Shared member: asset or actor"),
	ROW_INTEGER(CommandArguments, count, FIELD_REQUIRED, 2, INT64_MAX, "Minimum number of open incidents that share it"),
};
static const FieldTable campaign_table = FIELD_TABLE("campaign", campaign_fields, CommandArguments);

static const char *const team_or_person[] = { "team", "person", NULL };

const Command commands[COMMANDS] = {
	[COMMAND_ACKNOWLEDGE] = { .name = "acknowledge", .entry = "acknowledged", .arguments = &acknowledge_table,
				  .sentence = "Takes the incident on; escalation stops" },
	[COMMAND_ASSIGN] = { .name = "assign", .entry = "assigned", .arguments = &assign_table, .one_of = team_or_person,
			     .sentence = "Assigns the incident to a team, a person, or a person of a team" },
	[COMMAND_NOTE] = { .name = "note", .entry = "noted", .arguments = &note_table,
			   .sentence = "Adds a remark to the timeline" },
	[COMMAND_CLOSE] = { .name = "close", .entry = "closed", .arguments = &close_table,
			    .sentence = "Closes the incident" },
	[COMMAND_REOPEN] = { .name = "reopen", .entry = "reopened", .arguments = &reopen_table,
			     .sentence = "Reopens the incident; escalation restarts" },
	[COMMAND_FALSE_ALARM] = { .name = "false-alarm", .entry = "false-alarm", .arguments = &false_alarm_table,
				  .sentence = "Closes the record as a false positive" },
	[COMMAND_ESCALATED] = { .name = "escalated", .entry = "escalated", .internal = true, .arguments = &escalated_table,
				.sentence = "Records that an escalation level was notified" },
	[COMMAND_LINK] = { .name = "link", .entry = "linked", .internal = true, .arguments = &link_table,
			   .sentence = "Links another open incident that shares its asset or actor" },
	[COMMAND_CAMPAIGN] = { .name = "campaign", .entry = "noted", .internal = true, .arguments = &campaign_table,
			       .sentence = "Notes a possible campaign: more incidents share its asset or actor than are linked" },
};

CommandId command_of(const char *name)
{
	unsigned id = 0;
	while (id < COMMANDS && (name == NULL || strcmp(commands[id].name, name) != 0))
		id++;
	return (CommandId)id;
}

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

bool command_decode(CommandId id, json_t *arguments, bool strict, CommandArguments *out, FieldErrors *errors)
{
	must(id < COMMANDS);
	json_t *none JSON_AUTO = arguments == NULL || json_is_null(arguments) ? json_object() : NULL;
	json_t *tree = none != NULL ? none : arguments;
	bool valid = json_decode(commands[id].arguments, tree, strict, out, errors);
	if (valid && commands[id].one_of != NULL && !has_one_of(commands[id].one_of, tree)) {
		refuse_none_of(commands[id].one_of, errors);
		valid = false;
	}
	return valid;
}
