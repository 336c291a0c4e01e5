/* The assessments that classification emits for records of intake's ledger. This file replaces two functions of the runtime. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/classification/classification.h"
#include "shared/domain/documents.h"
#include "shared/domain/types.h"
#include "tests/unit/pack.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20, SLOT = 77 };

#define FRAME                                                                                                          \
	"{\"incident_id\":\"inc_1\",\"event_id\":\"evt_1\",\"correlation_key\":\"k\",\"form\":\"%s\","                 \
	"\"report_version\":%d,\"event_count\":3,\"received_at\":\"2026-11-23T01:00:00.000Z\",\"document\":%s}"

/* ---- emitted records */
static struct {
	unsigned count, slot;
	TopicId topic;
	char id[ID_SIZE], type[64], subject[64];
	Instant time;
	Buffer body;
} emitted;

static void keep(Slice slice, char *out, size_t size)
{
	assert_true(text_copy(slice, out, size));
}

Result handler_emit(Handler *handler, TopicId topic, unsigned slot, const Draft *draft)
{
	(void)handler;
	emitted.count++;
	emitted.topic = topic;
	emitted.slot = slot;
	emitted.time = draft->time;
	keep(draft->id, emitted.id, sizeof emitted.id);
	keep(draft->type, emitted.type, sizeof emitted.type);
	keep(draft->subject, emitted.subject, sizeof emitted.subject);
	buffer_clear(&emitted.body);
	buffer_append(&emitted.body, draft->body);
	return result_ok();
}

unsigned record_slot(const Record *record)
{
	(void)record;
	return SLOT;
}

static Policy *policy;

static int setup(void **state)
{
	(void)state;
	policy = pack_compiled(NULL);
	buffer_init(&emitted.body, TEXT_MAX);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buffer_release(&emitted.body);
	policy_free(policy);
	return 0;
}

/* Passes a record to the service's handler. */
static Result hand(const char *id, const char *type, const char *body)
{
	Handler handler = { .service = &classification_service, .policy = policy };
	const Record record = {
		.topic = TOPIC_REPORTS,
		.id = slice_of(id),
		.type = slice_of(type),
		.subject = SLICE("inc_1"),
		.time = 1795395600000,
		.body = slice_of(body),
	};
	emitted.count = 0;
	return classification_service.inputs[0].handle(&handler, &record);
}

static void hand_report(const char *type, const char *form, int version, const char *document)
{
	Buffer body;
	buffer_init(&body, TEXT_MAX);
	buffer_format(&body, FRAME, form, version, document);
	assert_false(result_failed(hand("rec_1", type, body.data)));
	assert_int_equal(emitted.count, 1);
	assert_memory_equal(emitted.body.data, "{\"report\":", 10);
	assert_memory_equal(emitted.body.data + 10, body.data, body.size);
	buffer_release(&body);
}

/* Decodes the emitted record and returns its tree, a new reference. *out: the record's assessment; all zero if it is missing. */
static json_t *assessment_emitted(Assessment *out)
{
	json_t *tree = NULL;
	AssessmentRecord record;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	assert_false(result_failed(json_read(buffer_slice(&emitted.body), &tree)));
	assert_true(json_decode(&assessment_record_table, tree, true, &record, &errors));
	if (record.assessment != NULL)
		assert_true(json_decode(&assessment_table, record.assessment, true, out, &errors));
	else
		memset(out, 0, sizeof *out);
	return tree;
}

/* ---- tests */
static void an_assessment_embeds_the_opened_report_byte_for_byte(void **state)
{
	Assessment assessment;
	(void)state;
	hand_report(TYPE_REPORT_OPENED, "event", 1, "{\"source\" : \"edr\",\n\"title\":\"Ransom note\"}");
	json_t *tree JSON_AUTO = assessment_emitted(&assessment);
	assert_int_equal(emitted.topic, TOPIC_ASSESSMENTS);
	assert_int_equal(emitted.slot, SLOT);
	assert_string_equal(emitted.type, TYPE_ASSESSED);
	assert_string_equal(emitted.subject, "inc_1");
	assert_true(emitted.time == 1795395600000);
	assert_string_equal(kind_words[assessment.kind], "incident");
	assert_string_equal(assessment.category, "01007");
	assert_string_equal(grade_words[assessment.grade], "II");
	assert_memory_equal(assessment.reason, "Rule ransomware. ", 17);
	assert_string_equal(assessment.policy_version, policy_version(policy));
}

