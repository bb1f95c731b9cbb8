/* envelope.c - messages of the next version, for the tests of an upgrade: what a program of today must leave alone. */
#define ENVELOPE_VERSION 2
#include "../../core/task/envelope.c"
