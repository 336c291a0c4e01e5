/*
 * The six services in seeded worlds (world.h), each judged when no step makes progress any more (judge.h).
 *
 *     flow_test         plays SEEDS worlds (default 3,000; with AddressSanitizer 300) from seed FIRST (default 1) on all cores;
 *                       the process of a core stops after BROKEN worlds (default 5) with a broken invariant
 *     flow_test SEED    plays one world, to reproduce a failure; PRINT=journal (or another topic) prints its log
 */
#include "shared/io/system/log.h"
#include "tests/simulation/judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
enum { SEEDS_DEFAULT = 300 };
#else
enum { SEEDS_DEFAULT = 3000 };
#endif

static uint64_t number(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);
	return text ? strtoull(text, NULL, 10) : fallback;
}

static void figures_print(const WorldFigures *figures, unsigned failed)
{
	const struct {
		const char *name;
		uint64_t count;
	} list[] = {
		{ "steps", figures->steps },       { "events", figures->events },
		{ "commands", figures->commands }, { "crashes", figures->crashes },
		{ "disks lost", figures->disks_lost }, { "moves", figures->moves },
		{ "zombies", figures->zombies },   { "wire faults", figures->faults },
		{ "faults of timers", figures->timers_lost }, { "claims", figures->claims },
		{ "superseded", figures->superseded },   { "doubts", figures->doubts },
		{ "records dropped", figures->dropped }, { "trims", figures->trims },
		{ "outages", figures->outages },   { "levels timed", figures->levels_timed },
		{ "hostile records", figures->forged },
	};
	printf("simulation:");
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		printf(" %" PRIu64 " %s,", list[i].count, list[i].name);
	printf(" %u worlds broken\n", failed);
	fflush(stdout);
}

static void log_print(const World *world)
{
	TopicId topic = topic_of(slice_of(getenv("PRINT")));
	for (unsigned partition = 0; topic != TOPICS && partition < world->partitions; partition++)
		world_print(world, topic, partition);
}

/* Plays every `step`-th of the `count` seeds from `first` on. Returns 0 if no invariant was broken, else 1. */
static int play(uint64_t first, uint64_t count, uint64_t step)
{
	static World world;
	unsigned failed = 0, most = (unsigned)number("BROKEN", 5);
	world_init(&world);
	for (uint64_t seed = first; seed < first + count && failed < most; seed += step) {
		world_play(&world, seed);
		failed += judge_world(&world) > 0;
		log_print(&world);
		world_end(&world);
	}
	figures_print(&world.figures, failed);
	world_release(&world);
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
