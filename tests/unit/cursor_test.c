#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/gateway/core/cursor.h"

#include <stdio.h>
#include <string.h>

static Digest key, other_key, list, other_list;

static int digests_make(void **state)
{
	(void)state;
	key = DIGEST(SLICE("key"));
	other_key = DIGEST(SLICE("other key"));
	list = DIGEST(SLICE("list"));
	other_list = DIGEST(SLICE("other list"));
	return 0;
}

static void a_cursor_gives_back_its_position(void **state)
{
	char cursor[CURSOR_TEXT], position[CURSOR_POSITION_MAX], longest[CURSOR_POSITION_MAX];
	(void)state;
	memset(longest, 'p', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	const char *const positions[] = { "x", "inc_01abc", longest };
	for (size_t i = 0; i < 3; i++) {
		cursor_write(&key, &list, slice_of(positions[i]), cursor);
		assert_true(cursor_read(&key, &list, slice_of(cursor), position));
		assert_string_equal(position, positions[i]);
	}
}

static void a_cursor_is_valid_only_for_its_list_and_key(void **state)
{
	char cursor[CURSOR_TEXT], position[CURSOR_POSITION_MAX] = "untouched";
	(void)state;
	cursor_write(&key, &list, SLICE("inc_01abc"), cursor);
	assert_false(cursor_read(&key, &other_list, slice_of(cursor), position));
	assert_false(cursor_read(&other_key, &list, slice_of(cursor), position));
	assert_string_equal(position, "untouched");
}

static void a_changed_cursor_is_refused(void **state)
{
	char cursor[CURSOR_TEXT], changed[CURSOR_TEXT], position[CURSOR_POSITION_MAX];
	(void)state;
	cursor_write(&key, &list, SLICE("inc_01abc"), cursor);
	for (size_t i = 0; cursor[i] != '\0'; i++) {
		strcpy(changed, cursor);
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		assert_false(cursor_read(&key, &list, slice_of(changed), position));
	}
	cursor[strlen(cursor) - 2] = '\0';
	assert_false(cursor_read(&key, &list, slice_of(cursor), position));
}

static void malformed_cursors_are_refused(void **state)
{
	char position[CURSOR_POSITION_MAX], endless[4096];
	(void)state;
	memset(endless, 'A', sizeof endless);
	assert_false(cursor_read(&key, &list, SLICE_NONE, position));
	assert_false(cursor_read(&key, &list, SLICE("a"), position));
	assert_false(cursor_read(&key, &list, SLICE("%%%%"), position));
	assert_false(cursor_read(&key, &list, (Slice){ endless, sizeof endless }, position));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cursor_gives_back_its_position),
		cmocka_unit_test(a_cursor_is_valid_only_for_its_list_and_key),
		cmocka_unit_test(a_changed_cursor_is_refused),
		cmocka_unit_test(malformed_cursors_are_refused),
	};
	return cmocka_run_group_tests_name("cursor", tests, digests_make, NULL);
}
