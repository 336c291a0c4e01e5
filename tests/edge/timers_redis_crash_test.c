/*
 * Owners that crash at any point, and owners that are held up, deposed and then go on, while Redis loses everything
 * once: each timer fires at least once, few fire twice, and nothing is left behind.
 *
 * The ledger is a piece of shared memory: who owns a partition in which term, and which timers are done. Like the
 * runtime, an owner asks it before a timer is fired, and arms from it what is not done.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/system/clock.h"
#include "shared/io/redis/timers.h"
#include "tests/support/redis_server.h"
#include "tests/support/scratch.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	OWNERS = 4,
	EACH = 600,
	SPREAD_MS = 4000,
	LEASE_MS = 500,
	BATCH = 20,
	DEADLINE_MS = 60000,
	ZOMBIES_MAX = 6,
	CRASH_ONE_IN = 60,
};

typedef struct {
	atomic_uint term;
	atomic_bool done[EACH];
	atomic_uint fired[EACH];
} Ledger;

typedef struct {
	Ledger ledgers[OWNERS];
	Instant began;
} World;

static World *world;
static RedisServer server;
static uint64_t seed = 20261123;

/* ---- an owner: a process ----------------------------------------------------------------------------------------- */

typedef struct {
	Timers *timers;
	Ledger *ledger;
	char name[16];
	unsigned term;
} Owner;

static unsigned dice(unsigned sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % sides;
}

static void crash_sometimes(void)
{
	if (dice(CRASH_ONE_IN) == 0)
		_exit(1);
}

static bool owner_is(const Owner *owner)
{
	return atomic_load(&owner->ledger->term) == owner->term;
}

static void fire(void *context, Slice id, Instant due_at)
{
	Owner *owner = context;
	int64_t number;
	(void)due_at;
	must(slice_integer(id, &number) && number >= 0 && number < EACH);
	if (!owner_is(owner))
		return;
	crash_sometimes();
	if (!atomic_load(&owner->ledger->done[number])) {
		atomic_fetch_add(&owner->ledger->fired[number], 1);
		crash_sometimes();
		atomic_store(&owner->ledger->done[number], true);
		crash_sometimes();
	}
	owner->timers->operations->disarm(owner->timers, owner->name, owner->term, id);
}

static bool owner_arm(Owner *owner)
{
	bool any = false;
	for (int i = 0; i < EACH; i++) {
		if (atomic_load(&owner->ledger->done[i]))
			continue;
		char id[16];
		int size = snprintf(id, sizeof id, "%d", i);
		Instant due_at = world->began + (int64_t)SPREAD_MS * i / EACH;
		owner->timers->operations->arm(owner->timers, owner->name, owner->term, (Slice){ id, (size_t)size }, due_at);
		any = true;
	}
	owner->timers->operations->armed(owner->timers, owner->name, owner->term);
	return any;
}

/* Until it is deposed, or nothing is left to do, in Redis neither. */
static void owner_live(Owner *owner)
{
	const TimersOperations *operations = owner->timers->operations;
	for (owner_arm(owner); owner_is(owner); clock_sleep_ms(2)) {
		Result result = operations->due(owner->timers, owner->name, owner->term, 0, LEASE_MS, BATCH, fire, owner);
		bool empty = !result_failed(result) && operations->next(owner->timers, owner->name) == INSTANT_NONE;
		if ((empty || result.kind == ERROR_NOT_FOUND) && !owner_arm(owner) && empty)
			return;
	}
}

static _Noreturn void owner_run(int number, unsigned term)
{
	Owner owner = { .ledger = &world->ledgers[number], .term = term };
	TimersRedisOptions options = { .url = server.url, .name = "tocsin-test" };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	seed += term * 1000 + (unsigned)number;
	snprintf(owner.name, sizeof owner.name, "n/%d", number);
	if (!result_failed(timers_redis_open(&options, 5000, NULL, NULL, &owner.timers))) {
		owner_live(&owner);
		owner.timers->operations->close(owner.timers);
	}
	_exit(0);
}

static pid_t owner_start(int number)
{
	unsigned term = atomic_fetch_add(&world->ledgers[number].term, 1) + 1;
	pid_t pid = fork();
	must(pid >= 0);
	if (pid == 0)
		owner_run(number, term);
	return pid;
}

