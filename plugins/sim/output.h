/* output.h - output of a wanted size and kind, the same for every host of a unit. */
#ifndef SIM_OUTPUT_H
#define SIM_OUTPUT_H

#include <stddef.h>

struct drover_error;
struct json_object;

/*
 * {"bytes": N, "kind": "text" | "binary" | "utf8-invalid"}: text is numbered lines, binary has every
 * byte from 0 to 255, utf8-invalid is lines with bytes that no UTF-8 has. Owned by the caller; NULL
 * on an error (DROVER_EINVALID, DROVER_ENOMEM).
 */
char *output_make(struct json_object *wanted, size_t *size, struct drover_error *err);

#endif
