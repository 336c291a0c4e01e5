/*
 * Mistakes of the ownership protocol that can be built in, to show that the simulation finds each of them
 * (tests/simulation/bugs.sh). Only a test build has any: everywhere else BUG(n) is the constant false.
 *
 *    1  a new owner does not wait for its claim: it reads to the end and writes in the next epoch
 *    2  what came in between reading to the end and the own claim is not applied
 *    3  positions of inputs are committed to the group when decided, and taken from there
 *    4  the gateway drops the ids it knows, instead of judging by epoch and sequence
 *    5  the sequence within an epoch is not checked
 *    6  what was decided is kept although the ledger has not accepted it
 *    7  no epochs: the first record with the next number wins
 *    8  clients are answered from records that did not go through the rule
 *    9  two owners in the same epoch are not told apart
 *   10  after a failed send the owner goes on within its epoch
 *   11  what has come of an input is taken for all of it: a read that delivers nothing ends the rebuilding of state
 */
#ifndef TOCSIN_SERVICE_BUGS_H
#define TOCSIN_SERVICE_BUGS_H

#ifndef TOCSIN_BUG
#define BUG(number) false
#define bug_unknown(store, record) true
#else

#ifndef TOCSIN_TEST_BUILD
#error "TOCSIN_BUG breaks the program on purpose; it is for tests, which define TOCSIN_TEST_BUILD"
#endif
#define BUG(number) (TOCSIN_BUG == (number))

#include "shared/edge/bus.h"
#include "shared/edge/store.h"

/* BUG(4): true the first time. */
static inline bool bug_unknown(Store *store, const BusRecord *record)
{
	Slice id = header_get(record->headers, "ce_id");
	must(!result_failed(store_run_(store, "CREATE TABLE IF NOT EXISTS runtime_seen (id TEXT PRIMARY KEY)", NULL, 0)));
	must(!result_failed(store_run(store, "INSERT OR IGNORE INTO runtime_seen VALUES (?1)", V_TEXT(id))));
	return store_changes(store) > 0;
}

#endif
#endif
