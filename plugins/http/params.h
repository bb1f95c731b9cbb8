/*
 * params.h - the parameters of a query, typed. What is wrong is added to the request's problem, so that a
 * handler reads all of them and then looks there once.
 */
#ifndef PARAMS_H
#define PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;

/* Percent-decodes into new memory: NULL where it is malformed, has a NUL, or is not UTF-8. */
char *params_decode(const char *text, size_t size);

/* Reads the query of a request: decodes, refuses unknown and repeated names. */
void params_read(struct request *r);

/* NULL: not given. Borrowed. */
const char *params_string(struct request *r, const char *name);
int64_t params_int(struct request *r, const char *name, int64_t otherwise, int64_t low, int64_t high);
bool params_bool(struct request *r, const char *name, bool otherwise);
/* RFC 3339, as UTC ms; 0: not given. */
int64_t params_time(struct request *r, const char *name);
/* Seconds, or with a unit: 250ms, 30s, 5m, 1h; in ms. `option` is what bounds it, for the message. */
int64_t params_duration(struct request *r, const char *name, int64_t otherwise, int64_t high, const char *option);
/* Words separated by commas as bits 1 << parse(word); 0: not given. */
unsigned params_words(struct request *r, const char *name, int (*parse)(const char *word));
/* One of the words, by its index. */
int params_choice(struct request *r, const char *name, const char *const *words, int otherwise);

/* Adds an error about a parameter. */
void __attribute__((format(printf, 3, 4))) params_wrong(struct request *r, const char *name, const char *format, ...);

#endif
