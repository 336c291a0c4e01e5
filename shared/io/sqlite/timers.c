#include "shared/io/sqlite/store.h"
#include "shared/io/timers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TIMER_ID_MAX = 128, OWNER_MAX = 63 };

/*
 * show_at is due_at or, after the timer was shown, the end of its lease. The index returns due timers in the order in which they
 * are shown.
 */
static const char *const timers_steps[] = {
	"CREATE TABLE timers (owner TEXT NOT NULL, id BLOB NOT NULL, due_at INTEGER NOT NULL, show_at INTEGER NOT NULL,"
	" PRIMARY KEY (owner, id)) WITHOUT ROWID;"
	"CREATE INDEX timers_shown ON timers (owner, show_at, due_at, id);",
};

typedef struct {
	Timers timers;
	pthread_mutex_t mutex;
	Store *store;
} SqliteTimers;

/* A leased timer; copied, so that the visit may arm and disarm timers. */
typedef struct {
	Instant due_at;
	size_t id_size;
	char id[TIMER_ID_MAX];
} Due;

typedef struct {
	Due *list;
	size_t count, capacity;
} DueList;

static Result sqlite_arm(Timers *base, const char *owner, uint64_t term, Slice id, Instant due_at)
{
	(void)term; /* all owners are in this process: no term is outdated */
	SqliteTimers *timers = (SqliteTimers *)base;
	if (id.size == 0 || id.size > TIMER_ID_MAX || strlen(owner) > OWNER_MAX)
		return result_fail(ERROR_INPUT, "a timer's id has 1 to %d bytes, its owner at most %d", TIMER_ID_MAX,
				   OWNER_MAX);
	pthread_mutex_lock(&timers->mutex);
	Result result = store_run(timers->store,
				  "INSERT INTO timers VALUES (?1, ?2, ?3, ?3)"
				  " ON CONFLICT DO UPDATE SET due_at = excluded.due_at, show_at = excluded.show_at",
				  V_TEXT(slice_of(owner)), V_BLOB(id), V_INTEGER(due_at));
	pthread_mutex_unlock(&timers->mutex);
	return result;
}

static Result sqlite_disarm(Timers *base, const char *owner, uint64_t term, Slice id)
{
	(void)term; /* all owners are in this process: no term is outdated */
	SqliteTimers *timers = (SqliteTimers *)base;
	pthread_mutex_lock(&timers->mutex);
	Result result = store_run(timers->store, "DELETE FROM timers WHERE owner = ?1 AND id = ?2",
				  V_TEXT(slice_of(owner)), V_BLOB(id));
	pthread_mutex_unlock(&timers->mutex);
	return result;
}

static void due_add(DueList *due, Slice id, Instant due_at)
{
	if (due->count == due->capacity) {
		due->capacity = due->capacity == 0 ? 64 : due->capacity * 2;
		due->list = realloc(due->list, due->capacity * sizeof *due->list);
		must(due->list != NULL);
	}
	Due *added = &due->list[due->count];
	if (id.size > sizeof added->id)
		return; /* a damaged row: no owner armed such a timer */
	due->count++;
	added->due_at = due_at;
	added->id_size = id.size;
	memcpy(added->id, id.data, id.size);
}

static Result due_select(Store *store, const char *owner, Instant now, size_t max, DueList *due)
{
	Statement *query = store_query(store,
				       "SELECT id, due_at FROM timers WHERE owner = ?1 AND show_at <= ?2"
				       " ORDER BY show_at, due_at, id LIMIT ?3",
				       V_TEXT(slice_of(owner)), V_INTEGER(now),
				       V_INTEGER(max < INT32_MAX ? (int64_t)max : INT32_MAX));
	while (statement_next(query))
		due_add(due, statement_slice(query, 0), statement_integer(query, 1));
	return statement_end(query);
}

static Result due_lease(Store *store, const char *owner, Instant until, const DueList *due)
{
	if (due->count == 0)
		return result_ok();
	TRY(store_begin(store));
	for (size_t i = 0; i < due->count; i++) {
		Result result = store_run(store, "UPDATE timers SET show_at = ?3 WHERE owner = ?1 AND id = ?2",
					  V_TEXT(slice_of(owner)),
					  V_BLOB(((Slice){ due->list[i].id, due->list[i].id_size })), V_INTEGER(until));
		if (result_failed(result)) {
			store_rollback(store);
			return result;
		}
	}
	return store_commit(store);
}

static Result sqlite_due(Timers *base, const char *owner, uint64_t term, Instant now, int64_t lease_ms, size_t max,
			 TimersVisit visit, void *context)
{
	(void)term; /* all owners are in this process: no term is outdated */
	SqliteTimers *timers = (SqliteTimers *)base;
	DueList due = { 0 };
	pthread_mutex_lock(&timers->mutex);
	Result result = due_select(timers->store, owner, now, max, &due);
	if (!result_failed(result))
		result = due_lease(timers->store, owner, now + (lease_ms > 0 ? lease_ms : 1), &due);
	pthread_mutex_unlock(&timers->mutex);
	for (size_t i = 0; i < due.count && !result_failed(result); i++)
		visit(context, (Slice){ due.list[i].id, due.list[i].id_size }, due.list[i].due_at);
	free(due.list);
	return result;
}

static Instant sqlite_next(Timers *base, const char *owner)
{
	SqliteTimers *timers = (SqliteTimers *)base;
	Instant next = INSTANT_NONE;
	pthread_mutex_lock(&timers->mutex);
	Statement *query = store_query(timers->store,
				       "SELECT show_at FROM timers WHERE owner = ?1 ORDER BY show_at LIMIT 1",
				       V_TEXT(slice_of(owner)));
	if (statement_next(query))
		next = statement_integer(query, 0);
	result_ignore(statement_end(query)); /* after a failure the result is INSTANT_NONE; the owner calls `next` again later */
	pthread_mutex_unlock(&timers->mutex);
	return next;
}

static void sqlite_close(Timers *base)
{
	SqliteTimers *timers = (SqliteTimers *)base;
	store_close(timers->store);
	pthread_mutex_destroy(&timers->mutex);
	free(timers);
}

static const TimersOperations sqlite_operations = {
	.arm = sqlite_arm,
	.disarm = sqlite_disarm,
	.due = sqlite_due,
	.next = sqlite_next,
	.close = sqlite_close,
};

Result timers_sqlite_open(const char *path, Timers **out)
{
	StoreOptions options = { .path = path, .steps = timers_steps,
				 .version = sizeof timers_steps / sizeof timers_steps[0] };
	Store *store = NULL;
	TRY(store_open(&options, &store, NULL));
	SqliteTimers *timers = calloc(1, sizeof *timers);
	must(timers != NULL);
	timers->timers.operations = &sqlite_operations;
	timers->store = store;
	pthread_mutex_init(&timers->mutex, NULL);
	*out = &timers->timers;
	return result_ok();
}
