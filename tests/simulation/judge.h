/*
 * Invariants of a world in which no step makes progress any more. The judge reads the logs, the services' state and the audit
 * file. It checks each invariant with simple code, most of which is independent of the services:
 *
 *   counted       each durable event counts exactly once, in an incident of its correlation key; each event acknowledged to a
 *                 client is durable
 *   versions      an incident's entries are numbered 1, 2, 3 …, in the journal and in the view
 *   transitions   each entry's change of kind and status is allowed by the table of commands or the rules for assessments (judge.c)
 *   commands      each command acknowledged to a client has exactly one answer in the journal, every other command at most one
 *   answers       clients were answered only from accepted records
 *   views         the gateway's documents equal response's, and all replicas of the gateway see the same
 *   outputs       the outputs of each accepted record were published, each under a separate id
 *   links         each link is in both incidents, once; all incidents are linked that were open at the same time with the same
 *                 asset or actor, and opened within the window
 *   fresh         an owner, chosen by the seed, that loses its disk rebuilds the same state from the untrimmed records
 *   notifications each level of each escalation that was planned and not stopped was reached, in order, each with its deliveries;
 *                 each delivery was sent (and the receiver has it), failed or skipped; each message that was sent is in the ledger
 *   on time       from calm_at on, a level is recorded at most a second after it is due, and no message is sent twice, even if the
 *                 timer store is unreachable, reachable only at times, or emptied
 *   audit         the audit log holds each accepted entry, answer and delivery, and each assessment, once; its hash chain is intact
 *   ledgers       a replay finds no error (offsets, ce_prev, causes, positions: docs/design/ownership.md, "Invariants")
 *   others        every replica is ready; ids are unique in a ledger; the table of incidents equals the view; a recount of events
 *                 finds no error; only hostile records have dead letters
 */
#ifndef TOCSIN_TESTS_JUDGE_H
#define TOCSIN_TESTS_JUDGE_H

#include "tests/simulation/world.h"

/* Returns the number of broken invariants; each is printed on stderr with the seed. */
unsigned judge_world(World *world);

#endif
