#include "services/classification/classification.h"

#include "services/classification/core/assess.h"
#include "shared/domain/documents.h"
#include "shared/domain/types.h"

enum { REASON_MAX = 8192, FRAME_MAX = 65536 };

static bool type_is_report(Slice type)
{
	static const char *const types[] = { TYPE_REPORT_OPENED, TYPE_REPORT_REPEATED, TYPE_REPORT_RELEASED,
					     TYPE_REPORT_RESUMED };
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (slice_is(type, types[i]))
			return true;
	return false;
}

/* A new object of assessment_table; NULL: the report record needs no assessment (classification.h). */
static json_t *assessment_of(const Policy *policy, Slice type, const ReportRecord *report)
{
	Buffer reason;
	if (report->document == NULL || slice_is(type, TYPE_REPORT_RELEASED))
		return NULL;
	Verdict verdict = assess(policy, report->form, report->document);
	buffer_init(&reason, REASON_MAX);
	verdict_reason(policy, &verdict, &reason);
	json_t *assessment = verdict_encode(policy, &verdict, reason.data);
	buffer_release(&reason);
	return assessment;
}

static void body_write(Slice report, json_t *assessment, Buffer *body)
{
	buffer_text(body, "{\"report\":");
	buffer_append(body, report);
	buffer_text(body, ",\"assessment\":");
	if (assessment != NULL)
		json_write(assessment, body);
	else
		buffer_text(body, "null");
	buffer_byte(body, '}');
}

static Result emit(Handler *handler, const Record *input, json_t *assessment)
{
	Buffer body;
	Id id = id_derived(ID_ASSESSMENT, input->id, 0);
	buffer_init(&body, input->body.size + FRAME_MAX);
	body_write(input->body, assessment, &body);
	const Draft draft = {
		.id = id_slice(&id),
		.type = assessment != NULL ? SLICE(TYPE_ASSESSED) : SLICE(TYPE_ASSESSED_REPEAT),
		.subject = input->subject,
		.body = buffer_slice(&body),
		.time = input->time,
	};
	Result emitted = body.overflowed ? result_fail(ERROR_INPUT, "the assessment is larger than %d bytes: the policy's words are too long", FRAME_MAX) :
					   handler_emit(handler, TOPIC_ASSESSMENTS, record_slot(input), &draft);
	buffer_release(&body);
	return emitted;
}

static Result handle_report(Handler *handler, const Record *input)
{
	json_t *tree JSON_AUTO = NULL;
	ReportRecord report;
	if (!type_is_report(input->type))
		return result_ok();
	TRY(result_wrap(json_read(input->body, &tree), "report record"));
	TRY(result_wrap(json_decode_record(&report_record_table, tree, &report), "report record"));
	json_t *assessment JSON_AUTO = assessment_of(handler->policy, input->type, &report);
	return emit(handler, input, assessment);
}

const Service classification_service = {
	.name = "classification",
	.sentence = "assesses kind, category and grade of each report, with reasons",
	.ledger = TOPICS,
	.inputs = { { .topic = TOPIC_REPORTS, .handle = handle_report } },
	.input_count = 1,
	.outputs = { TOPIC_ASSESSMENTS },
	.output_count = 1,
	.policy = true,
};
