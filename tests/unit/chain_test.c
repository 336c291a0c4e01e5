/* The hash chain of the audit log: written lines verify, and every single change is detected. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/audit/audit.h"
#include "services/audit/core/chain.h"
#include "services/audit/verify.h"
#include "shared/base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES = 200, FILE_MAX = 4 << 20 };

typedef struct {
	Buffer file;
	ChainHead head;
	size_t begin[LINES + 1]; /* offset of each line in the file; the last element is the size of the file */
} Ledger;

static const char *const ledger_topics[] = { "tocsin.journal", "tocsin.assessments", "tocsin.deliveries" };

static void record_add(Ledger *ledger, size_t number)
{
	char id[40], body[256];
	snprintf(id, sizeof(id), "rec_%zu", number);
	snprintf(body, sizeof(body), "{\"incident_id\":\"inc_%zu\",\"title\":\"警钟 \\\"%zu\\\"\",\"n\":[%zu,1.50]}",
		 number % 7, number, number);
	const ChainRecord record = {
		.topic = slice_of(ledger_topics[number % 3]),
		.id = slice_of(id),
		.type = SLICE("tocsin.test.v1"),
		.subject = SLICE("inc_0"),
		.time = SLICE("2026-11-23T08:15:30.123Z"),
		.offset = (int64_t)number,
		.body = slice_of(body),
	};
	assert_false(result_failed(chain_append(&ledger->head, &record, &ledger->file)));
}

static int ledger_make(void **state)
{
	Ledger *ledger = calloc(1, sizeof(*ledger));
	buffer_init(&ledger->file, FILE_MAX + CHAIN_LINE_MAX);
	for (size_t i = 0; i < LINES; i++) {
		ledger->begin[i] = ledger->file.size;
		record_add(ledger, i);
	}
	ledger->begin[LINES] = ledger->file.size;
	*state = ledger;
	return 0;
}

static int ledger_drop(void **state)
{
	Ledger *ledger = *state;
	buffer_release(&ledger->file);
	free(ledger);
	return 0;
}

static Slice line_of(const Ledger *ledger, size_t line)
{
	return (Slice){ ledger->file.data + ledger->begin[line], ledger->begin[line + 1] - ledger->begin[line] };
}

/* The number of the first bad line; 0: all lines are good. */
static int64_t verdict(Slice bytes, size_t piece, const ChainHead *expected)
{
	ChainVerify verify;
	chain_verify_init(&verify);
	for (size_t at = 0; at < bytes.size; at += piece)
		if (!chain_verify_feed(&verify,
				       (Slice){ bytes.data + at, bytes.size - at < piece ? bytes.size - at : piece }))
			break;
	bool whole = chain_verify_end(&verify, expected);
	assert_int_equal(whole, verify.bad_line == 0);
	assert_int_equal(whole, verify.why[0] == '\0');
	int64_t bad_line = verify.bad_line;
	chain_verify_release(&verify);
	return bad_line;
}

static void a_log_verifies_in_pieces_of_any_size(void **state)
{
	const Ledger *ledger = *state;
	const size_t pieces[] = { 1, 7, 100, 4096, SIZE_MAX / 4 };
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		assert_int_equal(verdict(buffer_slice(&ledger->file), pieces[i], &ledger->head), 0);
	assert_int_equal(ledger->head.size, ledger->file.size);
	assert_int_equal(ledger->head.count, LINES);
}

static void an_empty_log_verifies(void **state)
{
	const ChainHead nothing = { 0 };
	(void)state;
	assert_int_equal(verdict(SLICE_NONE, 1, &nothing), 0);
}

static void a_line_has_the_members_of_the_contract(void **state)
{
	const Ledger *ledger = *state;
	Slice line = line_of(ledger, 0);
	json_t *tree JSON_AUTO = NULL;
	assert_false(result_failed(json_read(line, &tree)));
	assert_int_equal(json_integer_value(json_object_get(tree, "seq")), 1);
	assert_string_equal(json_string_value(json_object_get(tree, "previous")),
			    "0000000000000000000000000000000000000000000000000000000000000000");
	assert_string_equal(json_string_value(json_object_get(tree, "topic")), "tocsin.journal");
	assert_string_equal(json_string_value(json_at(tree, "/record/source")), "tocsin.journal");
	assert_string_equal(json_string_value(json_at(tree, "/record/id")), "rec_0");
	assert_true(json_is_null(json_at(tree, "/record/cause")));
	assert_string_equal(json_string_value(json_at(tree, "/record/data/title")), "警钟 \"0\"");
	assert_int_equal(json_object_size(tree), 5);
}

