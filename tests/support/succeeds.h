/* Fails the test if a call that returns a Result fails. Only for the thread that runs the test; other threads use `must`. */
#ifndef TOCSIN_TESTS_SUCCEEDS_H
#define TOCSIN_TESTS_SUCCEEDS_H

#include "shared/base/error.h"

/* The file that uses this macro must include cmocka.h. */
#define succeeds(call)                                            \
	do {                                                      \
		Result succeeds_ = (call);                        \
		if (result_failed(succeeds_))                     \
			fail_msg("%s: %s", #call, succeeds_.text); \
	} while (0)

#endif
