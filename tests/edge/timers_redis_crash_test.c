/*
 * Owners crash at random points. Some are paused, superseded and continued. Redis loses all data once. Still each timer fires at
 * least once, few fire twice, and no key is left in Redis.
 *
 * Shared memory takes the role of the ledger: it holds the term of each partition's owner, and which timers are done. Like the
 * runtime, an owner reads the ledger before it fires a timer, and arms the timers that are not done in the ledger.
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
	PAUSED_MAX = 6,
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

/* ---- an owner, which is a process of its own ---------------------------------------------------------------------- */

typedef struct {
	Timers *timers;
	Ledger *ledger;
	char name[16];
	unsigned term;
} Owner;

static unsigned random_below(unsigned limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % limit;
}

static void crash_sometimes(void)
{
	if (random_below(CRASH_ONE_IN) == 0)
		_exit(1);
}

static bool owner_is_current(const Owner *owner)
{
	return atomic_load(&owner->ledger->term) == owner->term;
}

static void fire(void *context, Slice id, Instant due_at)
{
	Owner *owner = context;
	int64_t number;
	(void)due_at;
	must(slice_integer(id, &number) && number >= 0 && number < EACH);
	if (!owner_is_current(owner))
		return;
	crash_sometimes();
	if (!atomic_load(&owner->ledger->done[number])) {
		atomic_fetch_add(&owner->ledger->fired[number], 1);
		crash_sometimes();
		atomic_store(&owner->ledger->done[number], true);
		crash_sometimes();
	}
	/* If Redis is away, the timer is shown again later. By then it is done in the ledger and does not fire. */
	result_ignore(owner->timers->operations->disarm(owner->timers, owner->name, owner->term, id));
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
		/* If Redis is away, the owner later arms again the timers that are not done. */
		result_ignore(owner->timers->operations->arm(owner->timers, owner->name, owner->term, (Slice){ id, (size_t)size },
							    due_at));
		any = true;
	}
	owner->timers->operations->armed(owner->timers, owner->name, owner->term);
	return any;
}

/* Fires timers until the owner is superseded, or until no timer is left in the ledger and in Redis. */
static void owner_work(Owner *owner)
{
	const TimersOperations *operations = owner->timers->operations;
	for (owner_arm(owner); owner_is_current(owner); clock_sleep_ms(2)) {
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
		owner_work(&owner);
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

/* ---- faults ------------------------------------------------------------------------------------------------------ */

typedef struct {
	pid_t owners[OWNERS], paused[PAUSED_MAX];
	size_t paused_count;
	int crashes;
	bool emptied;
} Faults;

static bool all_done(const Ledger *ledger)
{
	for (int i = 0; i < EACH; i++)
		if (!atomic_load(&ledger->done[i]))
			return false;
	return true;
}

/* Pauses an owner at a random point, starts its successor, and then continues the paused owner. */
static void owner_pause(Faults *faults, int number)
{
	pid_t paused = faults->owners[number];
	kill(paused, SIGSTOP);
	faults->owners[number] = owner_start(number);
	faults->paused[faults->paused_count++] = paused;
	clock_sleep_ms(100);
	kill(paused, SIGCONT);
}

/* Restarts crashed owners and injects the next fault. False when all owners have ended without a crash. */
static bool faults_step(Faults *faults)
{
	bool alive = false;
	for (int i = 0; i < OWNERS; i++) {
		int status = 0;
		if (faults->owners[i] == 0)
			continue;
		alive = true;
		if (waitpid(faults->owners[i], &status, WNOHANG) == 0)
			continue;
		bool crashed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
		faults->crashes += crashed;
		faults->owners[i] = crashed || !all_done(&world->ledgers[i]) ? owner_start(i) : 0;
	}
	Instant passed_ms = clock_now() - world->began;
	if (passed_ms > SPREAD_MS / 2 && !faults->emptied) {
		must(!result_failed(redis_command(server.url, "FLUSHALL")));
		faults->emptied = true;
	}
	int victim = (int)faults->paused_count % OWNERS;
	if (faults->paused_count < PAUSED_MAX && faults->owners[victim] != 0 &&
	    passed_ms > SPREAD_MS * (int64_t)(faults->paused_count + 1) / (PAUSED_MAX + 1))
		owner_pause(faults, victim);
	return alive;
}

static void assert_each_fired(const Faults *faults)
{
	unsigned twice = 0;
	for (int i = 0; i < OWNERS; i++)
		for (int k = 0; k < EACH; k++) {
			unsigned fired = atomic_load(&world->ledgers[i].fired[k]);
			if (fired == 0)
				fail_msg("timer %d of owner %d never fired", k, i);
			twice += fired - 1;
		}
	print_message("%d timers, %d crashes, %zu paused: %u fired twice\n", OWNERS * EACH, faults->crashes,
		      faults->paused_count, twice);
	/*
	 * A timer fires twice if its owner crashed, or was paused, after it fired the timer and before it stored the timer as done.
	 */
	assert_in_range(twice, 0, (unsigned)faults->crashes + PAUSED_MAX);
	assert_true(faults->crashes > 0 && faults->emptied && faults->paused_count == PAUSED_MAX);
}

static void each_timer_fires_and_no_key_is_left(void **state)
{
	(void)state;
	Faults faults = { 0 };
	char words[64];
	if (server.pid == 0)
		skip(); /* no Redis is installed */
	world->began = clock_now();
	for (int i = 0; i < OWNERS; i++)
		faults.owners[i] = owner_start(i);
	while (faults_step(&faults) && clock_now() < world->began + DEADLINE_MS)
		clock_sleep_ms(2);
	for (size_t i = 0; i < faults.paused_count; i++)
		waitpid(faults.paused[i], NULL, 0);
	assert_each_fired(&faults);
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
		cmocka_unit_test(each_timer_fires_and_no_key_is_left),
	};
	return cmocka_run_group_tests_name("timers_redis_crash", tests, setup, teardown);
}
