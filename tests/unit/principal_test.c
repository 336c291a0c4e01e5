#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/gateway/core/principal.h"

#include "shared/domain/documents.h"

#include <stdio.h>
#include <string.h>

static const char own_key[] = "tcs_0123abcd_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk";
static const char foreign_key[] = "correct-horse-battery-staple-and-more!";

static AdminKey key_of(const char *text)
{
	AdminKey key;
	assert_false(result_failed(admin_key_read(slice_of(text), &key)));
	return key;
}

static void a_generated_key_has_its_own_id(void **state)
{
	(void)state;
	assert_int_equal(strlen(own_key), 65);
	AdminKey key = key_of(own_key);
	assert_string_equal(key.id, "0123abcd");
}

static void another_key_has_an_id_of_its_hash(void **state)
{
	(void)state;
	AdminKey key = key_of(foreign_key);
	char hex[DIGEST_HEX];
	Digest digest = DIGEST(slice_of(foreign_key));
	digest_hex(&digest, hex);
	assert_memory_equal(key.id, hex, 8);
	assert_int_equal(strlen(key.id), 8);
}

static void a_key_is_32_to_128_printable_characters(void **state)
{
	char text[130];
	AdminKey key;
	(void)state;
	memset(text, 'x', sizeof text);
	assert_false(result_failed(admin_key_read((Slice){ text, 32 }, &key)));
	assert_false(result_failed(admin_key_read((Slice){ text, 128 }, &key)));
	assert_int_equal(admin_key_read((Slice){ text, 31 }, &key).kind, ERROR_INPUT);
	assert_int_equal(admin_key_read((Slice){ text, 129 }, &key).kind, ERROR_INPUT);
	text[5] = ' ';
	assert_int_equal(admin_key_read((Slice){ text, 40 }, &key).kind, ERROR_INPUT);
	text[5] = '\n';
	assert_int_equal(admin_key_read((Slice){ text, 40 }, &key).kind, ERROR_INPUT);
}

static bool fits(const AdminKey *key, const char *before, const char *text, const char *after)
{
	char header[256];
	snprintf(header, sizeof header, "%s%s%s", before, text, after);
	return admin_key_fits(key, header);
}

static void only_the_key_is_admitted(void **state)
{
	(void)state;
	AdminKey key = key_of(own_key);
	assert_true(fits(&key, "Bearer ", own_key, ""));
	assert_true(fits(&key, "bearer ", own_key, ""));
	assert_true(fits(&key, "Bearer   ", own_key, ""));
	assert_false(admin_key_fits(&key, NULL));
	assert_false(admin_key_fits(&key, ""));
	assert_false(admin_key_fits(&key, "Bearer "));
	assert_false(fits(&key, "Basic ", own_key, ""));
	assert_false(fits(&key, "", own_key, ""));
	assert_false(fits(&key, "Bearer ", own_key, "x"));
	assert_false(fits(&key, "Bearer ", own_key, " "));
	assert_false(fits(&key, "Bearer ", foreign_key, ""));
}

static void cursors_of_different_keys_are_signed_differently(void **state)
{
	(void)state;
	AdminKey one = key_of(own_key), other = key_of(foreign_key);
	assert_false(digest_equals(&one.cursor_key, &other.cursor_key));
	assert_false(digest_equals(&one.cursor_key, &one.digest));
}

static void the_actor_matches_its_table(void **state)
{
	(void)state;
	AdminKey key = key_of(own_key);
	json_t *tree JSON_AUTO = admin_key_actor(&key);
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	Actor actor;
	assert_true(json_decode(&actor_table, tree, true, &actor, &errors));
	assert_string_equal(actor_words[actor.kind], "key");
	assert_string_equal(actor.id, "0123abcd");
	assert_string_equal(actor.name, "admin");
	assert_string_equal(json_string_value(json_array_get(actor.roles, 0)), "administrator");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_generated_key_has_its_own_id),
		cmocka_unit_test(another_key_has_an_id_of_its_hash),
		cmocka_unit_test(a_key_is_32_to_128_printable_characters),
		cmocka_unit_test(only_the_key_is_admitted),
		cmocka_unit_test(cursors_of_different_keys_are_signed_differently),
		cmocka_unit_test(the_actor_matches_its_table),
	};
	return cmocka_run_group_tests_name("principal", tests, NULL, NULL);
}
