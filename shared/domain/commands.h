/*
 * Commands: the requests to change an incident, one row each (command_rows.h). All code that handles commands reads the rows: the
 * gateway checks the body of a request with `arguments` before it accepts the request; response checks the record again before
 * it decides, because other writers exist on the bus, and then applies permission, transitions, check, already and change, in
 * the order of services/response/core/decide.h.
 *
 * A command that leads from an open status to a finished status closes the record: closed_at is set, and intake drops the window.
 * A command that leads from a finished status to an open status reopens the record: acknowledgement, closing and resolution are
 * cleared, and escalation restarts. The rows of such commands need no function for these effects.
 */
#ifndef TOCSIN_DOMAIN_COMMANDS_H
#define TOCSIN_DOMAIN_COMMANDS_H

#include "shared/domain/incident.h"
#include "shared/domain/lifecycle.h"
#include "shared/domain/policy.h"

/* Each command needs one permission; services/response/core/roles.h states which roles have which permission. */
typedef enum {
	PERMISSION_HANDLE, /* people and keys that work on records */
	PERMISSION_SYSTEM, /* the services of Tocsin only: not in the API, never in `allowed` */
	PERMISSIONS,
} Permission;

extern const char *const promotion_words[]; /* the kinds that an event can become */

/* The arguments of all commands; the table of a command has only the rows of the arguments that it takes. */
typedef struct {
	const char *note, *team, *person, *text, *reason;
	int kind;                 /* promote: index into promotion_words */
	int resolution;           /* index into resolution_words */
	int64_t escalation_level;
	Instant base_at;          /* escalated: start time of the plan; INSTANT_NONE: unknown */
	const char *incident_id, *number; /* link: the other incident */
	int by;                   /* link, campaign: index into join_words */
	int64_t count;            /* campaign: minimum number of open incidents */
} CommandArguments;

typedef struct Command Command;

/* The inputs of a row's functions; all borrowed. */
typedef struct {
	const Command *command;
	const Incident *incident; /* before the command */
	const IncidentExtras *extras;
	json_t *actor;
	CommandArguments arguments;
	const Policy *policy;
	Instant at;
} CommandContext;

struct Command {
	const char *name;       /* in paths and records: "false-alarm" */
	const char *entry;      /* type of the journal entry that the command adds */
	Permission permission;
	const FieldTable *arguments;
	const char *const *one_of; /* NULL-terminated names of arguments, of which at least one is required; NULL: no such rule */
	const char *transitions[KINDS]; /* see lifecycle.h; NULL: refused for records of the kind */
	bool promotes;          /* changes the kind of the record, which gets the opening status of the new kind */
	/* Checks the arguments against incident and policy; each error refuses the command. NULL: nothing to check. */
	void (*check)(const CommandContext *context, FieldErrors *errors);
	/* True if the incident is already in the state that the command would set; then nothing changes. NULL: never. */
	bool (*already)(const CommandContext *context);
	/* Sets the members that the transition itself does not set. NULL: no further members. */
	void (*change)(const CommandContext *context, IncidentChange *change);
	/* A new object with the details that the timeline shows. NULL: the arguments. */
	json_t *(*data)(const CommandContext *context);
	const char *sentence;
};

extern const Command commands[];
extern const size_t command_count;
enum { COMMANDS_MAX = 64 };

/* The command of that name, or NULL. name may be NULL. */
const Command *command_of(const char *name);

/* True if the command is in the API. */
bool command_is_public(const Command *command);

/* The effect of the command on a record of that kind and status, which may be any int. */
Transition command_transition(const Command *command, int kind, int status);

/* A new list of the names of the public commands that are allowed for that kind and status. */
json_t *commands_allowed(int kind, int status);

/* Appends a Mermaid state diagram of the lifecycle of a kind. */
void lifecycle_print(Kind kind, Buffer *out);

/*
 * Checks and decodes arguments, also by Command.one_of; NULL and null count as {}. strict as for json_decode. Adds its errors to
 * errors; true if it found none. *out borrows from arguments.
 */
bool command_decode(const Command *command, json_t *arguments, bool strict, CommandArguments *out, FieldErrors *errors);

/* Makes the change start escalation at `at`: sets escalation_level to 0, and acknowledge_by (policy_acknowledge_by). */
void escalation_restart(const Policy *policy, int kind, int grade, Instant at, IncidentChange *change);

#endif
