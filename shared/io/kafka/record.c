#include "shared/io/kafka/bus_internal.h"

#include <string.h>

enum { HEADERS_MAX = 64 }; /* of a record that is not ours, no more are looked at */

rd_kafka_headers_t *record_headers_make(Slice packed)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(16);
	Slice name, value;
	while (header_next(&packed, &name, &value))
		must(rd_kafka_header_add(headers, name.data, (ssize_t)name.size, value.data, (ssize_t)value.size) ==
		     RD_KAFKA_RESP_ERR_NO_ERROR);
	return headers;
}

/* What the bus calls a name (bus.h). Others stand on strangers' records only, and an export could not write them. */
static bool is_name(const char *name)
{
	return name[0] && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.")] == 0;
}

void record_of_message(const rd_kafka_message_t *message, Buffer *headers, BusRecord *out)
{
	rd_kafka_headers_t *list = NULL;
	const char *name;
	const void *value;
	size_t size;
	buffer_clear(headers);
	headers->overflowed = false;
	bool any = rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR;
	for (size_t i = 0; any && i < HEADERS_MAX; i++) {
		if (rd_kafka_header_get_all(list, i, &name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
		if (is_name(name))
			header_add(headers, name, (Slice){ value == NULL ? "" : value, value == NULL ? 0 : size });
	}
	*out = (BusRecord){ .offset = message->offset,
			    .key = { message->key, message->key_len },
			    .headers = headers->overflowed ? SLICE_NONE : buffer_slice(headers),
			    .body = { message->payload, message->len } };
}
