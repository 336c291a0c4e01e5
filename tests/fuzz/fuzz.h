/*
 * Fuzz targets: tests/fuzz/NAME_fuzz.c has one function that receives any bytes and checks invariants with must(). `make fuzz`
 * searches with libFuzzer. `make test-fuzz`, a part of `make test`, runs the targets on their corpora, tests/fuzz/corpus/NAME,
 * with the compiler and sanitizers of the build. Add every file that has broken a target to the corpus of this target.
 */
#ifndef TOCSIN_TESTS_FUZZ_H
#define TOCSIN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0. libFuzzer prescribes the name. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
