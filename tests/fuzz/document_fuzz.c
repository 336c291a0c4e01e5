/* skim_decode against json_decode: both give the same values for any bytes that skim_decode accepts. */
#include "tests/fuzz/fuzz.h"

#include "shared/domain/documents.h"
#include "tests/unit/every_type.h"
#include "tests/unit/skimmed.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Slice document = { (const char *)bytes, size };
	skim_agrees_with_tree(&event_table, document);
	skim_agrees_with_tree(&report_table, document);
	skim_agrees_with_tree(&document_table, document);
	return 0;
}
