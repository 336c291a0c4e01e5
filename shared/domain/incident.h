/*
 * Incidents in memory: the typed document, its changes, and the fold of journal entries, which response and all services that
 * keep copies of the incidents use. Pure.
 *
 * A change is a set of members and their values. A journal entry contains the change as the object `changes`: a member of the
 * set whose value is absent is null in the object; a member outside the set is not in the object.
 */
#ifndef TOCSIN_DOMAIN_INCIDENT_H
#define TOCSIN_DOMAIN_INCIDENT_H

#include "shared/base/id.h"
#include "shared/domain/documents.h"

/* ---- changes */

typedef struct {
	uint64_t members; /* bit i: row i of incident_table */
	Incident values;  /* borrows; only the members of the set count */
	json_t *owned;    /* new list to which values.links points; NULL: none */
} IncidentChange;

/* A change without members; it borrows nothing. */
IncidentChange incident_change_none(void);
/* A change that sets every member that the incident has. Borrows from the incident. */
IncidentChange incident_change_of(const Incident *incident);
void incident_change_release(IncidentChange *change);

/* The bit of the member at an offset of Incident; aborts if no row of incident_table has that offset. */
uint64_t incident_member(size_t offset);

#define CHANGE_MARK(change_, member_) ((change_)->members |= incident_member(offsetof(Incident, member_)))
#define CHANGE(change_, member_, value_) ((change_)->values.member_ = (value_), CHANGE_MARK(change_, member_))
#define CHANGES(change_, member_) (((change_)->members & incident_member(offsetof(Incident, member_))) != 0)

/* The object `changes` of an entry, a new reference. */
json_t *incident_change_encode(const IncidentChange *change);

/* Decodes `changes`; unknown members are ignored, NULL counts as {}. *out borrows from the tree. ERROR_INPUT: a wrong value. */
Result incident_change_decode(json_t *changes, IncidentChange *out);

/* Copies the values of the set into the incident, which then borrows the same texts and trees as the change. */
void incident_change_apply(const IncidentChange *change, Incident *incident);

/* True if the change gives a member a value that the incident does not have. */
bool incident_change_matters(const IncidentChange *change, const Incident *incident);

/* ---- the fold */

/*
 * Facts about an incident that its document does not hold. base_at is the moment from which escalation counts: the opening, a
 * reopening, or an entry that sets escalation_level to 0. notification starts its plans at the same moments (its core/plan.h);
 * so acknowledge_by, which response computes from base_at, is the time at which notification escalates.
 */
typedef struct {
	int64_t report_version; /* highest version of a report that led to an entry */
	bool noise;             /* opened as noise, and not reopened since */
	Instant base_at;        /* INSTANT_NONE before the opening */
	int64_t sequence;       /* of the last entry; see JournalEntry */
} IncidentExtras;

/* An incident as services keep it. A zeroed struct stands for an incident that does not exist. */
enum { INCIDENT_TREES_MAX = 8 };
typedef struct {
	Id id;
	bool exists; /* the incident has entries */
	Incident incident;
	IncidentExtras extras;
	size_t tree_count;
	json_t *trees[INCIDENT_TREES_MAX]; /* the trees from which the incident borrows; owned */
} StoredIncident;

/* An incident without entries. False, with *out zeroed, if id has ID_SIZE bytes or more; the form of id is not checked. */
bool stored_incident_new(Slice id, StoredIncident *out);

/* Releases the trees and zeroes *stored. */
void stored_incident_release(StoredIncident *stored);

/*
 * Decodes a document that stored_incident_write wrote. The caller sets id and extras afterwards. Fails as json_read and
 * json_decode_record; *out then owns nothing and must not be used.
 */
Result stored_incident_read(Slice document, StoredIncident *out);

/* Appends the document as text, every member in the order of the table. */
void stored_incident_write(const StoredIncident *stored, Buffer *out);

/*
 * Folds the entries of a journal record into the incident. The version of each entry must be the previous version plus one, and so
 * must the sequence, if the entry has one; else ERROR_INTERNAL, because the order of the ledger is broken. ERROR_INPUT for an
 * invalid entry. Keeps a reference to the list of entries. On failure, the values in *stored are unchanged.
 */
Result stored_incident_fold(StoredIncident *stored, json_t *entries);

/* True for an entry from which escalation counts; see IncidentExtras.base_at. change: decoded from the entry. */
bool entry_starts_escalation(const JournalEntry *entry, const IncidentChange *change);

#endif
