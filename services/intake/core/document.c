#include "services/intake/core/document.h"

#include "shared/base/skim.h"
#include "shared/domain/documents.h"

enum { GROWTH_MAX = 6 }; /* 0.1 is written as 0.10000000000000001: rewriting multiplies the size of a document by less than this */

/* Response stores members of the document as json_write writes them. */
static Result size_check(json_t *tree, Slice document)
{
	Buffer written;
	if (document.size <= SENDER_BYTES_MAX / GROWTH_MAX)
		return result_ok();
	buffer_init(&written, SENDER_BYTES_MAX);
	json_write(tree, &written);
	bool fits = !written.overflowed;
	buffer_release(&written);
	return fits ? result_ok() : result_fail(ERROR_INPUT, "the document has more than %d bytes when it is written again", SENDER_BYTES_MAX);
}

/* Lenient, like the services that read the report: a later version may have added members. */
static Result tree_check(bool person, Slice document)
{
	json_t *tree JSON_AUTO = NULL;
	EventDocument event;
	ReportDocument report;
	TRY(result_wrap(json_read(document, &tree), "document"));
	if (json_depth(tree) > SENDER_DEPTH_MAX)
		return result_fail(ERROR_INPUT, "the document is nested deeper than %d levels", SENDER_DEPTH_MAX);
	TRY(person ? json_decode_record(&report_table, tree, &report) : json_decode_record(&event_table, tree, &event));
	return size_check(tree, document);
}

Result document_check(bool person, Slice document)
{
	SkimTexts texts;
	EventDocument event;
	if (document.size == 0 || document.size > SENDER_BYTES_MAX)
		return result_fail(ERROR_INPUT, "the document is empty, or larger than %d bytes", SENDER_BYTES_MAX);
	bool small = document.size <= SENDER_BYTES_MAX / GROWTH_MAX;
	return !person && small && skim_decode(&event_table, document, &event, &texts) ? result_ok() : tree_check(person, document);
}
