/*
 * The runtime's own tables in a partition's state file, beside the service's tables and so in the same transactions. The other
 * modules of the runtime read and write their own rows. Here are the cursors, which two modules use, and the checks that a file
 * belongs to its bus.
 */
#ifndef TOCSIN_RUNTIME_STATE_H
#define TOCSIN_RUNTIME_STATE_H

#include "shared/domain/ledger.h"
#include "shared/runtime/handler.h"

/* Creates the tables where they are missing, and adds columns that files of earlier versions lack. */
Result state_prepare(Store *store);

/* Drops all rows, the service's too, logs state-dropped and prepares the empty file. */
Result state_reset(const Handler *handler, const char *cluster);

/* *usable: the file was made from this cluster. A file that names no cluster gets this name. cluster "" matches every file. */
Result state_cluster_check(Store *store, const char *cluster, bool *usable);

/* Returns ERROR_INTERNAL: the file reflects records that the topic does not hold, so the bus is older than the file. */
Result state_newer_than_bus(const Handler *handler, TopicId topic);

/* Returns ERROR_INTERNAL: a row of the file cannot have been written by the runtime or the service. */
Result state_broken(const Handler *handler);

/* name: "ledger", "derive", or TOPIC/PARTITION of an input. A cursor that was never saved loads as zeros. */
Result state_cursor_save(Store *store, const char *name, const LedgerCursor *cursor);
Result state_cursor_load(Store *store, const char *name, LedgerCursor *out);

#endif
