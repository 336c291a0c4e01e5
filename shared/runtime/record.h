/* Records of the bus as handlers see them, read in one place for all readers. Pure. */
#ifndef TOCSIN_RUNTIME_RECORD_H
#define TOCSIN_RUNTIME_RECORD_H

#include "shared/io/bus.h"
#include "shared/runtime/handler.h"

/* Reads the CloudEvents attributes from packed headers, in one pass. ERROR_INPUT without ce_id, ce_type or a valid ce_time. */
Result record_read(TopicId topic, unsigned partition, const BusRecord *from, Record *out);

/* True for the ledger protocol's own types: claimed, opened, advanced. */
bool record_is_bookkeeping(const Record *record);

/*
 * True where the record is in the partition of its incident or of its key (docs/design/ownership.md, "Words and topics"). A record that names neither may be anywhere.
 */
bool record_is_in_partition(const Record *record, unsigned partitions);

/* record_is_in_partition as a Result: ERROR_INPUT. */
Result record_partition_check(const Record *record, unsigned partitions);

#endif
