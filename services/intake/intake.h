/*
 * Intake: duplicates out, repeats counted, related events put together into one report. Its ledger is tocsin.reports.
 *
 * How counting stays exact though repeats are only counted in memory:
 *
 *   - A repeat is reported late, together with others. Until then the accepted position stays at or before it (`position`),
 *     so after a crash it is read again.
 *   - Every report record states `through`: events of the key before that offset are counted. What is read again and lies
 *     before it is skipped; what lies behind it is counted.
 *   - Whether an event is a duplicate, a repeat or the first of a new incident depends on the events before it and on
 *     their headers alone, so reading again decides the same.
 *
 * Beside it, and apart from it, it keeps which open incidents have something in common (joins.h).
 */
#ifndef TOCSIN_INTAKE_INTAKE_H
#define TOCSIN_INTAKE_INTAKE_H

#include "shared/runtime/handler.h"

extern const Service intake_service;

#endif
