#include "tests/support/memory_bus.h"

#include <stdlib.h>
#include <string.h>

enum {
	CHUNK_BYTES = 1 << 18,
	GROUP_NAME = 64,
	ITEM_ALIGN = 16,
	WORD_BITS = 64,
	BUSY_WORDS = MEMORY_BUS_STREAMS_MAX / WORD_BITS,
};

/* A block of memory from which items are allocated. Full chunks stay in the list until the reset. */
typedef struct Chunk Chunk;
struct Chunk {
	Chunk *next;
	size_t size, used;
	_Alignas(ITEM_ALIGN) char bytes[];
};

/* The bounds of a log as a handle knows them, and the offset from which the handle fetches records (-1: it fetches no records). */
typedef struct {
	int64_t first, end, fetched;
} Known;

/* An append. It is first on the wire (in the queue of a stream), and in a log once it has arrived. Allocated in a chunk. */
typedef struct Item Item;
struct Item {
	Item *next;
	BusDone done;
	void *context;
	/* Bounds in the appender's handle, raised by reports. NULL: the handle knows all records, or the append is dropped. */
	Known *known;
	unsigned table;
	bool arrived, reported;
	int64_t offset;
	size_t key, headers, body; /* sizes of the parts; `bytes` holds the parts in this order */
	char bytes[];
};

typedef struct {
	Item *head, *tail;
	size_t count;
} Stream;

typedef struct {
	Item **items; /* by offset */
	size_t count, room;
	int64_t first;
} Log;

typedef struct {
	char group[GROUP_NAME];
	unsigned table;
	int64_t position;
} Position;

typedef struct MemoryBus MemoryBus;

/* The handle inside MemoryBus has its own MemoryBus as `owner`, and knows all records. */
typedef struct {
	Bus bus;
	MemoryBus *owner;
	Known *known; /* by table; NULL: the handle knows all records */
} Handle;

struct MemoryBus {
	Handle handle;
	uint64_t chance; /* state of the random generator for delays of arrival; 0: records arrive at once */
	uint64_t learnt;
	unsigned table_count;
	Log *logs; /* by table: topic * partitions + partition */
	Stream streams[MEMORY_BUS_STREAMS_MAX];
	uint64_t busy[BUSY_WORDS]; /* bit n: stream n has an append on the wire */
	MemoryBusTrimGuard guard;
	void *guard_context;
	unsigned stream;
	size_t pending, wire_max;
	bool away;
	Chunk *chunks, *chunk; /* the list of all chunks, and the chunk in use */
	Position *positions;
	size_t position_count;
};

typedef struct {
	BusReader reader;
	bool woken;
} MemoryReader;

/*
 * The effect of a wire mode on an append in its first step. arrive: the append enters the log; copy: a second copy is queued;
 * report: `done` is called, as failed if `failed`; stay: the append stays in its queue for a second step.
 */
typedef struct {
	bool arrive, copy, report, failed, stay;
} WireRule;

static const WireRule wire_rules[WIRE_MODES] = {
	[WIRE_DELIVER] = { .arrive = true, .report = true },
	[WIRE_DELIVER_LATE_ACK] = { .arrive = true, .stay = true },
	[WIRE_LOSE] = { .report = true, .failed = true },
	[WIRE_FAIL_BUT_ARRIVE] = { .report = true, .failed = true, .stay = true },
	[WIRE_DOUBLE] = { .arrive = true, .copy = true, .report = true },
};

static MemoryBus *memory_bus(const Bus *bus)
{
	return ((const Handle *)bus)->owner;
}

static unsigned table_of(const Bus *bus, unsigned topic, unsigned partition)
{
	unsigned table = topic * bus->partitions + partition;
	must(partition < bus->partitions && table < memory_bus(bus)->table_count);
	return table;
}

/* NULL: the handle knows all records. */
static Known *known_of(Bus *bus, unsigned table)
{
	Known *known = ((Handle *)bus)->known;
	return known ? &known[table] : NULL;
}

