/*
 * Deliberate bugs in the ownership protocol. A test build can contain one of them, to show that the simulation finds it
 * (tests/simulation/bugs.sh). In every other build BUG(n) is the constant false.
 *
 *    1  a new owner does not wait until it has read its own claim: it reads to the end of the ledger, claims, and writes at once
 *    2  a new owner does not apply records that arrived after it read to the end of the ledger and before its claim
 *    3  input positions are committed to the consumer group before the ledger accepts them, and restored from the group
 *    4  the gateway drops records whose ids it knows, instead of checking their epoch and sequence number
 *    5  the sequence number within an epoch is not checked
 *    6  decisions are kept although the ledger has not accepted them
 *    7  epochs are not checked: the first record with the next sequence number is accepted
 *    8  the gateway answers clients from records that the ledger rule drops
 *    9  two owners in the same epoch are not distinguished
 *   10  after a failed append the owner continues in its epoch instead of claiming a new one
 *   11  when a read of an input returns no record, rebuilding of state ends, although more records exist
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
