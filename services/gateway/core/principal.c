#include "services/gateway/core/principal.h"

#include "shared/base/id.h"

#include <string.h>
#include <strings.h>

enum { KEY_MIN = 32, KEY_MAX = 128, KEY_SECRET_AT = 12, KEY_GENERATED_SIZE = 65 };

static const char scheme[] = "Bearer ";

static bool is_graphic(Slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
	return true;
}

static bool is_base32(Slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!memchr("0123456789abcdefghjkmnpqrstvwxyz", text.data[i], 32))
			return false;
	return true;
}

/* True for the form of keys that Tocsin generates: tcs_<8 characters>_<52 characters>. */
static bool is_generated_key(Slice text)
{
	return text.size == KEY_GENERATED_SIZE && memcmp(text.data, "tcs_", 4) == 0 && text.data[KEY_SECRET_AT] == '_' &&
	       is_base32((Slice){ text.data + 4, 8 }) &&
	       is_base32((Slice){ text.data + KEY_SECRET_AT + 1, KEY_GENERATED_SIZE - KEY_SECRET_AT - 1 });
}

Result admin_key_read(Slice text, AdminKey *out)
{
	char hex[DIGEST_HEX];

	if (text.size < KEY_MIN || text.size > KEY_MAX || !is_graphic(text))
		return result_fail(ERROR_INPUT, "the admin key must be 32 to 128 printable characters without spaces");
	out->digest = DIGEST(text);
	out->cursor_key = digest_hmac(text, &SLICE("tocsin cursor 1"), 1);
	digest_hex(&out->digest, hex);
	memcpy(out->id, is_generated_key(text) ? text.data + 4 : hex, KEY_ID_SIZE - 1);
	out->id[KEY_ID_SIZE - 1] = '\0';
	return result_ok();
}

bool admin_key_fits(const AdminKey *key, const char *authorization)
{
	if (!authorization || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
		return false;
	const char *given = authorization + sizeof scheme - 1;
	given += strspn(given, " ");
	Digest digest = DIGEST(slice_of(given));
	return digest_equals(&digest, &key->digest);
}

json_t *admin_key_actor(const AdminKey *key)
{
	json_t *actor = json_pack("{s:s, s:s, s:s, s:[s]}", "kind", "key", "id", key->id, "name", "admin", "roles",
				  "administrator");
	must(actor != NULL);
	return actor;
}