static uint32_t random_below(MemoryBus *bus, uint32_t limit)
{
	bus->chance = bus->chance * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(bus->chance >> 33) % limit;
}

/*
 * A random number from 0 to `there`: how many of the `there` existing records have arrived at a reader. Usually all, sometimes
 * fewer, sometimes at most one.
 */
static size_t arrived(MemoryBus *bus, size_t there)
{
	if (there == 0 || bus->chance == 0)
		return there;
	switch (random_below(bus, 4)) {
	case 0:
		return random_below(bus, 2);
	case 1:
		return random_below(bus, (uint32_t)there + 1);
	default:
		return there;
	}
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static Chunk *chunk_new(size_t size)
{
	Chunk *chunk = malloc(sizeof *chunk + size);
	must(chunk != NULL);
	*chunk = (Chunk){ .size = size };
	return chunk;
}

static void *memory_take(MemoryBus *bus, size_t size)
{
	size = (size + ITEM_ALIGN - 1) & ~(size_t)(ITEM_ALIGN - 1);
	while (bus->chunk->size - bus->chunk->used < size) {
		if (bus->chunk->next == NULL)
			bus->chunk->next = chunk_new(size > CHUNK_BYTES ? size : CHUNK_BYTES);
		bus->chunk = bus->chunk->next;
	}
	void *taken = bus->chunk->bytes + bus->chunk->used;
	bus->chunk->used += size;
	return taken;
}

static char *bytes_put(char *to, Slice from)
{
	if (from.size > 0)
		memcpy(to, from.data, from.size);
	return to + from.size;
}

static Item *item_new(MemoryBus *bus, unsigned table, const BusRecord *record, BusDone done, void *context)
{
	Item *item = memory_take(bus, sizeof *item + record->key.size + record->headers.size + record->body.size);
	*item = (Item){ .done = done, .context = context, .table = table, .offset = -1, .key = record->key.size,
			.headers = record->headers.size, .body = record->body.size };
	bytes_put(bytes_put(bytes_put(item->bytes, record->key), record->headers), record->body);
	return item;
}

static BusRecord item_record(const Item *item, int64_t offset)
{
	return (BusRecord){ .offset = offset, .key = { item->bytes, item->key },
			    .headers = { item->bytes + item->key, item->headers },
			    .body = { item->bytes + item->key + item->headers, item->body } };
}

/* ---- the wire ---------------------------------------------------------------------------------------------------- */

static void stream_push(MemoryBus *bus, unsigned id, Item *item)
{
	Stream *stream = &bus->streams[id];
	item->next = NULL;
	if (stream->tail == NULL)
		stream->head = item;
	else
		stream->tail->next = item;
	stream->tail = item;
	stream->count++;
	bus->pending++;
	bus->busy[id / WORD_BITS] |= UINT64_C(1) << id % WORD_BITS;
}

static Item *stream_pop(MemoryBus *bus, unsigned id)
{
	Stream *stream = &bus->streams[id];
	Item *item = stream->head;
	stream->head = item->next;
	stream->count--;
	bus->pending--;
	if (stream->head == NULL) {
		stream->tail = NULL;
		bus->busy[id / WORD_BITS] &= ~(UINT64_C(1) << id % WORD_BITS);
	}
	return item;
}

static void item_arrive(MemoryBus *bus, Item *item)
{
	Log *log = &bus->logs[item->table];
	must(log->count < MEMORY_BUS_LOG_MAX);
	if (log->count == log->room) {
		log->room = log->room == 0 ? 64 : log->room * 2;
		log->items = realloc(log->items, log->room * sizeof *log->items);
		must(log->items != NULL);
	}
	item->arrived = true;
	item->offset = (int64_t)log->count;
	log->items[log->count++] = item;
}

static void known_raise(Known *known, int64_t first, int64_t end)
{
	if (!known)
		return;
	known->first = known->first < first ? first : known->first;
	known->end = known->end < end ? end : known->end;
	known->end = known->end < known->first ? known->first : known->end;
}

static void item_report(Item *item, bool failed)
{
	item->reported = true;
	if (!failed)
		known_raise(item->known, 0, item->offset + 1);
	if (item->done != NULL)
		item->done(item->context, failed, failed ? -1 : item->offset);
}

static void item_copy(MemoryBus *bus, const Item *item)
{
	BusRecord record = item_record(item, -1);
	stream_push(bus, MEMORY_BUS_STRAGGLERS, item_new(bus, item->table, &record, NULL, NULL));
}

/* The second step of an append with WIRE_DELIVER_LATE_ACK or WIRE_FAIL_BUT_ARRIVE. */
static void item_finish(MemoryBus *bus, Item *item, WireMode mode)
{
	if (item->arrived)
		item_report(item, mode == WIRE_LOSE);
	else
		item_arrive(bus, item);
}

static void item_step(MemoryBus *bus, unsigned stream, WireMode mode)
{
	const WireRule *rule = &wire_rules[mode];
	Item *item = bus->streams[stream].head;
	if (item->arrived || item->reported) {
		item_finish(bus, stream_pop(bus, stream), mode);
		return;
	}
	if (!rule->stay)
		stream_pop(bus, stream);
	if (rule->arrive)
		item_arrive(bus, item);
	if (rule->copy)
		item_copy(bus, item);
	if (rule->report)
		item_report(item, rule->failed);
}

bool memory_bus_step_stream(Bus *base, unsigned stream, WireMode mode)
{
	MemoryBus *bus = memory_bus(base);
	must(stream < MEMORY_BUS_STREAMS_MAX && mode < WIRE_MODES);
	if (bus->streams[stream].head == NULL)
		return false;
	/* The second copy of a record (WIRE_DOUBLE) has no `done` and is not copied again. It only arrives or is lost. */
	if (stream == MEMORY_BUS_STRAGGLERS && mode != WIRE_LOSE)
		mode = WIRE_DELIVER;
	item_step(bus, stream, mode);
	return true;
}

static unsigned nth_bit(uint64_t bits, unsigned nth)
{
	while (nth-- > 0)
		bits &= bits - 1;
	return (unsigned)__builtin_ctzll(bits);
}

bool memory_bus_choose(const Bus *base, uint32_t choice, unsigned *stream)
{
	const uint64_t *busy = memory_bus(base)->busy;
	unsigned streams = 0;
	for (unsigned word = 0; word < BUSY_WORDS; word++)
		streams += (unsigned)__builtin_popcountll(busy[word]);
	if (streams == 0)
		return false;
	unsigned nth = choice % streams, word = 0;
	for (unsigned here; nth >= (here = (unsigned)__builtin_popcountll(busy[word])); word++)
		nth -= here;
	*stream = word * WORD_BITS + nth_bit(busy[word], nth);
	return true;
}

bool memory_bus_step(Bus *base, uint32_t choice, WireMode mode)
{
	unsigned stream;
	return memory_bus_choose(base, choice, &stream) && memory_bus_step_stream(base, stream, mode);
}

void memory_bus_deliver_all(Bus *base)
{
	while (memory_bus_step(base, 0, WIRE_DELIVER))
		continue;
}

void memory_bus_drop_stream(Bus *base, unsigned id, size_t keep)
{
	MemoryBus *bus = memory_bus(base);
	must(id < MEMORY_BUS_STREAMS_MAX);
	for (size_t left = bus->streams[id].count; left > 0; left--) {
		Item *item = stream_pop(bus, id);
		if (!item->reported)
			item_report(item, true);
		if (item->arrived || keep == 0)
			continue;
		keep--;
		item->done = NULL;
		item->known = NULL;
		item->reported = false;
		stream_push(bus, id, item);
	}
}

size_t memory_bus_pending(const Bus *bus)
{
	return memory_bus(bus)->pending;
}

size_t memory_bus_stream_pending(const Bus *bus, unsigned stream)
{
	must(stream < MEMORY_BUS_STREAMS_MAX);
	return memory_bus(bus)->streams[stream].count;
}

void memory_bus_set_stream(Bus *bus, unsigned stream)
{
	must(stream < MEMORY_BUS_STRAGGLERS);
	memory_bus(bus)->stream = stream;
}

void memory_bus_set_wire_max(Bus *bus, size_t wire_max)
{
	must(wire_max <= MEMORY_BUS_WIRE_MAX);
	memory_bus(bus)->wire_max = wire_max;
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

void memory_bus_set_away(Bus *bus, bool away)
{
	memory_bus(bus)->away = away;
}

static Result bus_away(void)
{
	return result_fail(ERROR_AGAIN, "the bus is away");
}

static Result memory_append(Bus *base, unsigned topic, unsigned partition, const BusRecord *record, BusDone done,
			    void *context)
{
	MemoryBus *bus = memory_bus(base);
	unsigned table = table_of(base, topic, partition);
	if (record->key.size > BUS_RECORD_MAX || record->headers.size > BUS_RECORD_MAX ||
	    record->body.size > BUS_RECORD_MAX ||
	    record->key.size + record->headers.size + record->body.size > BUS_RECORD_MAX)
		return result_fail(ERROR_INPUT, "the record is too long: key, headers and body may have %d bytes together", BUS_RECORD_MAX);
	if (bus->away)
		return bus_away();
	if (bus->pending >= bus->wire_max)
		return result_fail(ERROR_AGAIN, "the wire is full");
	Item *item = item_new(bus, table, record, done, context);
	item->known = known_of(base, table);
	stream_push(bus, bus->stream, item);
	return result_ok();
}

static int64_t memory_end(Bus *base, unsigned topic, unsigned partition)
{
	unsigned table = table_of(base, topic, partition);
	const Known *known = known_of(base, table);
	return known ? known->end : (int64_t)memory_bus(base)->logs[table].count;
}

static int64_t memory_first(Bus *base, unsigned topic, unsigned partition)
{
	unsigned table = table_of(base, topic, partition);
	const Known *known = known_of(base, table);
	return known ? known->first : memory_bus(base)->logs[table].first;
}

void memory_bus_trim(Bus *base, unsigned topic, unsigned partition, int64_t first)
{
	Log *log = &memory_bus(base)->logs[table_of(base, topic, partition)];
	must(first >= 0 && first <= (int64_t)log->count);
	if (first > log->first)
		log->first = first;
}

void memory_bus_guard_trim(Bus *base, MemoryBusTrimGuard guard, void *context)
{
	memory_bus(base)->guard = guard;
	memory_bus(base)->guard_context = context;
}

static Result memory_trim(Bus *base, unsigned topic, unsigned partition, int64_t first)
{
	MemoryBus *bus = memory_bus(base);
	if (bus->away)
		return bus_away();
	if (bus->guard != NULL && !bus->guard(bus->guard_context, topic, partition, first))
		return result_fail(ERROR_AGAIN, "a reader has not passed the records to drop");
	memory_bus_trim(base, topic, partition, first);
	known_raise(known_of(base, table_of(base, topic, partition)), first, first);
	return result_ok();
}

bool memory_bus_recall(const Bus *base, unsigned topic, unsigned partition, int64_t offset, BusRecord *out)
{
	const Log *log = &memory_bus(base)->logs[table_of(base, topic, partition)];
	if (offset < 0 || offset >= (int64_t)log->count)
		return false;
	*out = item_record(log->items[offset], offset);
	return true;
}

bool memory_bus_peek(const Bus *base, unsigned topic, unsigned partition, int64_t offset, BusRecord *out)
{
	const Log *log = &memory_bus(base)->logs[table_of(base, topic, partition)];
	return offset >= log->first && memory_bus_recall(base, topic, partition, offset, out);
}

static Position *position_find(MemoryBus *bus, const char *group, unsigned table)
{
	for (size_t i = 0; i < bus->position_count; i++)
		if (bus->positions[i].table == table && strcmp(bus->positions[i].group, group) == 0)
			return &bus->positions[i];
	return NULL;
}

static Result memory_commit(Bus *base, const char *group, unsigned topic, unsigned partition, int64_t position)
{
	MemoryBus *bus = memory_bus(base);
	unsigned table = table_of(base, topic, partition);
	Position *found = position_find(bus, group, table);
	if (found == NULL) {
		if (bus->position_count == MEMORY_BUS_POSITIONS_MAX)
			return result_fail(ERROR_AGAIN, "there are too many positions");
		found = &bus->positions[bus->position_count];
		if (!text_copy(slice_of(group), found->group, sizeof found->group))
			return result_fail(ERROR_INPUT, "a group's name may have at most %d bytes", GROUP_NAME - 1);
		found->table = table;
		bus->position_count++;
	}
	found->position = position;
	return result_ok();
}

static int64_t memory_committed(Bus *base, const char *group, unsigned topic, unsigned partition)
{
	if (memory_bus(base)->away)
		return BUS_COMMITTED_UNKNOWN;
	unsigned table = table_of(base, topic, partition);
	const Position *found = position_find(memory_bus(base), group, table);
	if (found == NULL)
		return BUS_NONE_COMMITTED;
	known_raise(known_of(base, table), 0, found->position); /* the log has these records, because a process has read them */
	return found->position;
}

/* ---- readers ----------------------------------------------------------------------------------------------------- */

static Result memory_reader_open(Bus *bus, BusReader **out)
{
	MemoryReader *reader = calloc(1, sizeof *reader);
	must(reader != NULL);
	reader->reader.bus = bus;
	*out = &reader->reader;
	return result_ok();
}

static void memory_reader_close(BusReader *reader)
{
	free(reader);
}

/* The number of records that a read may deliver now. With a seed, the first read at a position only starts fetching from there. */
static size_t readable(MemoryBus *bus, const Log *log, Known *known, int64_t from)
{
	size_t there = from < (int64_t)log->count ? log->count - (size_t)from : 0;
	if (!known)
		return there;
	bool first_read = known->fetched != from;
	known->fetched = from;
	size_t count = first_read && bus->chance != 0 ? 0 : arrived(bus, there);
	return count == 0 && from < known->end ? 1 : count; /* a read before the known end delivers at least one record */
}

static Result memory_read(BusReader *reader, BusPosition position, size_t max, bool want_bodies, BusVisit visit, void *context,
			  int64_t *next)
{
	MemoryBus *bus = memory_bus(reader->bus);
	unsigned table = table_of(reader->bus, position.topic, position.partition);
	Known *known = known_of(reader->bus, table);
	Log *log = &bus->logs[table];
	*next = position.from;
	if (bus->away)
		return bus_away();
	if (position.from < log->first) {
		known_raise(known, log->first, log->first);
		return result_fail(ERROR_NOT_FOUND, "offset %lld is no longer kept", (long long)position.from);
	}
	size_t count = readable(bus, log, known, position.from);
	count = count < max ? count : max;
	bool more = true;
	while (more && count-- > 0 && *next < (int64_t)log->count) {
		BusRecord record = item_record(log->items[*next], *next);
		if (!want_bodies)
			record.body = SLICE_NONE;
		known_raise(known, 0, ++*next);
		if (known)
			known->fetched = *next;
		more = visit(context, &record);
	}
	return result_ok();
}

static void memory_wait(BusReader *reader, const BusPosition *positions, size_t count, int wait_ms)
{
	MemoryBus *bus = memory_bus(reader->bus);
	(void)wait_ms;
	((MemoryReader *)reader)->woken = false;
	for (size_t i = 0; i < count && !bus->away; i++) {
		unsigned table = table_of(reader->bus, positions[i].topic, positions[i].partition);
		Known *known = known_of(reader->bus, table);
		if (!known || positions[i].from < known->end || positions[i].from >= (int64_t)bus->logs[table].count)
			continue;
		known_raise(known, 0, positions[i].from + 1);
		known->fetched = positions[i].from;
		bus->learnt++;
	}
}

static void memory_wake(BusReader *reader)
{
	((MemoryReader *)reader)->woken = true;
}

bool memory_bus_take_wake(BusReader *base)
{
	MemoryReader *reader = (MemoryReader *)base;
	bool woken = reader->woken;
	reader->woken = false;
	return woken;
}

/* ---- creation -------------------------------------------------------------------------------------------------------- */

static void memory_close(Bus *base)
{
	MemoryBus *bus = memory_bus(base);
	free(((Handle *)base)->known);
	if (&bus->handle != (Handle *)base) {
		free(base);
		return;
	}
	for (Chunk *chunk = bus->chunks, *next; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	for (unsigned table = 0; table < bus->table_count; table++)
		free(bus->logs[table].items);
	free(bus->logs);
	free(bus->positions);
	free(bus);
}

static const BusOperations memory_operations = {
	.append = memory_append,
	.end = memory_end,
	.first = memory_first,
	.commit = memory_commit,
	.committed = memory_committed,
	.reader_open = memory_reader_open,
	.reader_close = memory_reader_close,
	.read = memory_read,
	.wait = memory_wait,
	.wake = memory_wake,
	.trim = memory_trim,
	.close = memory_close,
};

Bus *memory_bus_new(unsigned topics, unsigned partitions)
{
	must(topics > 0 && topics <= BUS_TOPICS_MAX && partitions > 0 && partitions <= BUS_PARTITIONS_MAX);
	MemoryBus *bus = calloc(1, sizeof *bus);
	must(bus != NULL);
	bus->handle = (Handle){ .bus = { .operations = &memory_operations, .partitions = partitions, .external_readers = true, .cluster = "" },
				.owner = bus };
	bus->table_count = topics * partitions;
	bus->logs = calloc(bus->table_count, sizeof *bus->logs);
	bus->positions = calloc(MEMORY_BUS_POSITIONS_MAX, sizeof *bus->positions);
	bus->chunks = chunk_new(CHUNK_BYTES);
	must(bus->logs != NULL && bus->positions != NULL);
	memory_bus_reset(&bus->handle.bus);
	return &bus->handle.bus;
}

Bus *memory_bus_handle(Bus *base)
{
	MemoryBus *bus = memory_bus(base);
	Handle *handle = calloc(1, sizeof *handle);
	must(handle != NULL);
	*handle = (Handle){ .bus = bus->handle.bus, .owner = bus, .known = calloc(bus->table_count, sizeof *handle->known) };
	must(handle->known != NULL);
	for (unsigned table = 0; table < bus->table_count; table++)
		handle->known[table] = (Known){ bus->logs[table].first, (int64_t)bus->logs[table].count, -1 };
	return &handle->bus;
}

void memory_bus_set_chance(Bus *bus, uint64_t seed)
{
	memory_bus(bus)->chance = seed;
}

uint64_t memory_bus_learnt(const Bus *bus)
{
	return memory_bus(bus)->learnt;
}

void memory_bus_reset(Bus *base)
{
	MemoryBus *bus = memory_bus(base);
	for (unsigned id = 0; id < MEMORY_BUS_STREAMS_MAX; id++)
		memory_bus_drop_stream(base, id, 0);
	for (Chunk *chunk = bus->chunks; chunk != NULL; chunk = chunk->next)
		chunk->used = 0;
	bus->chunk = bus->chunks;
	for (unsigned table = 0; table < bus->table_count; table++) {
		bus->logs[table].count = 0;
		bus->logs[table].first = 0;
	}
	memset(bus->streams, 0, sizeof bus->streams);
	memset(bus->busy, 0, sizeof bus->busy);
	bus->stream = 0;
	bus->chance = bus->learnt = 0;
	bus->pending = 0;
	bus->wire_max = MEMORY_BUS_WIRE_MAX;
	bus->position_count = 0;
}
