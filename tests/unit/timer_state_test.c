/* Timers whose rows of the state cannot be read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/runtime/runtime.h"
#include "shared/runtime/state.h"
#include "shared/runtime/timer_set.h"
#include "tests/support/memory_timers.h"
#include "tests/support/succeeds.h"

#include <dlfcn.h>
#include <sqlite3.h>
#include <string.h>

enum { START = 1000000 };

static bool unreadable;

/* Replaces SQLite's function: while `unreadable`, the row of one timer cannot be read. */
int sqlite3_step(sqlite3_stmt *statement)
{
	if (unreadable && strstr(sqlite3_sql(statement), "FROM runtime_timer WHERE id ="))
		return SQLITE_IOERR_READ;
	int (*original)(sqlite3_stmt *) = NULL;
	*(void **)&original = dlsym(RTLD_NEXT, "sqlite3_step");
	return original(statement);
}

static int fired;

static Result fire(Handler *handler, Slice timer_id, Instant due_at)
{
	(void)handler, (void)timer_id, (void)due_at;
	fired++;
	return result_ok();
}

/* A due timer whose row was not read must stay in the timer store, because only the row states when the timer is due. */
static void a_timer_whose_row_cannot_be_read_is_not_disarmed(void **state)
{
	(void)state;
	static const Service service = { .name = "alarm", .fire = fire };
	StoreOptions file = runtime_store_options(&service, ":memory:");
	Handler handler = { .service = &service, .now = START };
	Timers *timers = memory_timers_new();
	TimerSet set;
	size_t count = 0;
	succeeds(store_open(&file, &handler.store, NULL));
	succeeds(state_prepare(handler.store));
	timer_set_init(&set, &handler, timers, "alarm/0");
	succeeds(timer_set_arm(&set, SLICE("wake"), START, true));
	timer_set_sync(&set);
	assert_int_equal(memory_timers_count(timers), 1);

	unreadable = true;
	assert_int_equal(timer_set_decide(&set, &count).kind, ERROR_AGAIN);
	unreadable = false;
	assert_int_equal(fired, 0);
	assert_int_equal(memory_timers_count(timers), 1);

	handler.now += 60000; /* beyond the lease */
	succeeds(timer_set_decide(&set, &count));
	assert_int_equal(fired, 1);
	timer_set_release(&set);
	timers->operations->close(timers);
	store_close(handler.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_whose_row_cannot_be_read_is_not_disarmed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
