/* skim_decode against json_decode: both give the same values for any bytes that skim_decode accepts. */
#include "tests/fuzz/fuzz.h"

#include "shared/domain/documents.h"
#include "tests/unit/every_type.h"
#include "tests/unit/skimmed.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Slice document = { (const char *)bytes, size };
	skimmed_alike(&event_table, document);
	skimmed_alike(&report_table, document);
	skimmed_alike(&document_table, document);
	return 0;
}
