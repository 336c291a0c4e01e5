/*
 * The incidents of a service's store, a fold of the journal: one module for response, which decides from them, and for the copies
 * of notification and of the gateway's view. The last incident stays decoded, because a service usually handles the same one
 * several times in a row.
 *
 * The table `incidents` has the columns of INCIDENT_COLUMNS; a service may add its own. document is the whole document as text.
 */
#ifndef TOCSIN_RUNTIME_INCIDENT_STORE_H
#define TOCSIN_RUNTIME_INCIDENT_STORE_H

#include "shared/domain/incident.h"
#include "shared/io/sqlite/store.h"

#define INCIDENT_COLUMNS                                                                   \
	"id TEXT PRIMARY KEY, document TEXT NOT NULL, report_version INTEGER NOT NULL,"    \
	" noise INTEGER NOT NULL, base_at INTEGER NOT NULL, sequence INTEGER NOT NULL"

/* A larger document cannot be saved: links, observables and texts of an incident are bounded well below. */
enum { INCIDENT_DOCUMENT_MAX = 4 << 20 };

typedef struct {
	StoredIncident last;
	Buffer text; /* of the last document written */
} IncidentStore;

void incident_store_init(IncidentStore *incidents);
/* Call when the store was changed by others or rolled back: the next load reads the incident from the store again. */
void incident_store_forget(IncidentStore *incidents);
void incident_store_release(IncidentStore *incidents);

/*
 * *out is borrowed until the next call; (*out)->exists is false if there is no such incident. ERROR_INTERNAL: the row is damaged;
 * the text says that the state file is to be deleted.
 */
Result incident_store_load(IncidentStore *incidents, Store *store, Slice id, const StoredIncident **out);

/* Folds the entries of a record into its incident, and does not save; see stored_incident_fold. *out is borrowed as above. */
Result incident_store_fold(IncidentStore *incidents, Store *store, const JournalRecord *record, const StoredIncident **out);

/* For copies, which may read a record again: does nothing, with *out NULL, if the copy already includes the entries. */
Result incident_store_follow(IncidentStore *incidents, Store *store, const JournalRecord *record, const StoredIncident **out);

/* The document of the incident that was loaded or folded last, as text; borrowed until the next call. ERROR_INTERNAL: too large. */
Result incident_store_text(IncidentStore *incidents, Slice *out);

/* Writes the columns of INCIDENT_COLUMNS of the incident that was loaded or folded last. On failure that incident is forgotten. */
Result incident_store_save(IncidentStore *incidents, Store *store);

#endif
