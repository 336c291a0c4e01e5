#include "shared/runtime/record.h"

#include <string.h>

static const struct {
	const char *name;
	size_t member;
} attributes[] = {
	{ "ce_id", offsetof(Record, id) },
	{ "ce_type", offsetof(Record, type) },
	{ "ce_subject", offsetof(Record, subject) },
	{ "ce_cause", offsetof(Record, cause) },
};

static void attribute_read(Record *record, Slice name, Slice value)
{
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (slice_is(name, attributes[i].name))
			*(Slice *)((char *)record + attributes[i].member) = value;
	Instant time;
	if (slice_is(name, "ce_time") && !result_failed(instant_parse(value, &time)))
		record->time = time;
}

Result record_read(TopicId topic, unsigned partition, const BusRecord *from, Record *out)
{
	*out = (Record){ .topic = topic, .partition = partition, .offset = from->offset, .key = from->key,
			 .headers = from->headers, .body = from->body, .time = INSTANT_NONE };
	Slice rest = from->headers;
	while (rest.size > 0) {
		size_t name_size = strnlen(rest.data, rest.size);
		if (name_size + 1 >= rest.size)
			break;
		Slice value = { rest.data + name_size + 1, 0 };
		value.size = strnlen(value.data, rest.size - name_size - 1);
		attribute_read(out, (Slice){ rest.data, name_size }, value);
		size_t used = name_size + value.size + 2;
		rest = used < rest.size ? (Slice){ rest.data + used, rest.size - used } : SLICE_NONE;
	}
	if (out->id.size == 0 || out->type.size == 0 || out->time == INSTANT_NONE)
		return result_fail(ERROR_INPUT, "ce_id or ce_type is missing, or ce_time is missing or invalid");
	return result_ok();
}

bool record_is_bookkeeping(const Record *record)
{
	return slice_starts_with(record->type, SLICE("tocsin.ledger."));
}

bool record_is_in_partition(const Record *record, unsigned partitions)
{
	unsigned slot;
	Instant opened_at;
	bool of_incident = id_incident_parse(record->subject, &slot, &opened_at);
	return !topics[record->topic].slotted || (!of_incident && record->key.size == 0) ||
	       (of_incident && slot % partitions == record->partition) ||
	       (record->key.size > 0 && slot_of(record->key) % partitions == record->partition);
}

Result record_partition_check(const Record *record, unsigned partitions)
{
	return record_is_in_partition(record, partitions) ?
		       result_ok() :
		       result_fail(ERROR_INPUT, "the record is not in the partition of its incident or key");
}

unsigned record_slot(const Record *record)
{
	unsigned slot;
	Instant opened_at;
	if (id_incident_parse(record->subject, &slot, &opened_at))
		return slot;
	return slot_of(record->key.size ? record->key : record->id);
}
