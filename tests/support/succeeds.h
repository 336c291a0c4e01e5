/* Fails the test if a call that returns a Result fails. For the thread that cmocka runs only: elsewhere use must. */
#ifndef TOCSIN_TESTS_SUCCEEDS_H
#define TOCSIN_TESTS_SUCCEEDS_H

#include "shared/base/error.h"

/* The caller includes cmocka.h. */
#define succeeds(call)                                            \
	do {                                                      \
		Result succeeds_ = (call);                        \
		if (result_failed(succeeds_))                     \
			fail_msg("%s: %s", #call, succeeds_.text); \
	} while (0)

#endif
