#include "shared/runtime/wire.h"

#include <stdatomic.h>
#include <stdlib.h>

struct Wire {
	atomic_uint references; /* one for the holder of the Wire, one for each append under way */
	atomic_uint pending;
	atomic_bool failed;
};

Wire *wire_new(void)
{
	Wire *wire = calloc(1, sizeof(*wire));
	must(wire);
	atomic_init(&wire->references, 1);
	return wire;
}

void wire_release(Wire *wire)
{
	if (wire && atomic_fetch_sub(&wire->references, 1) == 1)
		free(wire);
}

void wire_replace(Wire **wire)
{
	wire_release(*wire);
	*wire = wire_new();
}

static void wire_done(void *context, bool failed, int64_t offset)
{
	Wire *wire = context;
	(void)offset;
	if (failed)
		atomic_store(&wire->failed, true);
	atomic_fetch_sub(&wire->pending, 1);
	wire_release(wire);
}

Result wire_append(Wire *wire, Bus *bus, TopicId topic, unsigned partition, const BusRecord *record)
{
	atomic_fetch_add(&wire->references, 1);
	atomic_fetch_add(&wire->pending, 1);
	Result result = bus_append(bus, topic, partition, record, wire_done, wire);
	if (result_failed(result)) {
		atomic_fetch_sub(&wire->pending, 1);
		wire_release(wire);
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