static void the_hash_covers_previous_and_the_bytes_of_the_record(void **state)
{
	const Ledger *ledger = *state;
	Slice line = line_of(ledger, 1);
	const char *record = memmem(line.data, line.size, "\"record\":", 9) + 9;
	const char *previous = memmem(line.data, line.size, "\"previous\":\"", 12) + 12;
	const char *hash = memmem(line.data, line.size, "\"hash\":\"", 8) + 8;
	Digest before;
	char hex[DIGEST_HEX];
	assert_true(digest_from_hex((Slice){ previous, DIGEST_HEX - 1 }, &before));
	Digest digest = DIGEST(((Slice){ (const char *)before.bytes, DIGEST_BYTES }),
			       ((Slice){ record, (size_t)(line.data + line.size - 2 - record) }));
	digest_hex(&digest, hex);
	assert_memory_equal(hash, hex, DIGEST_HEX - 1);
}

static void a_body_is_kept_byte_for_byte(void **state)
{
	const Ledger *ledger = *state;
	Slice line = line_of(ledger, 5);
	assert_non_null(
		memmem(line.data, line.size,
		       "\"data\":{\"incident_id\":\"inc_5\",\"title\":\"警钟 \\\"5\\\"\",\"n\":[5,1.50]}}}\n",
		       strlen("\"data\":{\"incident_id\":\"inc_5\",\"title\":\"警钟 \\\"5\\\"\",\"n\":[5,1.50]}}}\n")));
}

static void check_odd_body(Slice body, const char *expected)
{
	ChainHead head = { 0 };
	Buffer out;
	buffer_init(&out, CHAIN_LINE_MAX);
	const ChainRecord record = { .topic = SLICE("tocsin.journal"),
				     .id = SLICE("a\"\xff"),
				     .type = SLICE("t\n"),
				     .time = SLICE("2026-11-23T08:15:30.123Z"),
				     .body = body };
	assert_false(result_failed(chain_append(&head, &record, &out)));
	assert_non_null(memmem(out.data, out.size, expected, strlen(expected)));
	assert_ptr_equal(memchr(out.data, '\n', out.size), out.data + out.size - 1);
	json_t *tree JSON_AUTO = NULL;
	assert_false(result_failed(json_read(buffer_slice(&out), &tree)));
	assert_int_equal(verdict(buffer_slice(&out), 3, &head), 0);
	buffer_release(&out);
}

static void any_body_makes_one_line_that_verifies(void **state)
{
	(void)state;
	check_odd_body(SLICE("{\r\n\"a\": \n1}"), "\"data\":{  \"a\":  1}}");
	check_odd_body(SLICE("{}\n"), "\"data\":{} }");
	check_odd_body(SLICE("no JSON \xff\n"), "\"data_base64\":\"");
	check_odd_body(SLICE("{}},\"x\":{{}"), "\"data_base64\":\"");
	check_odd_body(SLICE_NONE, "\"data_base64\":\"\"");
	check_odd_body(SLICE("[1]"), "\"data_base64\":\"WzFd\"");
}

/* ---- tampering */

static void every_flipped_bit_is_detected(void **state)
{
	const Ledger *ledger = *state;
	char *copy = malloc(ledger->file.size);
	memcpy(copy, ledger->file.data, ledger->file.size);
	for (size_t line = 0; line < LINES; line++) {
		/* All bytes of every 50th line, every 13th byte of the others. */
		size_t step = line % 50 == 0 ? 1 : 13;
		ChainHead head = { 0 };
		char why[CHAIN_WHY];
		for (size_t i = 0; i < line; i++)
			assert_true(chain_line_check(
				&head, (Slice){ line_of(ledger, i).data, line_of(ledger, i).size - 1 }, why));
		for (size_t at = line % step; at + 1 < line_of(ledger, line).size; at += step) {
			char *byte = &copy[ledger->begin[line] + at];
			for (int bit = 0; bit < 8; bit++) {
				ChainHead before = head;
				*byte = (char)(*byte ^ (1 << bit));
				assert_false(chain_line_check(
					&before, (Slice){ copy + ledger->begin[line], line_of(ledger, line).size - 1 },
					why));
				assert_memory_equal(&before, &head, sizeof(head));
				*byte = (char)(*byte ^ (1 << bit));
			}
		}
	}
	free(copy);
}

/* Verifies the concatenation of lines [0, to), the bytes `between`, and lines [from, end). */
static int64_t verdict_spliced(const Ledger *ledger, size_t to, Slice between, size_t from)
{
	Buffer file;
	buffer_init(&file, FILE_MAX);
	buffer_append(&file, (Slice){ ledger->file.data, ledger->begin[to] });
	buffer_append(&file, between);
	buffer_append(&file,
		      (Slice){ ledger->file.data + ledger->begin[from], ledger->file.size - ledger->begin[from] });
	assert_false(file.overflowed);
	int64_t bad_line = verdict(buffer_slice(&file), 4096, &ledger->head);
	buffer_release(&file);
	return bad_line;
}

