/*
 * The six services in seeded worlds (world.h), each judged when it has come to rest (judge.h).
 *
 *     flow_test             as many seeds as SEEDS says (default 10,000; a sanitizer's build 600), from FIRST (default 1), on every core
 *     flow_test SEED        one world again: what a failing seed is reproduced with
 */
#include "shared/edge/log.h"
#include "tests/simulation/judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
enum { SEEDS_DEFAULT = 600 };
#else
enum { SEEDS_DEFAULT = 10000 };
#endif

static uint64_t number(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);
	return text ? strtoull(text, NULL, 10) : fallback;
}

/* Every `step`-th seed from first; exit code: 0 all promises kept. */
static int play(uint64_t first, uint64_t count, uint64_t step)
{
	static World world;
	unsigned failed = 0;
	uint64_t events = 0, crashes = 0, faults = 0;
	world_init(&world);
	for (uint64_t seed = first; seed < first + count && failed < 5; seed += step) {
		world_play(&world, seed);
		failed += judge_world(&world) > 0;
		events += world.event_count;
		world_end(&world);
	}
	crashes = world.crashes;
	faults = world.faults;
	world_release(&world);
	printf("simulation: %" PRIu64 " events, %" PRIu64 " crashes, %" PRIu64 " wire faults, %u worlds broken\n", events, crashes,
	       faults, failed);
	fflush(stdout);
	return failed ? 1 : 0;
}

static unsigned play_on_all_cores(uint64_t first, uint64_t count)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned failed = 0;
	for (long i = 0; i < cores; i++)
		if (fork() == 0)
			_exit(play(first + (uint64_t)i, count - (uint64_t)i, (uint64_t)cores));
	for (long i = 0; i < cores; i++) {
		int status;
		wait(&status);
		failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	}
	return failed;
}

int main(int argc, char **argv)
{
	log_set_level(LOG_ERROR);
	if (argc > 1)
		return play(strtoull(argv[1], NULL, 10), 1, 1);
	time_t began = time(NULL);
	uint64_t count = number("SEEDS", SEEDS_DEFAULT);
	unsigned failed = play_on_all_cores(number("FIRST", 1), count);
	printf("simulation: %" PRIu64 " seeds in %ld s; again: %s SEED\n", count, (long)(time(NULL) - began), argv[0]);
	printf("%" PRIu64 " passed, %u failed\n", failed ? 0 : count, failed);
	return failed ? 1 : 0;
}
