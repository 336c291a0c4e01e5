#include "shared/edge/bus_kafka_internal.h"

#include <string.h>

enum { HEADERS_MAX = 64 }; /* of a record that is not ours, no more are looked at */

rd_kafka_headers_t *record_headers_make(Slice packed)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(16);
	while (packed.size > 0) {
		size_t name = strnlen(packed.data, packed.size);
		if (name == 0 || name + 1 >= packed.size)
			break;
		const char *value = packed.data + name + 1;
		size_t size = strnlen(value, packed.size - name - 1);
		must(rd_kafka_header_add(headers, packed.data, (ssize_t)name, value, (ssize_t)size) == RD_KAFKA_RESP_ERR_NO_ERROR);
		size_t used = name + size + 2;
		packed = used < packed.size ? (Slice){ packed.data + used, packed.size - used } : SLICE_NONE;
	}
	return headers;
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
		if (name[0]) /* ours all have a name, and a packed list is not read without */
			header_add(headers, name, (Slice){ value == NULL ? "" : value, value == NULL ? 0 : size });
	}
	*out = (BusRecord){ .offset = message->offset,
			    .key = { message->key, message->key_len },
			    .headers = headers->overflowed ? SLICE_NONE : buffer_slice(headers),
			    .body = { message->payload, message->len } };
}
