/* Passes records of tocsin.reports and tocsin.events to core/recount.h, and reads them exactly as intake does. */
#ifndef TOCSIN_INTAKE_RECOUNT_RECORDS_H
#define TOCSIN_INTAKE_RECOUNT_RECORDS_H

#include "services/intake/core/recount.h"
#include "shared/io/bus.h"

/* An accepted record of the ledger. ERROR_INTERNAL: a report whose window header cannot be read. */
Result recount_take_report(Recount *recount, unsigned partition, const BusRecord *record);

/* A record of tocsin.events, with its body. partitions: the number of partitions of the topic. */
void recount_take_event(Recount *recount, unsigned partition, unsigned partitions, const BusRecord *record);

#endif
