/* The two sets of systems: files in TOCSIN_HOME, or Kafka and Redis. */
#include "shared/program/program_internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"
#include "shared/io/redis/timers.h"
#include "shared/program/buses.h"
#include "shared/program/topic_layout.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAITING_LINE_MS = 5000, NAME_SIZE = 256 };

static bool timers_wanted(const Program *program)
{
	for (size_t i = 0; i < program->service_count; i++)
		if (program->services[i].timers)
			return true;
	return false;
}

/* ---- embedded */

static Result files_open(ProgramState *state)
{
	char path[PATH_SIZE];
	TRY(bus_open_datadir(state->settings, &state->bus));
	if (!timers_wanted(state->program))
		return result_ok();
	datadir_path(state->settings, "timers.db", path);
	return timers_sqlite_open(path, &state->timers);
}

/* ---- distributed: waiting, with a line on stderr every five seconds */

typedef struct {
	ProgramState *state;
	const char *what; /* "Kafka at 127.0.0.1:9092" */
	int64_t report_us; /* monotonic time of the next line on stderr */
} Waiting;

static Waiting waiting_for(ProgramState *state, const char *what)
{
	return (Waiting){ state, what, clock_monotonic_us() + WAITING_LINE_MS * 1000 };
}

/* Called repeatedly while Kafka or Redis cannot be reached; true: stop trying. */
static bool waiting_stop(void *context)
{
	Waiting *waiting = context;
	if (clock_monotonic_us() > waiting->report_us) {
		report_error("waiting for %s", waiting->what);
		waiting->report_us += WAITING_LINE_MS * 1000;
	}
	return program_ended(waiting->state, 0);
}

/* ---- distributed: Kafka */

static void instance_default(Settings *settings)
{
	char name[NAME_SIZE] = "";
	gethostname(name, sizeof name - 1);
	setting_default(settings, "TOCSIN_INSTANCE", name[0] != '\0' ? name : "tocsin");
}

static Result bus_open_kafka(ProgramState *state, int64_t until_us)
{
	const Program *program = state->program;
	const Settings *settings = state->settings;
	char what[NAME_SIZE];
	BusClient client = { .name = program->name,
			 .instance = setting_text(settings, "TOCSIN_INSTANCE"),
			 .group = program->shared == TOPICS ? NULL : program->services[0].service,
			 .shared = program->shared,
			 .append_timeout_ms = program->append_timeout_ms };
	snprintf(what, sizeof what, "Kafka at %s", setting_text(settings, "TOCSIN_KAFKA_BROKERS"));
	Waiting waiting = waiting_for(state, what);
	return bus_open_cluster(settings, &client, clock_left_ms(until_us), waiting_stop, &waiting, &state->bus);
}

/* ---- distributed: Redis */

static Result timers_open_redis(ProgramState *state, int64_t until_us)
{
	TimersRedisOptions options = { .url = setting_text(state->settings, "TOCSIN_REDIS_URL"),
				       .name = state->program->name,
				       .cluster = state->bus->cluster };
	Waiting waiting = waiting_for(state, "Redis (TOCSIN_REDIS_URL)"); /* not the value: it may contain a password */
	return timers_redis_open(&options, clock_left_ms(until_us), waiting_stop, &waiting, &state->timers);
}

static Result brokers_open(ProgramState *state, int64_t until_us)
{
	instance_default(state->settings);
	TRY(bus_open_kafka(state, until_us));
	TRY(topic_layout_check(state->settings, state->program->name));
	return timers_wanted(state->program) ? timers_open_redis(state, until_us) : result_ok();
}

/* ---- embedded or distributed */

Result systems_open(ProgramState *state, int64_t until_us)
{
	return state->program->distributed ? brokers_open(state, until_us) : files_open(state);
}

void systems_set_deadline(ProgramState *state, int64_t wait_ms)
{
	if (state->bus != NULL)
		bus_set_deadline(state->bus, wait_ms);
}

void systems_close(ProgramState *state)
{
	if (state->bus != NULL)
		state->bus->operations->close(state->bus);
	if (state->timers != NULL)
		state->timers->operations->close(state->timers);
}
