#include "services/gateway/core/cursor.h"

#include "shared/base/error.h"

#include <string.h>

enum { SIGNATURE_BYTES = 16, LIST_BYTES = 8, HEAD_BYTES = SIGNATURE_BYTES + LIST_BYTES };

static Digest signature_of(const Digest *key, const Digest *list, Slice position)
{
	const Slice parts[] = { { (const char *)list->bytes, LIST_BYTES }, position };

	return digest_hmac((Slice){ (const char *)key->bytes, DIGEST_BYTES }, parts, 2);
}

void cursor_write(const Digest *key, const Digest *list, Slice position, char out[static CURSOR_TEXT])
{
	char bytes[HEAD_BYTES + CURSOR_POSITION_MAX];
	Digest signature = signature_of(key, list, position);
	Buffer text;

	must(position.size > 0 && position.size < CURSOR_POSITION_MAX);
	memcpy(bytes, signature.bytes, SIGNATURE_BYTES);
	memcpy(bytes + SIGNATURE_BYTES, list->bytes, LIST_BYTES);
	memcpy(bytes + HEAD_BYTES, position.data, position.size);
	buffer_init(&text, CURSOR_TEXT - 1);
	base64url_append(&text, (Slice){ bytes, HEAD_BYTES + position.size });
	must(text_copy(buffer_slice(&text), out, CURSOR_TEXT));
	buffer_release(&text);
}

static bool bytes_read(const Digest *key, const Digest *list, Slice bytes, char out[static CURSOR_POSITION_MAX])
{
	if (bytes.size <= HEAD_BYTES || bytes.size >= HEAD_BYTES + CURSOR_POSITION_MAX)
		return false;
	Slice position = { bytes.data + HEAD_BYTES, bytes.size - HEAD_BYTES };
	Digest signature = signature_of(key, list, position), given = signature;
	memcpy(given.bytes, bytes.data, SIGNATURE_BYTES);
	bool valid = digest_equals(&signature, &given) && memcmp(bytes.data + SIGNATURE_BYTES, list->bytes, LIST_BYTES) == 0;
	return valid && text_copy(position, out, CURSOR_POSITION_MAX);
}

bool cursor_read(const Digest *key, const Digest *list, Slice text, char out[static CURSOR_POSITION_MAX])
{
	Buffer bytes;

	buffer_init(&bytes, CURSOR_TEXT);
	bool valid = text.size < CURSOR_TEXT && base64url_decode(text, &bytes) &&
		    bytes_read(key, list, buffer_slice(&bytes), out);
	buffer_release(&bytes);
	return valid;
}
