#include "shared/io/outbound/webhook.h"

#include "shared/base/hash.h"
#include "shared/io/outbound/outbound.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool signature_append(Slice secret, const char *id, int64_t timestamp_s, Slice body, Buffer *out)
{
	static const Slice prefix = SLICE("whsec_");
	char timestamp[24];
	Buffer key;
	bool decoded;

	if (!slice_starts_with(secret, prefix))
		return false;
	buffer_init(&key, WEBHOOK_SECRET_MAX);
	decoded = base64_decode((Slice){ secret.data + prefix.size, secret.size - prefix.size }, &key) &&
		  key.size > 0 && !key.overflowed;
	if (decoded) {
		int size = snprintf(timestamp, sizeof(timestamp), "%" PRId64, timestamp_s);
		Slice parts[] = { slice_of(id), SLICE("."), { timestamp, (size_t)size }, SLICE("."), body };
		Digest digest = digest_hmac(buffer_slice(&key), parts, sizeof(parts) / sizeof(parts[0]));
		buffer_text(out, "v1,");
		base64_append(out, (Slice){ (const char *)digest.bytes, DIGEST_BYTES });
	}
	buffer_release(&key);
	return decoded;
}

bool webhook_sign(const char *secrets, const char *id, int64_t timestamp_s, Slice body, Buffer *out)
{
	unsigned count = 0;

	for (const char *at = secrets; *(at += strspn(at, " ")) != '\0'; at += strcspn(at, " ")) {
		if (count++ == WEBHOOK_SECRETS_MAX)
			return false;
		if (count > 1)
			buffer_byte(out, ' ');
		if (!signature_append((Slice){ at, strcspn(at, " ") }, id, timestamp_s, body, out))
			return false;
	}
	return count > 0 && !out->overflowed;
}

int webhook_outcome(unsigned status)
{
	enum { GONE = 410 };

	if (status >= 200 && status <= 299)
		return OUTCOME_SENT;
	return status == GONE ? OUTCOME_REFUSED : OUTCOME_RETRY;
}
