/*
 * The lifecycles of events, incidents and weaknesses (ISO/IEC 27035-1, 5.4 and 5.5). A status is one row of STATUS_TABLE; the
 * transitions are in the rows of the commands (command_rows.h), for each kind as one text:
 *
 *     "reported>assessing open"
 *
 * A word FROM>TO allows the command in status FROM and leads to status TO; a word FROM allows it and keeps the status. FROM is a
 * status, or `open`, `finished` or `any` for all statuses of that sort. The first word that matches applies; if no word
 * matches the status, the command is refused. The allowed commands, the diagrams and the checks of the simulation are derived from
 * these texts. tests/unit/lifecycle_test.c requires that each name in them exists and that each status can be reached, except
 * four that wait for commands to come. Pure.
 */
#ifndef TOCSIN_DOMAIN_LIFECYCLE_H
#define TOCSIN_DOMAIN_LIFECYCLE_H

#include "shared/base/json.h"

/* Index into kind_words (policy.h). */
typedef enum { KIND_EVENT, KIND_INCIDENT, KIND_WEAKNESS, KINDS } Kind;

enum { IN_EVENT = 1 << KIND_EVENT, IN_INCIDENT = 1 << KIND_INCIDENT, IN_WEAKNESS = 1 << KIND_WEAKNESS };

/* Constant, word, the kinds that have the status, and true if work on the record is not finished in it. */
#define STATUS_TABLE(ROW)                                                      \
	ROW(RECEIVED, "received", IN_EVENT, true)                              \
	ROW(TRIAGING, "triaging", IN_EVENT, true)                              \
	ROW(LINKED, "linked", IN_EVENT, false)                                 \
	ROW(DUPLICATE, "duplicate", IN_EVENT, false)                           \
	ROW(INFORMATIONAL, "informational", IN_EVENT, false)                   \
	ROW(REPORTED, "reported", IN_INCIDENT | IN_WEAKNESS, true)             \
	ROW(ASSESSING, "assessing", IN_INCIDENT, true)                         \
	ROW(CONFIRMED, "confirmed", IN_INCIDENT, true)                         \
	ROW(CONTAINING, "containing", IN_INCIDENT, true)                       \
	ROW(ERADICATING, "eradicating", IN_INCIDENT, true)                     \
	ROW(RECOVERING, "recovering", IN_INCIDENT, true)                       \
	ROW(REVIEWING, "reviewing", IN_INCIDENT, true)                         \
	ROW(VALIDATED, "validated", IN_WEAKNESS, true)                         \
	ROW(PLANNED, "planned", IN_WEAKNESS, true)                             \
	ROW(FIXING, "fixing", IN_WEAKNESS, true)                               \
	ROW(VERIFIED, "verified", IN_WEAKNESS, true)                           \
	ROW(ACCEPTED, "accepted", IN_WEAKNESS, false)                          \
	ROW(CLOSED, "closed", IN_INCIDENT | IN_WEAKNESS, false)                \
	ROW(REOPENED, "reopened", IN_INCIDENT, true)                           \
	ROW(MERGED, "merged", IN_INCIDENT, false)                              \
	ROW(CANCELLED, "cancelled", IN_INCIDENT, false)                        \
	ROW(FALSE_ALARM, "false-alarm", IN_EVENT | IN_INCIDENT | IN_WEAKNESS, false)

#define STATUS_CONSTANT(name_, word_, kinds_, open_) STATUS_##name_,
typedef enum { STATUS_TABLE(STATUS_CONSTANT) STATUSES } Status;
#undef STATUS_CONSTANT

extern const char *const status_words[]; /* by Status; ends with NULL */

/* True if the kind has the status. Both may be any int. */
bool status_exists(int kind, int status);

/* True for a status in which work on the record is not finished; false for one that does not exist. */
bool status_is_open(int status);

/* The initial status of a record of the kind. */
Status status_of_opening(Kind kind);

/*
 * The corresponding status of the kind `to`; unchanged if the kinds are equal. An open status becomes the initial status of `to`,
 * because a person who took on an event has not taken on the incident that it becomes. A finished status stays, or becomes
 * false-alarm if `to` does not have it.
 */
Status status_translated(Status status, Kind from, Kind to);

/* The effect of a command in a status. */
typedef struct {
	bool taken;
	Status next; /* taken: the status afterwards, perhaps the same */
} Transition;

/* transitions: a text as above, or NULL. Not taken if transitions is NULL, or the kind does not have the status. */
Transition transition_of(const char *transitions, int kind, int status);

/* Walks the words of a text. False at its end, else *from and *to are one word's parts; to is empty if the status stays. */
bool transition_next(const char **transitions, Slice *from, Slice *to);

#endif
