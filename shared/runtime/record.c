#include "shared/runtime/record.h"

#include "shared/base/header.h"

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
	Slice rest = from->headers, name, value;
	while (header_next(&rest, &name, &value))
		attribute_read(out, name, value);
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

static bool text_fits(Slice text, size_t max)
{
	return text.size <= max && text_is_utf8(text) && (text.size == 0 || memchr(text.data, '\0', text.size) == NULL);
}

bool record_texts_fit(const Record *record)
{
	return text_fits(record->id, RECORD_ID_MAX) && text_fits(record->type, RECORD_ID_MAX) &&
	       text_fits(record->cause, RECORD_ID_MAX) && text_fits(record->subject, RECORD_KEY_MAX) &&
	       text_fits(record->key, RECORD_KEY_MAX);
}

Result record_check(const Record *record, unsigned partitions)
{
	if (!record_texts_fit(record))
		return result_fail(ERROR_INPUT,
				   "ce_id, ce_type, ce_cause (at most %d bytes), ce_subject or the key (at most %d bytes) is too long or not "
				   "UTF-8", RECORD_ID_MAX, RECORD_KEY_MAX);
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
