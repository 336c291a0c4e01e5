#include "shared/io/sqlite/bus_internal.h"

#include <stdlib.h>
#include <string.h>

/* group_find and group_add are called with positions_mutex held, or while the bus opens. */
static BusGroup *group_find(BusSqlite *bus, const char *name)
{
	for (size_t i = 0; i < bus->group_count; i++)
		if (strcmp(bus->groups[i].name, name) == 0)
			return &bus->groups[i];
	return NULL;
}

static int64_t *positions_new(unsigned count)
{
	int64_t *positions = malloc(count * sizeof *positions);
	must(positions != NULL);
	for (unsigned i = 0; i < count; i++)
		positions[i] = -1;
	return positions;
}

static Result group_add(BusSqlite *bus, const char *name, BusGroup **out)
{
	BusGroup *group = &bus->groups[bus->group_count];
	if (bus->group_count == BUS_GROUPS_MAX)
		return result_fail(ERROR_AGAIN, "the bus keeps positions of at most %d groups", BUS_GROUPS_MAX);
	if (!text_copy(slice_of(name), group->name, sizeof group->name))
		return result_fail(ERROR_INPUT, "a group's name may have at most %d bytes", BUS_GROUP_NAME - 1);
	group->now = positions_new(bus->table_count);
	group->writing = positions_new(bus->table_count);
	group->written = positions_new(bus->table_count);
	bus->group_count++;
	*out = group;
	return result_ok();
}

Result bus_sqlite_commit(Bus *base, const char *name, unsigned topic, unsigned partition, int64_t position)
{
	BusSqlite *bus = bus_sqlite(base);
	size_t table = (size_t)(bus_table(base, topic, partition) - bus->tables);
	Result result = result_ok();
	pthread_mutex_lock(&bus->positions_mutex);
	BusGroup *group = group_find(bus, name);
	if (group == NULL)
		result = group_add(bus, name, &group);
	if (!result_failed(result) && group->now[table] != position) {
		group->now[table] = position;
		atomic_store(&bus->positions_dirty, true);
	}
	pthread_mutex_unlock(&bus->positions_mutex);
	return result;
}

int64_t bus_sqlite_committed(Bus *base, const char *name, unsigned topic, unsigned partition)
{
	BusSqlite *bus = bus_sqlite(base);
	size_t table = (size_t)(bus_table(base, topic, partition) - bus->tables);
	pthread_mutex_lock(&bus->positions_mutex);
	const BusGroup *group = group_find(bus, name);
	int64_t position = group == NULL ? -1 : group->now[table];
	pthread_mutex_unlock(&bus->positions_mutex);
	return position;
}

int64_t bus_positions_lowest(BusSqlite *bus, const BusTable *of)
{
	size_t table = (size_t)(of - bus->tables);
	int64_t lowest = INT64_MAX;
	pthread_mutex_lock(&bus->positions_mutex);
	for (size_t i = 0; i < bus->group_count; i++) {
		int64_t position = bus->groups[i].now[table];
		if (position >= 0 && position < lowest)
			lowest = position;
	}
	pthread_mutex_unlock(&bus->positions_mutex);
	return lowest;
}

/* ---- on the committer -------------------------------------------------------------------------------------------- */

static int position_write(BusSqlite *bus, const BusGroup *group, unsigned table)
{
	const BusTopic *topic = bus_table_topic(bus, &bus->tables[table]);
	sqlite3_bind_text(bus->position, 1, group->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(bus->position, 2, topic->short_name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(bus->position, 3, table % bus->bus.partitions);
	sqlite3_bind_int64(bus->position, 4, group->writing[table]);
	return bus_step(bus->position);
}

/* Copies the positions with the mutex held. They are written without the mutex, so that bus_sqlite_commit never waits for SQL. */
static size_t positions_copy(BusSqlite *bus)
{
	pthread_mutex_lock(&bus->positions_mutex);
	size_t groups = bus->group_count;
	atomic_store(&bus->positions_dirty, false);
	for (size_t i = 0; i < groups; i++)
		memcpy(bus->groups[i].writing, bus->groups[i].now, bus->table_count * sizeof(int64_t));
	pthread_mutex_unlock(&bus->positions_mutex);
	return groups;
}

int bus_positions_write(BusSqlite *bus)
{
	size_t groups = positions_copy(bus);
	int code = SQLITE_OK;
	for (size_t i = 0; i < groups; i++) {
		const BusGroup *group = &bus->groups[i];
		for (unsigned table = 0; table < bus->table_count && code == SQLITE_OK; table++)
			if (group->writing[table] != group->written[table])
				code = position_write(bus, group, table);
	}
	return code;
}

void bus_positions_settle(BusSqlite *bus, bool committed)
{
	if (!committed) {
		atomic_store(&bus->positions_dirty, true);
		return;
	}
	pthread_mutex_lock(&bus->positions_mutex);
	size_t groups = bus->group_count;
	pthread_mutex_unlock(&bus->positions_mutex);
	for (size_t i = 0; i < groups; i++)
		memcpy(bus->groups[i].written, bus->groups[i].writing, bus->table_count * sizeof(int64_t));
}

/* ---- while opening ----------------------------------------------------------------------------------------------- */

static unsigned table_named(const BusSqlite *bus, const char *topic, int64_t partition)
{
	for (unsigned i = 0; i < bus->topic_count; i++)
		if (strcmp(bus->topics[i].short_name, topic) == 0 && partition >= 0 && partition < bus->bus.partitions)
			return i * bus->bus.partitions + (unsigned)partition;
	return bus->table_count;
}

/* Ignores positions of topics that no longer exist; they stay in the file. */
static Result position_take(BusSqlite *bus, sqlite3_stmt *row)
{
	const char *name = (const char *)sqlite3_column_text(row, 0);
	unsigned table = table_named(bus, (const char *)sqlite3_column_text(row, 1), sqlite3_column_int64(row, 2));
	BusGroup *group = group_find(bus, name);
	if (table == bus->table_count)
		return result_ok();
	if (group == NULL)
		TRY(group_add(bus, name, &group));
	group->now[table] = group->writing[table] = group->written[table] = sqlite3_column_int64(row, 3);
	return result_ok();
}

Result bus_positions_load(BusSqlite *bus)
{
	sqlite3_stmt *rows = NULL;
	TRY(bus_prepare(bus, "SELECT reader, topic, partition, position FROM %s", "positions", &rows));
	Result result = result_ok();
	int code = SQLITE_DONE;
	while (!result_failed(result) && (code = sqlite3_step(rows)) == SQLITE_ROW)
		result = position_take(bus, rows);
	if (!result_failed(result))
		result = sqlite_file_result(bus->db, code);
	sqlite3_finalize(rows);
	return result;
}

void bus_positions_release(BusSqlite *bus)
{
	for (size_t i = 0; i < bus->group_count; i++) {
		free(bus->groups[i].now);
		free(bus->groups[i].writing);
		free(bus->groups[i].written);
	}
	bus->group_count = 0;
}
