/*
 * Intake: removes duplicates, counts repeats, and correlates events into reports. Its ledger is tocsin.reports.
 *
 * Counting is exact although repeats are first counted in memory:
 *
 *   - Repeats are coalesced and reported later. Until then the accepted position stays at or before the first unreported repeat
 *     (Service.position), so they are read again after a crash.
 *   - Every report record states `through`: events of the key before that offset are counted. After a restart, events
 *     before `through` are skipped and events from `through` on are counted.
 *   - An event is judged as a duplicate, a repeat or the first of a new incident only from the earlier events and their
 *     headers, so a second reading gives the same verdicts.
 *
 * Independently of counting, intake keeps the open incidents that share a join key (joins.h).
 */
#ifndef TOCSIN_INTAKE_INTAKE_H
#define TOCSIN_INTAKE_INTAKE_H

#include "shared/runtime/handler.h"

extern const Service intake_service;

#endif
