/* Converts records of the bus into the form that handlers get (Record). Pure. */
#ifndef TOCSIN_RUNTIME_RECORD_H
#define TOCSIN_RUNTIME_RECORD_H

#include "shared/io/bus.h"
#include "shared/runtime/handler.h"

/* Reads the CloudEvents attributes from packed headers, in one pass. ERROR_INPUT without ce_id, ce_type or a valid ce_time. */
Result record_read(TopicId topic, unsigned partition, const BusRecord *from, Record *out);

/* True for the types of the ledger protocol (claimed, opened, advanced): every type that begins with "tocsin.ledger.". */
bool record_is_bookkeeping(const Record *record);

/*
 * True if the record is in the partition of its incident or of its key (docs/design/ownership.md, "Words and topics"). Also true
 * for a record that names neither, and for every record of a topic that is not slotted.
 */
bool record_is_in_partition(const Record *record, unsigned partitions);

/*
 * Bounds, in bytes, of the texts of an input. Any program may write to a stream, and the id of an input becomes the ce_cause of the
 * records that follow from it. A key may be the id of a policy pack, which is longer than other ids.
 */
enum { RECORD_ID_MAX = 256, RECORD_KEY_MAX = 1280 };

/* True when ce_id, ce_type, ce_cause, ce_subject and the key are UTF-8 without NUL and within their bounds. */
bool record_texts_fit(const Record *record);

/* ERROR_INPUT for an input whose texts do not fit, or that is in the partition of neither its incident nor its key. */
Result record_check(const Record *record, unsigned partitions);

#endif
