/*
 * Commands: what may be asked to be done to an incident, one row each. The gateway checks a request's body with the row's
 * table before it accepts it; response checks again before it decides, since not everything on the bus comes from the
 * gateway. Who may ask stands in services/response/core/roles.h, when it is taken in core/lifecycle.h.
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

/* The arguments of all commands; each one's table knows only its own. */
typedef struct {
	const char *note, *team, *person, *text, *reason;
	int resolution;           /* index into resolution_words */
	int64_t escalation_level;
	Instant base_at;          /* escalated: of the plan whose level it is; INSTANT_NONE: not said */
	const char *incident_id, *number; /* link: the other incident */
	int by;                   /* link, campaign: index into join_words */
	int64_t count;            /* campaign: how many incidents there are at least */
} CommandArguments;

typedef struct {
	const char *name;       /* in paths and records: "false-alarm" */
	const char *entry;      /* type of the journal entry it makes */
	bool internal;          /* between services only: not on the API, never named in `allowed` */
	const FieldTable *arguments;
	const char *const *one_of; /* NULL-terminated: at least one of these must be there; NULL: no such rule */
	const char *sentence;
} Command;

extern const Command commands[COMMANDS];

/* COMMANDS where there is none of that name. name may be NULL. */
CommandId command_of(const char *name);

/*
 * Checks and decodes the arguments: NULL counts as {}. Strict refuses members the command does not know. Adds to errors;
 * true when it added none. *out borrows from the tree.
 */
bool command_decode(CommandId id, json_t *arguments, bool strict, CommandArguments *out, FieldErrors *errors);

#endif
