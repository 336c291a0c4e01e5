#include "services/cli/admin_key.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/files.h"
#include "shared/program/datadir.h"

#include <stdio.h>
#include <string.h>

enum { KEY_ID_CHARACTERS = 8, KEY_SECRET_CHARACTERS = 52, KEY_LEAST = 32 };

static void base32_random(Buffer *out, size_t characters)
{
	static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
	unsigned char random[KEY_SECRET_CHARACTERS];
	must(characters <= sizeof random);
	clock_random(random, characters);
	for (size_t i = 0; i < characters; i++)
		buffer_byte(out, alphabet[random[i] & 31]);
	explicit_bzero(random, sizeof random);
}

/* tcs_ID_SECRET: the id may be logged, the secret must not. */
static Result key_make(const char *path)
{
	Buffer key;
	buffer_init(&key, ADMIN_KEY_SIZE);
	buffer_text(&key, "tcs_");
	base32_random(&key, KEY_ID_CHARACTERS);
	buffer_text(&key, "_");
	base32_random(&key, KEY_SECRET_CHARACTERS);
	buffer_text(&key, "\n");
	Result result = file_write(path, buffer_slice(&key), 0600);
	explicit_bzero(key.data, key.size);
	buffer_release(&key);
	return result_wrap(result, "the API key cannot be stored");
}

static Result key_read(const char *path, char out[static ADMIN_KEY_SIZE])
{
	Buffer text;
	buffer_init(&text, ADMIN_KEY_SIZE - 1);
	Result result = file_read(path, &text);
	if (!result_failed(result)) {
		size_t size = strcspn(text.data, "\r\n");
		if (size < KEY_LEAST || !text_copy((Slice){ text.data, size }, out, ADMIN_KEY_SIZE))
			result = result_fail(
				ERROR_INPUT,
				"%s holds no key of at least %d characters: delete it, and a new one is generated", path,
				KEY_LEAST);
		explicit_bzero(text.data, text.size);
	}
	buffer_release(&text);
	return result;
}

Result admin_key_prepare(Settings *settings)
{
	char path[PATH_SIZE], key[ADMIN_KEY_SIZE];
	if (setting_given(settings, "TOCSIN_ADMIN_KEY"))
		return result_ok();
	datadir_path(settings, "admin.key", path);
	Result result = key_read(path, key);
	if (result.kind == ERROR_NOT_FOUND) {
		TRY(key_make(path));
		result = key_read(path, key);
	}
	if (!result_failed(result))
		setting_default(settings, "TOCSIN_ADMIN_KEY", key);
	explicit_bzero(key, sizeof key);
	return result;
}

Result admin_key_of_datadir(const char *datadir, char out[static ADMIN_KEY_SIZE])
{
	char path[PATH_SIZE];
	int size = snprintf(path, sizeof path, "%s/admin.key", datadir);
	must(size > 0 && size < (int)sizeof path);
	return key_read(path, out);
}

Result admin_key_of_client(const Settings *settings, char out[static ADMIN_KEY_SIZE])
{
	const char *given = setting_text(settings, "TOCSIN_KEY");
	if (given == NULL)
		return admin_key_of_datadir(setting_text(settings, "TOCSIN_HOME"), out);
	return text_copy(slice_of(given), out, ADMIN_KEY_SIZE) ? result_ok()
							       : result_fail(ERROR_INPUT, "TOCSIN_KEY is too long: it may have at most %d characters", ADMIN_KEY_SIZE - 1);
}
