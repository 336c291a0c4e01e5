#include "services/response/core/lifecycle.h"

#include "shared/domain/documents.h"

#include <string.h>

#define NO { .taken = false }
#define STAYS { .taken = true }
#define TO(status_) { .taken = true, .next = (status_) }

/* Columns: acknowledge, assign, note, close, reopen, false-alarm, escalated, link, campaign. */
#define OPEN_ROW(status_, acknowledge_, close_)                                          \
	{                                                                                \
		.status = (status_),                                                     \
		.cells = {                                                               \
			[COMMAND_ACKNOWLEDGE] = acknowledge_, [COMMAND_ASSIGN] = STAYS,  \
			[COMMAND_NOTE] = STAYS,               [COMMAND_CLOSE] = close_,  \
			[COMMAND_REOPEN] = NO,                [COMMAND_FALSE_ALARM] = TO("false-alarm"), \
			[COMMAND_ESCALATED] = STAYS,          [COMMAND_LINK] = STAYS,    \
			[COMMAND_CAMPAIGN] = STAYS,                                      \
		},                                                                       \
	}
#define CLOSED_ROW(status_, reopen_)                                             \
	{                                                                      \
		.status = (status_),                                           \
		.cells = {                                                     \
			[COMMAND_ACKNOWLEDGE] = NO, [COMMAND_ASSIGN] = NO,     \
			[COMMAND_NOTE] = STAYS,     [COMMAND_CLOSE] = NO,      \
			[COMMAND_REOPEN] = reopen_, [COMMAND_FALSE_ALARM] = NO, \
			[COMMAND_ESCALATED] = NO,   [COMMAND_LINK] = STAYS,    \
			[COMMAND_CAMPAIGN] = STAYS,                            \
		},                                                             \
	}

static const LifecycleRow event_rows[] = {
	OPEN_ROW("received", TO("triaging"), TO("informational")),
	OPEN_ROW("triaging", STAYS, TO("informational")),
	CLOSED_ROW("linked", NO),
	CLOSED_ROW("weakness", NO),
	CLOSED_ROW("duplicate", NO),
	CLOSED_ROW("informational", TO("triaging")),
	CLOSED_ROW("false-alarm", TO("triaging")),
};

static const LifecycleRow incident_rows[] = {
	OPEN_ROW("reported", TO("assessing"), TO("closed")),
	OPEN_ROW("assessing", STAYS, TO("closed")),
	OPEN_ROW("confirmed", STAYS, TO("closed")),
	OPEN_ROW("containing", STAYS, TO("closed")),
	OPEN_ROW("eradicating", STAYS, TO("closed")),
	OPEN_ROW("recovering", STAYS, TO("closed")),
	OPEN_ROW("reviewing", STAYS, TO("closed")),
	OPEN_ROW("reopened", TO("assessing"), TO("closed")),
	CLOSED_ROW("closed", TO("reopened")),
	CLOSED_ROW("merged", NO),
	CLOSED_ROW("cancelled", NO),
	CLOSED_ROW("false-alarm", TO("reopened")),
};

static const LifecycleRow weakness_rows[] = {
	OPEN_ROW("reported", STAYS, TO("closed")),
	OPEN_ROW("validated", STAYS, TO("closed")),
	OPEN_ROW("planned", STAYS, TO("closed")),
	OPEN_ROW("fixing", STAYS, TO("closed")),
	OPEN_ROW("verified", STAYS, TO("closed")),
	CLOSED_ROW("closed", TO("reported")),
	CLOSED_ROW("accepted", NO),
	CLOSED_ROW("false-alarm", TO("reported")),
};

#define ROWS(rows_) .rows = (rows_), .count = sizeof(rows_) / sizeof((rows_)[0])

const Lifecycle lifecycles[LIFECYCLES] = {
	{ .kind = "event", .opening = "received", .false_alarm = "false-alarm", ROWS(event_rows) },
	{ .kind = "incident", .opening = "reported", .false_alarm = "false-alarm", ROWS(incident_rows) },
	{ .kind = "weakness", .opening = "reported", .false_alarm = "false-alarm", ROWS(weakness_rows) },
};

const Lifecycle *lifecycle_of(const char *kind)
{
	for (size_t i = 0; kind != NULL && i < LIFECYCLES; i++)
		if (strcmp(lifecycles[i].kind, kind) == 0)
			return &lifecycles[i];
	return NULL;
}

static const LifecycleRow *row_of(const char *kind, const char *status)
{
	const Lifecycle *lifecycle = lifecycle_of(kind);
	for (size_t i = 0; lifecycle != NULL && status != NULL && i < lifecycle->count; i++)
		if (strcmp(lifecycle->rows[i].status, status) == 0)
			return &lifecycle->rows[i];
	return NULL;
}

const LifecycleCell *lifecycle_cell(const char *kind, const char *status, CommandId command)
{
	static const LifecycleCell refused = NO;
	const LifecycleRow *row = row_of(kind, status);
	return row != NULL && command < COMMANDS ? &row->cells[command] : &refused;
}

json_t *lifecycle_allowed(const char *kind, const char *status)
{
	json_t *allowed = json_array();
	for (unsigned id = 0; id < COMMANDS; id++)
		if (!commands[id].internal && lifecycle_cell(kind, status, (CommandId)id)->taken)
			json_array_append_new(allowed, json_string(commands[id].name));
	return allowed;
}

const char *lifecycle_translated(const char *status, const char *from_kind, const char *to_kind)
{
	const Lifecycle *from = lifecycle_of(from_kind), *to = lifecycle_of(to_kind);
	must(from != NULL && to != NULL && status != NULL);
	if (from == to)
		return status;
	if (status_is_open(status))
		return to->opening;
	return row_of(to_kind, status) != NULL ? status : to->false_alarm;
}

void lifecycle_print(const Lifecycle *lifecycle, Buffer *out)
{
	buffer_format(out, "stateDiagram-v2\n    [*] --> %s\n", lifecycle->opening);
	for (size_t i = 0; i < lifecycle->count; i++) {
		const LifecycleRow *row = &lifecycle->rows[i];
		for (unsigned id = 0; id < COMMANDS; id++)
			if (row->cells[id].taken && row->cells[id].next != NULL)
				buffer_format(out, "    %s --> %s : %s\n", row->status, row->cells[id].next, commands[id].name);
		if (!status_is_open(row->status))
			buffer_format(out, "    %s --> [*]\n", row->status);
	}
}
