#include "shared/runtime/wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct Wire {
	atomic_uint references; /* one for the holder of the Wire, one for each append under way */
	atomic_uint pending;
	atomic_bool failed;
	pthread_mutex_t mutex; /* guards reader */
	BusReader *reader;     /* NULL: nobody waits for reports, or the holder has released the Wire */
};

Wire *wire_new(BusReader *reader)
{
	Wire *wire = calloc(1, sizeof(*wire));
	must(wire);
	atomic_init(&wire->references, 1);
	pthread_mutex_init(&wire->mutex, NULL);
	wire->reader = reader;
	return wire;
}

static void wire_dereference(Wire *wire)
{
	if (atomic_fetch_sub(&wire->references, 1) != 1)
		return;
	pthread_mutex_destroy(&wire->mutex);
	free(wire);
}

/* Later reports do not wake the reader, which may be closed by then. Returns it. */
static BusReader *wire_detach(Wire *wire)
{
	pthread_mutex_lock(&wire->mutex);
	BusReader *reader = wire->reader;
	wire->reader = NULL;
	pthread_mutex_unlock(&wire->mutex);
	return reader;
}

void wire_release(Wire *wire)
{
	if (!wire)
		return;
	(void)wire_detach(wire);
	wire_dereference(wire);
}

void wire_replace(Wire **wire)
{
	BusReader *reader = wire_detach(*wire);
	wire_dereference(*wire);
	*wire = wire_new(reader);
}

/* The mutex is held during the call, so that the reader is not closed meanwhile. */
static void holder_wake(Wire *wire)
{
	pthread_mutex_lock(&wire->mutex);
	if (wire->reader)
		wire->reader->bus->operations->wake(wire->reader);
	pthread_mutex_unlock(&wire->mutex);
}

static void wire_done(void *context, bool failed, int64_t offset)
{
	Wire *wire = context;
	(void)offset;
	if (failed)
		atomic_store(&wire->failed, true);
	if (atomic_fetch_sub(&wire->pending, 1) == 1 || failed)
		holder_wake(wire);
	wire_dereference(wire);
}

Result wire_append(Wire *wire, Bus *bus, TopicId topic, unsigned partition, const BusRecord *record)
{
	atomic_fetch_add(&wire->references, 1);
	atomic_fetch_add(&wire->pending, 1);
	Result result = bus_append(bus, topic, partition, record, wire_done, wire);
	if (result_failed(result)) {
		atomic_fetch_sub(&wire->pending, 1);
		wire_dereference(wire);
	}
	return result;
}

unsigned wire_pending(const Wire *wire)
{
	return atomic_load(&wire->pending);
}

bool wire_failed(const Wire *wire)
{
	return atomic_load(&wire->failed);
}
