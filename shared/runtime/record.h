/* Records of the bus as handlers see them: one reading of their headers for all who read them. Pure. */
#ifndef TOCSIN_RUNTIME_RECORD_H
#define TOCSIN_RUNTIME_RECORD_H

#include "shared/io/bus.h"
#include "shared/runtime/handler.h"

/* The CloudEvents attributes out of packed headers, in one pass. ERROR_INPUT without ce_id, ce_type or ce_time. */
Result record_read(TopicId topic, unsigned partition, const BusRecord *from, Record *out);

/* One of the ledger protocol's own: a claim, an opening, an advance. */
bool record_is_bookkeeping(const Record *record);

/* True where its incident or its key lives in the partition in which it stands, of so many. */
bool record_is_placed(const Record *record, unsigned partitions);

#endif
