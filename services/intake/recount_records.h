/* Records of tocsin.reports and tocsin.events as core/recount.h wants them: read as intake itself reads them. */
#ifndef TOCSIN_INTAKE_RECOUNT_RECORDS_H
#define TOCSIN_INTAKE_RECOUNT_RECORDS_H

#include "services/intake/core/recount.h"
#include "shared/io/bus.h"

/* An accepted record of the ledger. ERROR_INTERNAL: it is a report without a window that can be read. */
Result recount_take_report(Recount *recount, unsigned partition, const BusRecord *record);

/* A record of events, which has so many partitions; with its body. */
void recount_take_event(Recount *recount, unsigned partition, unsigned partitions, const BusRecord *record);

#endif