/* ---- what happens to them ---------------------------------------------------------------------------------------- */

typedef struct {
	pid_t owners[OWNERS], zombies[ZOMBIES_MAX];
	size_t zombie_count;
	int crashes;
	bool emptied;
} Fate;

static bool all_done(const Ledger *ledger)
{
	for (int i = 0; i < EACH; i++)
		if (!atomic_load(&ledger->done[i]))
			return false;
	return true;
}

/* Held up in the middle of something, and going on when there is a successor. */
static void owner_hold_up(Fate *fate, int number)
{
	pid_t held = fate->owners[number];
	kill(held, SIGSTOP);
	fate->owners[number] = owner_start(number);
	fate->zombies[fate->zombie_count++] = held;
	clock_sleep_ms(100);
	kill(held, SIGCONT);
}

/* False when each has ended in peace. */
static bool fate_step(Fate *fate)
{
	bool alive = false;
	for (int i = 0; i < OWNERS; i++) {
		int status = 0;
		if (fate->owners[i] == 0)
			continue;
		alive = true;
		if (waitpid(fate->owners[i], &status, WNOHANG) == 0)
			continue;
		bool crashed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
		fate->crashes += crashed;
		fate->owners[i] = crashed || !all_done(&world->ledgers[i]) ? owner_start(i) : 0;
	}
	Instant passed_ms = clock_now() - world->began;
	if (passed_ms > SPREAD_MS / 2 && !fate->emptied) {
		must(!result_failed(redis_command(server.url, "FLUSHALL")));
		fate->emptied = true;
	}
	int victim = (int)fate->zombie_count % OWNERS;
	if (fate->zombie_count < ZOMBIES_MAX && fate->owners[victim] != 0 &&
	    passed_ms > SPREAD_MS * (int64_t)(fate->zombie_count + 1) / (ZOMBIES_MAX + 1))
		owner_hold_up(fate, victim);
	return alive;
}

static void assert_each_fired(const Fate *fate)
{
	unsigned twice = 0;
	for (int i = 0; i < OWNERS; i++)
		for (int k = 0; k < EACH; k++) {
			unsigned fired = atomic_load(&world->ledgers[i].fired[k]);
			if (fired == 0)
				fail_msg("timer %d of owner %d never fired", k, i);
			twice += fired - 1;
		}
	print_message("%d timers, %d crashes, %zu held up: %u fired twice\n", OWNERS * EACH, fate->crashes,
		      fate->zombie_count, twice);
	/* One for each crash between firing and noting it, and one for each that was held up there. */
	assert_in_range(twice, 0, (unsigned)fate->crashes + ZOMBIES_MAX);
	assert_true(fate->crashes > 0 && fate->emptied && fate->zombie_count == ZOMBIES_MAX);
}

static void each_timer_fires_and_nothing_is_left(void **state)
{
	(void)state;
	Fate fate = { 0 };
	char words[64];
	if (server.pid == 0)
		skip(); /* no Redis here */
	world->began = clock_now();
	for (int i = 0; i < OWNERS; i++)
		fate.owners[i] = owner_start(i);
	while (fate_step(&fate) && clock_now() < world->began + DEADLINE_MS)
		clock_sleep_ms(2);
	for (size_t i = 0; i < fate.zombie_count; i++)
		waitpid(fate.zombies[i], NULL, 0);
	assert_each_fired(&fate);
	for (int i = 0; i < OWNERS; i++) {
		snprintf(words, sizeof words, "EXISTS {tocsin}:n/%d:show {tocsin}:n/%d:data", i, i);
		assert_int_equal(redis_number(server.url, words), 0);
	}
}

static Scratch scratch;

static int setup(void **state)
{
	(void)state;
	world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	scratch_make(&scratch);
	redis_server_init(&server, scratch.directory);
	if (redis_server_installed())
		redis_server_start(&server, NULL);
	return world == MAP_FAILED;
}

static int teardown(void **state)
{
	(void)state;
	redis_server_end(&server, SIGKILL);
	scratch_remove(&scratch);
	munmap(world, sizeof *world);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_timer_fires_and_nothing_is_left),
	};
	return cmocka_run_group_tests_name("timers_redis_crash", tests, setup, teardown);
}
