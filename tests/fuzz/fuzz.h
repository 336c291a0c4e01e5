/*
 * Fuzz targets: tests/fuzz/NAME_fuzz.c has one function that is given any bytes and must hold its invariants, with must().
 * `make fuzz` searches with libFuzzer, `make test-fuzz` (part of make test) plays the corpora, tests/fuzz/corpus/NAME, with
 * whatever compiler and sanitizers the rest is built with. A file that broke something is added to its corpus.
 */
#ifndef TOCSIN_TESTS_FUZZ_H
#define TOCSIN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0. The name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