static void a_repeat_without_a_document_is_only_counted(void **state)
{
	Assessment assessment;
	(void)state;
	hand_report(TYPE_REPORT_REPEATED, "event", 2, "null");
	json_t *tree JSON_AUTO = assessment_emitted(&assessment);
	assert_string_equal(emitted.type, TYPE_ASSESSED_REPEAT);
	assert_null(assessment.policy_version);
}

static void a_more_severe_repeat_is_assessed_again(void **state)
{
	Assessment assessment;
	(void)state;
	hand_report(TYPE_REPORT_REPEATED, "event", 3, "{\"source\":\"a\",\"title\":\"b\",\"severity\":\"critical\"}");
	json_t *tree JSON_AUTO = assessment_emitted(&assessment);
	assert_string_equal(emitted.type, TYPE_ASSESSED);
	assert_string_equal(severity_words[assessment.severity], "critical");
}

static void a_released_report_has_its_last_count(void **state)
{
	Assessment assessment;
	(void)state;
	hand_report(TYPE_REPORT_RELEASED, "event", 4, "null");
	json_t *tree JSON_AUTO = assessment_emitted(&assessment);
	assert_string_equal(emitted.type, TYPE_ASSESSED_REPEAT);
	assert_null(assessment.policy_version);
}

static void a_persons_report_keeps_the_kind_its_reporter_gave(void **state)
{
	Assessment assessment;
	(void)state;
	hand_report(TYPE_REPORT_OPENED, "report", 1, "{\"kind\":\"weakness\",\"description\":\"a door\"}");
	json_t *tree JSON_AUTO = assessment_emitted(&assessment);
	assert_string_equal(kind_words[assessment.kind], "weakness");
}

static void a_repeated_run_emits_the_same_record(void **state)
{
	char id[ID_SIZE];
	(void)state;
	hand_report(TYPE_REPORT_OPENED, "event", 1, "{\"source\":\"a\",\"title\":\"b\"}");
	char *first = slice_copy(buffer_slice(&emitted.body));
	memcpy(id, emitted.id, sizeof id);
	hand_report(TYPE_REPORT_OPENED, "event", 1, "{\"source\":\"a\",\"title\":\"b\"}");
	assert_string_equal(emitted.id, id);
	assert_string_equal(emitted.body.data, first);
	assert_true(id_is("asm_", slice_of(id)));
	free(first);
	Buffer body;
	buffer_init(&body, TEXT_MAX);
	buffer_format(&body, FRAME, "event", 1, "null");
	assert_false(result_failed(hand("rec_2", TYPE_REPORT_REPEATED, body.data)));
	assert_string_not_equal(emitted.id, id);
	buffer_release(&body);
}

static void a_record_of_another_type_is_ignored(void **state)
{
	(void)state;
	assert_false(result_failed(hand("rec_1", "tocsin.report.split.v1", "{}")));
	assert_int_equal(emitted.count, 0);
}

static void a_record_that_cannot_be_read_is_refused(void **state)
{
	static const char *const broken[] = { "", "{", "{}", "{\"incident_id\":7}" };
	(void)state;
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		assert_int_equal(hand("rec_1", TYPE_REPORT_OPENED, broken[i]).kind, ERROR_INPUT);
		assert_int_equal(emitted.count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_assessment_embeds_the_opened_report_byte_for_byte),
		cmocka_unit_test(a_repeat_without_a_document_is_only_counted),
		cmocka_unit_test(a_more_severe_repeat_is_assessed_again),
		cmocka_unit_test(a_released_report_has_its_last_count),
		cmocka_unit_test(a_persons_report_keeps_the_kind_its_reporter_gave),
		cmocka_unit_test(a_repeated_run_emits_the_same_record),
		cmocka_unit_test(a_record_of_another_type_is_ignored),
		cmocka_unit_test(a_record_that_cannot_be_read_is_refused),
	};
	return cmocka_run_group_tests_name("classification", tests, setup, teardown);
}
