/*
 * A hostile writer: it writes anything, valid or not, to every stream and table, and to ledgers anything but a claim or a new
 * record of the current epoch and owner. Nothing it writes stops a service, and every honest input keeps its one effect
 * (docs/design/ownership.md, "Invariants").
 *
 * Its records under the id or key of an honest record are invalid, or copies. Its valid records are about incidents and keys of its
 * own, so that the judge need not know the effect of a valid command of another program.
 */
#ifndef TOCSIN_TESTS_HOSTILE_H
#define TOCSIN_TESTS_HOSTILE_H

#include "tests/simulation/world.h"

/* Writes one record. */
void hostile_write(World *world);

/* True for a record of the hostile writer. */
bool is_hostile(const BusRecord *record);

/* True for a record that every reader of a stream refuses because of its headers or its partition. */
bool is_refused(const World *world, TopicId topic, unsigned partition, const BusRecord *record);

#endif
