/*
 * Commands: the requests to change an incident, one row each (commands.c). Every place that handles commands reads the row: the
 * gateway checks the body of a request with `arguments` before it accepts the request; response checks the record again before
 * it decides, because other writers exist on the bus, and then applies permission, transitions, check, already and change, in
 * the order of services/response/core/decide.h.
 *
 * A command that leads from an open status to a finished one closes the record: closed_at is set and intake drops its window.
 * One that leads back reopens it: acknowledgement, closing and resolution are cleared, and escalation restarts. Neither needs
 * a function.
 */
#ifndef TOCSIN_DOMAIN_COMMANDS_H
#define TOCSIN_DOMAIN_COMMANDS_H

#include "shared/domain/incident.h"
#include "shared/domain/lifecycle.h"
#include "shared/domain/policy.h"

/* A command needs one of these; services/response/core/roles.h states which roles have which permission. */
typedef enum {
	PERMISSION_HANDLE, /* people and keys that work on records */
	PERMISSION_SYSTEM, /* the services of Tocsin only: not in the API, never in `allowed` */
	PERMISSIONS,
} Permission;

extern const char *const promotion_words[]; /* the kinds that an event can become */

/* The arguments of all commands; the table of a command has only its own. */
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
	const char *entry;      /* type of its journal entry */
	Permission permission;
	const FieldTable *arguments;
	const char *const *one_of; /* NULL-terminated: at least one of these is required; NULL: none */
	const char *transitions[KINDS]; /* see lifecycle.h; NULL: the kind does not know the command */
	bool promotes;          /* the record may become one of another kind, in its opening status */
	/* Checks the arguments against incident and policy; each error refuses the command. NULL: nothing to check. */
	void (*check)(const CommandContext *context, FieldErrors *errors);
	/* True if the incident is already in the state that the command asks for; then nothing changes. NULL: never. */
	bool (*already)(const CommandContext *context);
	/* Sets further members than the transition does. NULL: none. */
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

/* The effect of the command on a record of that kind and status. */
Transition command_transition(const Command *command, int kind, int status);

/* A new list of the names of the public commands that would be taken. */
json_t *commands_allowed(int kind, int status);

/* Appends a Mermaid state diagram of the lifecycle of a kind. */
void lifecycle_print(Kind kind, Buffer *out);

/*
 * Checks and decodes arguments; NULL and null count as {}. strict refuses unknown members. Adds to errors and returns true
 * if it added none. *out borrows from arguments.
 */
bool command_decode(const Command *command, json_t *arguments, bool strict, CommandArguments *out, FieldErrors *errors);

/* Sets what starts escalation at a moment: level 0, and the time by which the record must be acknowledged. */
void escalation_restart(const Policy *policy, int kind, int grade, Instant at, IncidentChange *change);

#endif