static void every_changed_line_is_located(void **state)
{
	const Ledger *ledger = *state;
	for (size_t line = 0; line < LINES; line++) {
		char *changed = slice_copy(line_of(ledger, line));
		changed[line_of(ledger, line).size - 12] ^= 1;
		assert_int_equal(
			verdict_spliced(ledger, line, (Slice){ changed, line_of(ledger, line).size }, line + 1),
			line + 1);
		free(changed);
	}
}

static void every_deleted_line_is_detected(void **state)
{
	const Ledger *ledger = *state;
	for (size_t line = 0; line < LINES; line++)
		assert_int_equal(verdict_spliced(ledger, line, SLICE_NONE, line + 1), line + 1);
}

static void every_inserted_line_is_detected(void **state)
{
	const Ledger *ledger = *state;
	for (size_t line = 0; line <= LINES; line++) {
		/*
		 * A forger who knows the format can insert a line with a valid hash. Then only the following line fails.
		 */
		ChainLine before = { 0 };
		if (line > 0)
			assert_true(chain_line_read(
				(Slice){ line_of(ledger, line - 1).data, line_of(ledger, line - 1).size - 1 },
				&before));
		ChainHead head = { .count = (int64_t)line, .size = (int64_t)ledger->begin[line], .head = before.hash };
		Buffer forged;
		buffer_init(&forged, CHAIN_LINE_MAX);
		const ChainRecord record = { .topic = SLICE("tocsin.journal"), .id = SLICE("forged"), .type = SLICE("t"),
					     .time = SLICE("t"), .body = SLICE("{}") };
		assert_false(result_failed(chain_append(&head, &record, &forged)));
		assert_int_equal(verdict_spliced(ledger, line, buffer_slice(&forged), line), line + 2);
		buffer_release(&forged);
	}
}

static void every_swap_of_two_lines_is_detected(void **state)
{
	const Ledger *ledger = *state;
	for (size_t line = 0; line + 1 < LINES; line++) {
		Buffer swapped;
		buffer_init(&swapped, FILE_MAX);
		buffer_append(&swapped, line_of(ledger, line + 1));
		buffer_append(&swapped, line_of(ledger, line));
		assert_int_equal(verdict_spliced(ledger, line, buffer_slice(&swapped), line + 2), line + 1);
		buffer_release(&swapped);
	}
}

static void every_truncation_is_detected(void **state)
{
	const Ledger *ledger = *state;
	for (size_t line = 0; line < LINES; line++) {
		/* A file cut at the end of a line is detected only with the expected head, a file cut within a line always. */
		assert_int_equal(verdict((Slice){ ledger->file.data, ledger->begin[line] }, 4096, &ledger->head),
				 line + 1);
		assert_int_equal(verdict((Slice){ ledger->file.data, ledger->begin[line] }, 4096, NULL), 0);
		assert_int_equal(verdict((Slice){ ledger->file.data, ledger->begin[line + 1] - 1 }, 4096, NULL),
				 line + 1);
		assert_int_equal(verdict((Slice){ ledger->file.data, ledger->begin[line] + 1 }, 4096, NULL), line + 1);
	}
}

static void a_line_longer_than_the_limit_is_refused(void **state)
{
	ChainVerify verify;
	char piece[1 << 16];
	size_t pieces = 0;
	(void)state;
	memset(piece, '{', sizeof(piece));
	chain_verify_init(&verify);
	while (chain_verify_feed(&verify, (Slice){ piece, sizeof(piece) }))
		assert_true(++pieces <= CHAIN_LINE_MAX / sizeof(piece));
	assert_int_equal(verify.bad_line, 1);
	chain_verify_release(&verify);
}

static void an_equivalent_line_in_another_form_is_refused(void **state)
{
	const Ledger *ledger = *state;
	const struct {
		const char *from, *to;
	} changes[] = {
		{ "{\"seq\":1,", "{\"seq\":01," },
		{ "{\"seq\":1,", "{\"seq\": 1," },
		{ "\"topic\":\"tocsin.journal\"", "\"topic\":\"tocsin.reports\"" },
		{ "\"topic\":\"tocsin.journal\",", "\"topic\":\"tocsin.journal\", " },
		{ "}}\n", "}} \n" },
		{ "}}\n", "}}\r\n" },
	};
	char *line = slice_copy(line_of(ledger, 0));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const char *at = strstr(line, changes[i].from);
		Buffer changed;
		assert_non_null(at);
		buffer_init(&changed, FILE_MAX);
		buffer_append(&changed, (Slice){ line, (size_t)(at - line) });
		buffer_text(&changed, changes[i].to);
		buffer_text(&changed, at + strlen(changes[i].from));
		assert_int_equal(verdict_spliced(ledger, 0, buffer_slice(&changed), 1), 1);
		buffer_release(&changed);
	}
	free(line);
}

