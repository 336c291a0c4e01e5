/*
 * Which open incidents have a join key: who came, who went, who is too old to be linked with. Pure: the key's row and what
 * response announces in, the row after it out. The row is the record (JoinRecord): a join key's newest record states all.
 *
 * An incident that comes is linked with every one that is there and came at most window_seconds before or after it. They
 * come from all partitions, so an older one may come later: incidents are kept for twice the window. More than
 * JOIN_INCIDENTS_MAX are not kept. Where those within the window alone are so many, the first that does not fit makes a
 * proposal to the one that came first, once as long as any of them is kept.
 */
#ifndef TOCSIN_INTAKE_JOIN_H
#define TOCSIN_INTAKE_JOIN_H

#include "shared/domain/documents.h"

/*
 * False: nothing changes, *out is untouched. before is NULL where the key is not known. at: when it was announced. *out
 * borrows from join and before, except its list, which is a new reference.
 */
bool join_judge(const JoinRecord *before, const Join *join, Instant at, JoinRecord *out);

/* True when two incidents of the row are near enough to be linked. */
bool join_links(const JoinRecord *row, const JoinedIncident *one, const JoinedIncident *other);

/* When nothing of the row is left to be linked with; it may be forgotten then. */
Instant join_ends_at(const JoinRecord *row);

#endif
