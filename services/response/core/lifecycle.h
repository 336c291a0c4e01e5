/*
 * The lifecycles of events, incidents and weaknesses: one table with the effect of each command in each status. A cell states
 * that the command is refused, that it is taken without a change of status, or the status it leads to. The allowed commands
 * and the state diagram are derived from the table.
 */
#ifndef TOCSIN_RESPONSE_LIFECYCLE_H
#define TOCSIN_RESPONSE_LIFECYCLE_H

#include "shared/base/json.h"
#include "shared/domain/commands.h"

typedef struct {
	bool taken;
	const char *next; /* NULL: the status stays */
} LifecycleCell;

typedef struct {
	const char *status;
	LifecycleCell cells[COMMANDS];
} LifecycleRow;

typedef struct {
	const char *kind;
	const char *opening;     /* initial status */
	const char *false_alarm; /* initial status of known noise */
	const LifecycleRow *rows;
	size_t count;
} Lifecycle;

enum { LIFECYCLES = 3 };
extern const Lifecycle lifecycles[LIFECYCLES];

/* NULL for an unknown kind. */
const Lifecycle *lifecycle_of(const char *kind);

/* Never NULL: for an unknown kind or status, the cell refuses the command. */
const LifecycleCell *lifecycle_cell(const char *kind, const char *status, CommandId command);

/* A new list of the names of the commands that would be taken, without those that only services send. */
json_t *lifecycle_allowed(const char *kind, const char *status);

/*
 * The corresponding status of another kind; borrowed. Both kinds must be known. A closed status stays if the other kind has it,
 * and otherwise becomes false-alarm. An open status becomes the initial status of the other kind, because a person who took on
 * an event has not taken on the incident that it becomes.
 */
const char *lifecycle_translated(const char *status, const char *from_kind, const char *to_kind);

/* Appends a Mermaid state diagram. */
void lifecycle_print(const Lifecycle *lifecycle, Buffer *out);

#endif