/* ---- files */

static void path_make(char out[static 64])
{
	snprintf(out, 64, "/tmp/tocsin-chain-XXXXXX");
	int fd = mkstemp(out);
	assert_true(fd >= 0);
	close(fd);
}

static void file_put(const char *path, Slice bytes)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
	fclose(file);
}

static void the_verdict_on_a_file_names_the_first_bad_line(void **state)
{
	const Ledger *ledger = *state;
	AuditVerdict found;
	char path[64], head[DIGEST_HEX];
	path_make(path);
	file_put(path, buffer_slice(&ledger->file));
	assert_false(result_failed(audit_verify_file(path, &found)));
	digest_hex(&ledger->head.head, head);
	assert_true(found.whole);
	assert_int_equal(found.lines, LINES);
	assert_int_equal(found.size, ledger->file.size);
	assert_string_equal(found.head, head);
	file_put(path, (Slice){ ledger->file.data, ledger->file.size - 5 });
	assert_false(result_failed(audit_verify_file(path, &found)));
	assert_false(found.whole);
	assert_int_equal(found.bad_line, LINES);
	assert_non_null(strstr(found.why, "incomplete"));
	unlink(path);
	assert_int_equal(audit_verify_file(path, &found).kind, ERROR_NOT_FOUND);
}

static void a_file_is_truncated_to_its_accepted_lines(void **state)
{
	const Ledger *ledger = *state;
	AuditLedger *file;
	char path[64];
	Buffer read;
	path_make(path);
	file_put(path, buffer_slice(&ledger->file));
	assert_false(result_failed(audit_file_new(path, &file)));
	assert_false(result_failed(file->operations->cut(file, (int64_t)ledger->begin[3])));
	assert_false(result_failed(file->operations->write(file, line_of(ledger, 3))));
	buffer_init(&read, FILE_MAX);
	assert_false(result_failed(file->operations->read(file, 0, ledger->begin[4], &read)));
	assert_memory_equal(read.data, ledger->file.data, ledger->begin[4]);
	assert_int_equal(file->operations->read(file, 1, ledger->begin[4], &read).kind, ERROR_INTERNAL);
	assert_int_equal(file->operations->cut(file, (int64_t)ledger->begin[4] + 1).kind, ERROR_INTERNAL);
	audit_ledger_close(file);
	buffer_release(&read);
	unlink(path);
}

static void a_file_of_another_bus_is_set_aside_not_overwritten(void **state)
{
	const Ledger *ledger = *state;
	AuditLedger *file;
	AuditVerdict found;
	char path[64], aside[96];
	path_make(path);
	snprintf(aside, sizeof(aside), "%s.unaccepted-1", path);
	file_put(path, buffer_slice(&ledger->file));
	assert_false(result_failed(audit_file_new(path, &file)));
	assert_false(result_failed(file->operations->cut(file, 0)));
	assert_false(result_failed(file->operations->write(file, line_of(ledger, 0))));
	audit_ledger_close(file);
	assert_false(result_failed(audit_verify_file(path, &found)));
	assert_int_equal(found.lines, 1);
	assert_false(result_failed(audit_verify_file(aside, &found)));
	assert_int_equal(found.lines, LINES);
	unlink(path);
	unlink(aside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_verifies_in_pieces_of_any_size),
		cmocka_unit_test(an_empty_log_verifies),
		cmocka_unit_test(a_line_has_the_members_of_the_contract),
		cmocka_unit_test(the_hash_covers_previous_and_the_bytes_of_the_record),
		cmocka_unit_test(a_body_is_kept_byte_for_byte),
		cmocka_unit_test(any_body_makes_one_line_that_verifies),
		cmocka_unit_test(every_flipped_bit_is_detected),
		cmocka_unit_test(every_changed_line_is_located),
		cmocka_unit_test(every_deleted_line_is_detected),
		cmocka_unit_test(every_inserted_line_is_detected),
		cmocka_unit_test(every_swap_of_two_lines_is_detected),
		cmocka_unit_test(every_truncation_is_detected),
		cmocka_unit_test(a_line_longer_than_the_limit_is_refused),
		cmocka_unit_test(an_equivalent_line_in_another_form_is_refused),
		cmocka_unit_test(the_verdict_on_a_file_names_the_first_bad_line),
		cmocka_unit_test(a_file_is_truncated_to_its_accepted_lines),
		cmocka_unit_test(a_file_of_another_bus_is_set_aside_not_overwritten),
	};
	return cmocka_run_group_tests_name("chain", tests, ledger_make, ledger_drop);
}
