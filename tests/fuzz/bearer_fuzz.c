/* The Authorization header, and the admin key of a setting or a file. */
#include "tests/fuzz/fuzz.h"

#include "services/gateway/core/principal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "0123456789abcdef0123456789abcdef"

static bool ends_with_secret(const char *text)
{
	size_t size = strlen(text);
	return size > sizeof SECRET - 1 && strcmp(text + size - (sizeof SECRET - 1), SECRET) == 0;
}

/* If the text is accepted as a key, the header "Authorization: Bearer TEXT" must match this key. */
static void read_any(const char *text)
{
	AdminKey key;
	char authorization[160];
	if (result_failed(admin_key_read(slice_of(text), &key)))
		return;
	must(strlen(text) >= 32 && strlen(text) <= 128);
	snprintf(authorization, sizeof authorization, "Bearer %s", text);
	must(admin_key_fits(&key, authorization));
	json_decref(admin_key_actor(&key));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	AdminKey key;
	char *text = slice_copy((Slice){ (const char *)bytes, size });
	must(!result_failed(admin_key_read(SLICE(SECRET), &key)));
	must(!admin_key_fits(&key, NULL));
	must(!admin_key_fits(&key, text) || ends_with_secret(text));
	read_any(text);
	free(text);
	return 0;
}
