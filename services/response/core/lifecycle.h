/*
 * The lives of an event, an incident and a weakness: for each kind and status, what each command does. One table; a cell
 * says that the command is refused there, that it is taken and the status stays, or which status it leads to. Everything
 * else that is said about a life (what is allowed now, the picture in the manual) is read from the table.
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
	const char *opening;     /* where it begins */
	const char *false_alarm; /* where known noise begins */
	const LifecycleRow *rows;
	size_t count;
} Lifecycle;

enum { LIFECYCLES = 3 };
extern const Lifecycle lifecycles[LIFECYCLES];

/* NULL for an unknown kind. */
const Lifecycle *lifecycle_of(const char *kind);

/* Never NULL: an unknown kind or status refuses everything. */
const LifecycleCell *lifecycle_cell(const char *kind, const char *status, CommandId command);

/* A new list of the names of the commands that would be taken, those between services left out. */
json_t *lifecycle_allowed(const char *kind, const char *status);

/*
 * The status in the life of another kind that fits best; borrowed. Both kinds must be known. What is open begins where the
 * other kind begins: who took on an event has not taken on the incident it becomes.
 */
const char *lifecycle_translated(const char *status, const char *from_kind, const char *to_kind);

/* The picture: a Mermaid state diagram of a kind, appended. */
void lifecycle_print(const Lifecycle *lifecycle, Buffer *out);

#endif
