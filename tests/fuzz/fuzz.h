/*
 * fuzz.h - what each fuzz target has: how many inputs it has taken for good, so that a test can tell that the
 * seeds reach the accepting end of its parser (replay.c). Included once by each target.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

size_t fuzz_accepted;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
