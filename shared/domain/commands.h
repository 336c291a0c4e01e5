/*
 * Commands: the requests to change an incident, one row of a table each. The gateway checks the body of a request with the
 * `arguments` table of the command before it accepts the request. Response checks the record again before it decides, because
 * any program on the bus can append commands. The permitted roles are in services/response/core/roles.h, the permitted statuses in
 * core/lifecycle.h.
 */
#ifndef TOCSIN_DOMAIN_COMMANDS_H
#define TOCSIN_DOMAIN_COMMANDS_H

#include "shared/base/json.h"

typedef enum {
	COMMAND_ACKNOWLEDGE,
	COMMAND_ASSIGN,
	COMMAND_NOTE,
	COMMAND_CLOSE,
	COMMAND_REOPEN,
	COMMAND_FALSE_ALARM,
	COMMAND_ESCALATED,
	COMMAND_LINK,
	COMMAND_CAMPAIGN,
	COMMANDS,
} CommandId;

/* The arguments of all commands. The `arguments` table of a command lists those that it takes; the others stay absent. */
typedef struct {
	const char *note, *team, *person, *text, *reason;
	int resolution;           /* index into resolution_words */
	int64_t escalation_level;
	Instant base_at;          /* escalated: start time of the plan; INSTANT_NONE: unknown */
	const char *incident_id, *number; /* link: the incident to link with */
	int by;                   /* link, campaign: index into join_words */
	int64_t count;            /* campaign: minimum number of open incidents */
} CommandArguments;

typedef struct {
	const char *name;       /* in paths and records: "false-alarm" */
	const char *entry;      /* type of the journal entry that the command makes */
	bool internal;          /* only services issue it: not in the API, never in the list `allowed` of an answer */
	const FieldTable *arguments;
	const char *const *one_of; /* arguments of which at least one is required, NULL-terminated; NULL: no such requirement */
	const char *sentence;
} Command;

extern const Command commands[COMMANDS];

/* The command with that name, or COMMANDS. name may be NULL. */
CommandId command_of(const char *name);

/*
 * Checks and decodes arguments; NULL and null count as {}. strict refuses unknown members. Adds to errors and returns true
 * if it added none. *out borrows from arguments. id is below COMMANDS.
 */
bool command_decode(CommandId id, json_t *arguments, bool strict, CommandArguments *out, FieldErrors *errors);

#endif
