/*
 * A hostile writer: it writes valid and invalid records to every stream and table, and to ledgers any record except a new claim or
 * a new record of the current epoch and owner. No hostile record stops a service, and every honest input keeps its one effect
 * (docs/design/ownership.md, "Invariants").
 *
 * Hostile records under the id or key of an honest record are invalid or copies. Valid hostile records concern only incidents and
 * keys that no client uses, so that the judge need not know the effect of a valid command of another program.
 */
#ifndef TOCSIN_TESTS_HOSTILE_H
#define TOCSIN_TESTS_HOSTILE_H

#include "tests/simulation/world.h"

/* Writes at most one record: none if no hostile writer takes part in this world, or if the drawn kind of record is impossible
 * now. */
void hostile_write(World *world);

/* True for a record of the hostile writer. */
bool is_hostile(const BusRecord *record);

/* True for a record that every reader of a stream refuses because of its key, its headers or its partition. */
bool is_refused(const World *world, TopicId topic, unsigned partition, const BusRecord *record);

#endif
