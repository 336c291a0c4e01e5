#include "shared/runtime/lag.h"

#include "shared/io/system/metrics.h"

#include <string.h>

void lag_add(Lag *lag, Bus *bus, BusPosition position)
{
	int64_t first = bus->operations->first(bus, position.topic, position.partition);
	int64_t end = bus_high_watermark(bus, position.topic, position.partition);
	int64_t from = position.from > first ? position.from : first;
	lag->read[position.topic] = true;
	lag->records[position.topic] += end > from ? end - from : 0;
}

void lag_publish(const Lag *lag, const char *service, int64_t reported[static TOPICS])
{
	for (size_t topic = 0; topic < TOPICS; topic++)
		if (lag->read[topic] || reported[topic] != 0)
			metric_add(METRIC_BUS_LAG, service, topics[topic].short_name, lag->records[topic] - reported[topic]);
	memcpy(reported, lag->records, sizeof lag->records);
}
