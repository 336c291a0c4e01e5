/*
 * What must be true once a world has come to rest, whatever happened before. It looks at the logs and at the gateway's
 * view, never into the services' own memory, and has its own, simple idea of each promise:
 *
 *   counted       every event that is durable counts exactly once, in an incident of its own correlation key; every event
 *                 that a client was told is durable is there
 *   versions      an incident's entries are numbered 1, 2, 3 …, in the journal and in the view
 *   transitions   no entry changes a status in a way that the table of allowed changes here does not know
 *   commands      every durable command has exactly one answer in the journal
 *   answers       whoever was answered was answered from a record that is of record
 *   views         the gateway's documents equal response's, and every replica of the gateway sees the same
 *   outputs       what every accepted record derives was published, under as many ids as it has outputs
 *   links         stand on both sides, each once; all that were open at the same time with the same asset or actor are linked
 *   fresh         an owner that loses its disk makes the same state again from what is kept, trimmed ledgers or not
 *   told          every level of every escalation that was planned and not stopped was reached, in order, each with its
 *                 deliveries, each delivery sent (and then the receiver has it), failed or skipped; nothing was sent that
 *                 no ledger knows
 *   audit         its file holds every accepted entry, answer and delivery and every assessment once, and verifies
 *   ledgers       replay finds nothing (offsets, ce_prev, causes, positions: docs/design/ownership.md, "Invariants")
 */
#ifndef TOCSIN_TESTS_JUDGE_H
#define TOCSIN_TESTS_JUDGE_H

#include "tests/simulation/world.h"

/* Number of broken promises, each said on stderr with the seed. */
unsigned judge_world(World *world);

#endif
