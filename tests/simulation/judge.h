/*
 * Invariants of a world in which nothing moves any more. The judge reads the logs, the gateway's view and response's documents, and
 * checks each invariant in its own, simple way:
 *
 *   counted       each durable event counts exactly once, in an incident of its correlation key; each event acknowledged to a
 *                 client is durable
 *   versions      an incident's entries are numbered 1, 2, 3 …, in the journal and in the view
 *   transitions   each entry's change of status is in the table of allowed changes here
 *   commands      each durable command has exactly one answer in the journal
 *   answers       clients were answered only from accepted records
 *   views         the gateway's documents equal response's, and all replicas of the gateway see the same
 *   outputs       the outputs of each accepted record were published, under as many ids as it has outputs
 *   links         are on both sides, each once; all incidents that were open at the same time with the same asset or actor are
 *                 linked
 *   fresh         an owner that loses its disk rebuilds the same state from the records kept, trimmed ledgers included
 *   notifications each level of each escalation that was planned and not stopped was reached, in order, each with its deliveries;
 *                 each delivery was sent (and the receiver has it), failed or skipped; the ledger knows each message that was sent
 *   on time       from calm_at on, a level is recorded at most a second after it is due, and no message is sent twice: whether the
 *                 timer store is there, away, flapping or emptied
 *   audit         its file holds each accepted entry, answer and delivery and each assessment once, and verifies
 *   ledgers       the replay finds nothing (offsets, ce_prev, causes, positions: docs/design/ownership.md, "Invariants")
 */
#ifndef TOCSIN_TESTS_JUDGE_H
#define TOCSIN_TESTS_JUDGE_H

#include "tests/simulation/world.h"

/* Returns the number of broken invariants; each is printed on stderr with the seed. */
unsigned judge_world(World *world);

#endif
