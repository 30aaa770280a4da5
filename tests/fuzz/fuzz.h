/*
 * fuzz.h: an entry point for libFuzzer (make fuzz) and for the replay of its corpus (make check). Each fuzz_*.c has
 * one; an input that is handled wrongly ends the process.
 */
#ifndef DERIVD_TESTS_FUZZ_FUZZ_H
#define DERIVD_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
