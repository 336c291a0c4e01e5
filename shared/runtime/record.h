/* Converts records of the bus into the form that handlers get (Record). Pure. */
#ifndef TOCSIN_RUNTIME_RECORD_H
#define TOCSIN_RUNTIME_RECORD_H

#include "shared/io/bus.h"
#include "shared/runtime/handler.h"

/* Reads the CloudEvents attributes from packed headers, in one pass. ERROR_INPUT without ce_id, ce_type or a valid ce_time. */
Result record_read(TopicId topic, unsigned partition, const BusRecord *from, Record *out);

/* True for the ledger protocol's own types: claimed, opened, advanced. */
bool record_is_bookkeeping(const Record *record);

/*
 * True if the record is in the partition of its incident or of its key (docs/design/ownership.md, "Words and topics"). A record
 * that names neither may be in any partition.
 */
bool record_is_in_partition(const Record *record, unsigned partitions);

/* ERROR_INPUT if record_is_in_partition is false. */
Result record_partition_check(const Record *record, unsigned partitions);

#endif
