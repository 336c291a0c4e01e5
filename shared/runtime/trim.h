/*
 * Drops the oldest records of an owner's ledger (docs/design/ownership.md, "Trimming"): all before an accepted record that is
 * young, or from which on the log states everything that state still holds. So a log's first record is accepted by definition,
 * epochs never restart, and a trimmed log still rebuilds the state. A reader of the ledger that was away for longer than
 * retention_ms has lost records.
 */
#ifndef TOCSIN_RUNTIME_TRIM_H
#define TOCSIN_RUNTIME_TRIM_H

#include "shared/io/bus.h"
#include "shared/runtime/handler.h"

typedef struct {
	Handler *handler; /* of a service with `needed` */
	BusReader *reader;
	int64_t retention_ms; /* younger records are kept, by ce_time */
	int64_t until;   /* records from this offset on are kept: their outputs may not be durable yet */
} LedgerTrim;

/* Reads at most 20,000 records and may leave more to trim. A bus that answers ERROR_AGAIN is logged, not an error. */
Result ledger_trim(const LedgerTrim *trim);

#endif
