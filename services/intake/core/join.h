/*
 * The open incidents that have a join key. Pure: computes the new row of the key from the present row and an announcement of
 * response. Each record of a join key in the ledger (JoinRecord) states the whole row.
 *
 * An incident that enters is linked with each incident of the row that entered at most window_seconds before or after it.
 * Announcements come from all partitions, so an older announcement may arrive after a newer one; therefore incidents are kept for
 * twice the window. At most JOIN_INCIDENTS_MAX are kept. If the incidents within the window alone fill the row, the next incident
 * is not entered. Instead a campaign is proposed to the first incident of the row, and not again before the row is empty.
 */
#ifndef TOCSIN_INTAKE_JOIN_H
#define TOCSIN_INTAKE_JOIN_H

#include "shared/domain/documents.h"

/*
 * Returns false, with *out untouched, if the row does not change. before NULL: the key is not known. at: time of the announcement.
 * *out borrows from join and before, except its list, which is a new reference.
 */
bool join_judge(const JoinRecord *before, const Join *join, Instant at, JoinRecord *out);

/* True when the two incidents entered within window_seconds of each other. */
bool join_links(const JoinRecord *row, const JoinedIncident *one, const JoinedIncident *other);

/* The time at which the last incident of the row entered; 0 if the row has none. */
Instant join_entered_at(const JoinRecord *row);

/* The time after which no incident of the row can be linked; the row may then be deleted. */
Instant join_ends_at(const JoinRecord *row);

#endif
