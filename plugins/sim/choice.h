/*
 * choice.h - which of the simulated hosts something happens to: none, one of every N by place in
 * the unit, a share by name, or a list of names.
 *
 * The same host, seed and purpose always give the same answer. One thread.
 */
#ifndef SIM_CHOICE_H
#define SIM_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct drover_error;
struct json_object;

enum choice_kind { CHOICE_NONE = 0, CHOICE_EVERY = 1, CHOICE_SHARE = 2, CHOICE_NAMES = 3 };

struct choice {
	enum choice_kind kind;
	uint64_t salt;      /* so that two purposes do not choose the same hosts */
	int64_t count, of;  /* EVERY: the last `count` of each `of` hosts of the unit */
	uint64_t below;     /* SHARE: hashes below it; UINT64_MAX: all */
	const char **names; /* NAMES: sorted; the array is owned, the strings belong to the JSON */
	size_t names_count;
};

/* A host as choices see it. */
struct choice_host {
	const char *name;
	uint64_t hash; /* choice_hash(name, seed) */
	size_t place;  /* in the unit */
};

/* A well mixed number that depends on the text and the seed alone. */
uint64_t choice_hash(const char *text, uint64_t seed);
/* The same for a hash and a purpose. */
uint64_t choice_mix(uint64_t hash, uint64_t salt);

/* "1/30", "0.01", 0.01 or ["web1", "web2"]. `what` names it in messages and salts it. DROVER_EINVALID. */
int choice_parse(const char *what, struct json_object *value, struct choice *choice, struct drover_error *err);
/* The same for an option's text; NULL or "": none. */
int choice_parse_text(const char *what, const char *text, struct choice *choice, struct drover_error *err);
void choice_dispose(struct choice *choice);
bool choice_has(const struct choice *choice, const struct choice_host *host);

#endif
