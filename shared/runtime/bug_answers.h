/* For BUG(4) of shared/base/bugs.h: remembers which ids a reader has seen. */
#ifndef TOCSIN_RUNTIME_BUG_ANSWERS_H
#define TOCSIN_RUNTIME_BUG_ANSWERS_H

#include "shared/io/bus.h"
#include "shared/io/sqlite/store.h"

/* True the first time that the record's id is seen. */
static inline bool bug_unknown(Store *store, const BusRecord *record)
{
	Slice id = header_get(record->headers, "ce_id");
	must(!result_failed(store_run(store, "CREATE TABLE IF NOT EXISTS runtime_seen (id TEXT PRIMARY KEY)")));
	must(!result_failed(store_run(store, "INSERT OR IGNORE INTO runtime_seen VALUES (?1)", V_TEXT(id))));
	return store_changes(store) > 0;
}

#endif
