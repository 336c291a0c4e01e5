/*
 * Invariants of a world in which no step makes progress any more. The judge reads the logs, the gateway's view and response's
 * documents. It checks each invariant with simple code that is independent of the services:
 *
 *   counted       each durable event counts exactly once, in an incident of its correlation key; each event acknowledged to a
 *                 client is durable
 *   versions      an incident's entries are numbered 1, 2, 3 …, in the journal and in the view
 *   transitions   each entry's change of status is in the judge's table of allowed changes (judge.c)
 *   commands      each durable command has exactly one answer in the journal
 *   answers       clients were answered only from accepted records
 *   views         the gateway's documents equal response's, and all replicas of the gateway see the same
 *   outputs       the outputs of each accepted record were published, each under a separate id
 *   links         each link is in both incidents, once; all incidents are linked that were open at the same time with the same
 *                 asset or actor, and opened within the window
 *   fresh         an owner that loses its disk rebuilds the same state from the untrimmed records
 *   notifications each level of each escalation that was planned and not stopped was reached, in order, each with its deliveries;
 *                 each delivery was sent (and the receiver has it), failed or skipped; each message that was sent is in the ledger
 *   on time       from calm_at on, a level is recorded at most a second after it is due, and no message is sent twice: whether the
 *                 timer store is there, away, flapping or emptied
 *   audit         the audit log holds each accepted entry, answer and delivery, and each assessment, once; its hash chain is intact
 *   ledgers       a replay finds no error (offsets, ce_prev, causes, positions: docs/design/ownership.md, "Invariants")
 */
#ifndef TOCSIN_TESTS_JUDGE_H
#define TOCSIN_TESTS_JUDGE_H

#include "tests/simulation/world.h"

/* Returns the number of broken invariants; each is printed on stderr with the seed. */
unsigned judge_world(World *world);

#endif
