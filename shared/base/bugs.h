/*
 * Known bugs of the ownership protocol. A test build can contain one, to show that the simulation finds it
 * (tests/simulation/bugs.sh). In every other build BUG(n) is the constant false.
 *
 *    1  a new owner does not wait for its claim: it reads to the end and writes in the next epoch
 *    2  records between the end that was read and the owner's claim are not applied
 *    3  input positions are committed to the group before the ledger accepts them, and restored from the group
 *    4  the gateway drops ids that it knows, instead of applying epoch and sequence
 *    5  the sequence within an epoch is not checked
 *    6  decisions are kept although the ledger has not accepted them
 *    7  no epochs: the first record with the next number is accepted
 *    8  clients are answered from records that the ledger rule does not accept
 *    9  two owners in the same epoch are not distinguished
 *   10  after a failed append the owner continues in its epoch
 *   11  a read of an input that returns no record ends the rebuilding of state, although more records exist
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
