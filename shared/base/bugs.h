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
#ifndef TOCSIN_BASE_BUGS_H
#define TOCSIN_BASE_BUGS_H

#ifndef TOCSIN_BUG
#define BUG(number) false
#else

#ifndef TOCSIN_TEST_BUILD
#error "TOCSIN_BUG breaks the program on purpose; it is for tests, which define TOCSIN_TEST_BUILD"
#endif
#define BUG(number) (TOCSIN_BUG == (number))

#endif
#endif
