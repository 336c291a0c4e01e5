/*
 * Drops the oldest records of an owner's ledger (docs/design/ownership.md, "Trimming"): at most all before the first
 * accepted record that is younger than retention_ms or that state still needs (Service.needed). The new first record is always an
 * accepted one. So the first record of a log is accepted by definition, epochs never restart, and a trimmed log still rebuilds the
 * state. A reader of the ledger that was away for longer than retention_ms may have lost records.
 */
#ifndef TOCSIN_RUNTIME_TRIM_H
#define TOCSIN_RUNTIME_TRIM_H

#include "shared/io/bus.h"
#include "shared/runtime/handler.h"

typedef struct {
	Handler *handler; /* of a service with `needed` */
	BusReader *reader;
	int64_t retention_ms; /* younger records are kept; a ce_time over INSTANT_AHEAD_MAX_MS ahead says nothing about age */
	int64_t until;   /* records from this offset on are kept, because their outputs may not be durable yet */
} LedgerTrim;

/* Reads at most 20,000 records, so more may be left to trim. ERROR_AGAIN of the bus is logged and not returned. */
Result ledger_trim(const LedgerTrim *trim);

#endif
