/* The two sets of edges: files of TOCSIN_HOME, or Kafka and Redis. */
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

static Result files_open(ProgramState *life)
{
	char path[PATH_SIZE];
	TRY(bus_open_home(life->settings, &life->bus));
	if (!timers_wanted(life->program))
		return result_ok();
	datadir_path(life->settings, "timers.db", path);
	return timers_sqlite_open(path, &life->timers);
}

/* ---- distributed: waiting, with a line now and then */

typedef struct {
	ProgramState *life;
	const char *what; /* "Kafka at 127.0.0.1:9092" */
	int64_t say_us;
} Waiting;

static Waiting waiting_for(ProgramState *life, const char *what)
{
	return (Waiting){ life, what, clock_monotonic_us() + WAITING_LINE_MS * 1000 };
}

/* Called now and then while an edge is not there yet. */
static bool waiting_stop(void *context)
{
	Waiting *waiting = context;
	if (clock_monotonic_us() > waiting->say_us) {
		report_error("waiting for %s", waiting->what);
		waiting->say_us += WAITING_LINE_MS * 1000;
	}
	return program_ended(waiting->life, 0);
}

/* ---- distributed: Kafka */

static void instance_default(Settings *settings)
{
	char name[NAME_SIZE] = "";
	gethostname(name, sizeof name - 1);
	setting_default(settings, "TOCSIN_INSTANCE", name[0] != '\0' ? name : "tocsin");
}

static Result bus_open_kafka(ProgramState *life, int64_t until_us)
{
	const Program *program = life->program;
	const Settings *settings = life->settings;
	char what[NAME_SIZE];
	BusSeat seat = { .client = program->name,
			 .instance = setting_text(settings, "TOCSIN_INSTANCE"),
			 .group = program->shared == TOPICS ? NULL : program->services[0].service,
			 .shared = program->shared,
			 .append_timeout_ms = program->append_timeout_ms };
	snprintf(what, sizeof what, "Kafka at %s", setting_text(settings, "TOCSIN_KAFKA_BROKERS"));
	Waiting waiting = waiting_for(life, what);
	return bus_open_cluster(settings, &seat, clock_left_ms(until_us), waiting_stop, &waiting, &life->bus);
}

/* ---- distributed: Redis */

static Result timers_open_redis(ProgramState *life, int64_t until_us)
{
	TimersRedisOptions options = { .url = setting_text(life->settings, "TOCSIN_REDIS_URL"),
				       .name = life->program->name,
				       .cluster = life->bus->cluster };
	Waiting waiting = waiting_for(life, "Redis (TOCSIN_REDIS_URL)"); /* which may hold a password */
	return timers_redis_open(&options, clock_left_ms(until_us), waiting_stop, &waiting, &life->timers);
}

static Result brokers_open(ProgramState *life, int64_t until_us)
{
	instance_default(life->settings);
	TRY(bus_open_kafka(life, until_us));
	TRY(topic_layout_check(life->settings, life->program->name));
	return timers_wanted(life->program) ? timers_open_redis(life, until_us) : result_ok();
}

/* ---- either */

Result edges_open(ProgramState *life, int64_t until_us)
{
	return life->program->distributed ? brokers_open(life, until_us) : files_open(life);
}

void edges_set_deadline(ProgramState *life, int64_t wait_ms)
{
	if (life->bus != NULL)
		bus_set_deadline(life->bus, wait_ms);
}

void edges_close(ProgramState *life)
{
	if (life->bus != NULL)
		life->bus->operations->close(life->bus);
	if (life->timers != NULL)
		life->timers->operations->close(life->timers);
}
