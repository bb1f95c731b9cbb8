/*
 * fuzz_nodeset.c - any text as a node set (libFuzzer): refused, or valid names, each once, that fold to a pattern
 * which stands for the same names.
 */
#include "fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "util/buf.h"
#include "util/nameset.h"
#include "util/nodeset.h"

#define LIMIT 500

static void check(const struct nodeset *set)
{
	struct nameset names = NAMESET_INIT;
	struct nodeset again;
	char *pattern;

	if (set->count > LIMIT)
		abort();
	for (size_t i = 0; i < set->count; i++)
		if (!nodeset_name_valid(set->names[i]) || !nameset_add(&names, set->names[i], strlen(set->names[i])))
			abort();
	pattern = nodeset_fold(set->names, set->count);
	if (nodeset_expand(pattern, LIMIT, NULL, NULL, &again, NULL) || again.count != set->count)
		abort();
	for (size_t i = 0; i < again.count; i++)
		if (!nameset_has(&names, again.names[i], strlen(again.names[i])))
			abort();
	nodeset_dispose(&again);
	nameset_dispose(&names);
	free(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf pattern = BUF_INIT;
	struct drover_error err = { 0 };
	struct nodeset set;
	int rc;

	buf_append(&pattern, data, size);
	rc = nodeset_expand(pattern.data, LIMIT, NULL, NULL, &set, &err);
	if (rc ? !err.code || set.names : err.code)
		abort();
	if (!rc)
		check(&set);
	fuzz_accepted += !rc;
	nodeset_dispose(&set);
	buf_dispose(&pattern);
	return 0;
}
