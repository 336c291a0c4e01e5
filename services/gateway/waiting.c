#include "services/gateway/waiting.h"

#include <pthread.h>
#include <stdlib.h>

/* A row is free (not used), waiting (with a request), or only known (its request was answered with 202). */
typedef struct {
	Wait wait;
	uint32_t generation; /* incremented with each use of the row, so that old tickets become invalid */
	bool used;
} Row;

struct Waiting {
	pthread_mutex_t mutex;
	size_t requests, next_victim;
	Row rows[WAITING_MAX];
};

Waiting *waiting_new(void)
{
	Waiting *waiting = calloc(1, sizeof *waiting);

	must(waiting != NULL && pthread_mutex_init(&waiting->mutex, NULL) == 0);
	return waiting;
}

void waiting_free(Waiting *waiting)
{
	if (!waiting)
		return;
	must(waiting->requests == 0);
	pthread_mutex_destroy(&waiting->mutex);
	free(waiting);
}

/* ---- rows; called with the mutex held ------------------------------------------------------------------------- */

static Ticket ticket_of(const Waiting *waiting, const Row *row)
{
	return (Ticket)row->generation << 32 | (Ticket)(row - waiting->rows + 1);
}

static Row *row_of(Waiting *waiting, Ticket ticket)
{
	size_t index = (size_t)(ticket & UINT32_MAX);

	if (index == 0 || index > WAITING_MAX)
		return NULL;
	Row *row = &waiting->rows[index - 1];
	return row->used && row->generation == (uint32_t)(ticket >> 32) ? row : NULL;
}

static HttpRequest *row_take(Waiting *waiting, Row *row, bool keep)
{
	HttpRequest *request = row->wait.request;

	if (request)
		waiting->requests--;
	row->wait.request = NULL;
	row->used = keep;
	return request;
}

static bool row_is(const Row *row, Slice command)
{
	return row->used && slice_equals(id_slice(&row->wait.command), command);
}

/* A free row, else a row in which a command is only known, chosen in rotation. NULL: every row has a request. */
static Row *row_find(Waiting *waiting)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (!waiting->rows[i].used)
			return &waiting->rows[i];
	for (size_t i = 0; i < WAITING_MAX; i++) {
		Row *row = &waiting->rows[waiting->next_victim++ % WAITING_MAX];
		if (!row->wait.request)
			return row;
	}
	return NULL;
}

static bool matches(const Waiting *waiting, const Wait *wait)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (row_is(&waiting->rows[i], id_slice(&wait->command)) &&
		    !slice_is(slice_of(waiting->rows[i].wait.fingerprint), wait->fingerprint))
			return false;
	return true;
}

static WaitingVerdict row_add(Waiting *waiting, const Wait *wait, Ticket *out)
{
	if (!matches(waiting, wait))
		return WAITING_MISMATCH;
	Row *row = row_find(waiting);
	if (!row)
		return WAITING_FULL;
	*row = (Row){ .wait = *wait, .generation = row->generation + 1, .used = true };
	waiting->requests++;
	*out = ticket_of(waiting, row);
	return WAITING_ADDED;
}

/* ---- public functions ----------------------------------------------------------------------------------------- */

WaitingVerdict waiting_add(Waiting *waiting, const Wait *wait, Ticket *out)
{
	must(wait->request != NULL);
	pthread_mutex_lock(&waiting->mutex);
	WaitingVerdict verdict = row_add(waiting, wait, out);
	pthread_mutex_unlock(&waiting->mutex);
	return verdict;
}

HttpRequest *waiting_take(Waiting *waiting, Ticket ticket)
{
	pthread_mutex_lock(&waiting->mutex);
	Row *row = row_of(waiting, ticket);
	HttpRequest *request = row ? row_take(waiting, row, false) : NULL;
	pthread_mutex_unlock(&waiting->mutex);
	return request;
}

HttpRequest *waiting_durable(Waiting *waiting, Ticket ticket, int64_t now_ms)
{
	HttpRequest *request = NULL;

	pthread_mutex_lock(&waiting->mutex);
	Row *row = row_of(waiting, ticket);
	if (row) {
		row->wait.durable = true;
		request = row->wait.deadline_ms <= now_ms ? row_take(waiting, row, true) : NULL;
	}
	pthread_mutex_unlock(&waiting->mutex);
	return request;
}

HttpRequest *waiting_take_command(Waiting *waiting, Slice command)
{
	HttpRequest *request = NULL;

	pthread_mutex_lock(&waiting->mutex);
	for (size_t i = 0; i < WAITING_MAX && !request; i++)
		if (row_is(&waiting->rows[i], command))
			request = row_take(waiting, &waiting->rows[i], false);
	pthread_mutex_unlock(&waiting->mutex);
	return request;
}

/* The time at which the row's request expires. With `all`, that of a durable command has expired already. */
static int64_t over_ms(const Row *row, bool all)
{
	if (!row->wait.durable)
		return row->wait.doubt_ms;
	return all ? INT64_MIN : row->wait.deadline_ms;
}

HttpRequest *waiting_expire(Waiting *waiting, int64_t now_ms, bool all, Expired *expired)
{
	HttpRequest *request = NULL;

	expired->next_ms = INT64_MAX;
	pthread_mutex_lock(&waiting->mutex);
	for (size_t i = 0; i < WAITING_MAX && waiting->requests > 0 && !request; i++) {
		Row *row = &waiting->rows[i];
		if (!row->used || !row->wait.request)
			continue;
		int64_t at_ms = over_ms(row, all);
		if (at_ms > now_ms) {
			expired->next_ms = at_ms < expired->next_ms ? at_ms : expired->next_ms;
		} else {
			expired->command = row->wait.command;
			expired->durable = row->wait.durable;
			request = row_take(waiting, row, row->wait.durable);
		}
	}
	pthread_mutex_unlock(&waiting->mutex);
	return request;
}

bool waiting_knows(Waiting *waiting, Slice command, char incident[static ID_SIZE])
{
	bool known = false;

	pthread_mutex_lock(&waiting->mutex);
	for (size_t i = 0; i < WAITING_MAX && !known; i++) {
		known = row_is(&waiting->rows[i], command);
		if (known)
			must(text_copy(slice_of(waiting->rows[i].wait.incident), incident, ID_SIZE));
	}
	pthread_mutex_unlock(&waiting->mutex);
	return known;
}

size_t waiting_count(Waiting *waiting)
{
	pthread_mutex_lock(&waiting->mutex);
	size_t count = waiting->requests;
	pthread_mutex_unlock(&waiting->mutex);
	return count;
}
