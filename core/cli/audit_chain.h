/*
 * audit_chain.h - verifies the chain of an audit log: the file sink's lines with `chain: true`.
 *
 * A line begins with `{"n":N,"prev":"HASH",`; HASH is the BLAKE2b-256 of the line before it. A chain shows that lines
 * were changed, removed, inserted or put in another order. It cannot show that its end was cut off, or all of it was
 * written anew, by somebody who can write PATH.chain too: for that, note a line's number and hash elsewhere.
 */
#ifndef CLI_AUDIT_CHAIN_H
#define CLI_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

struct drover_error;

#define AUDIT_HASH 65 /* in hexadecimal, with its NUL */

struct audit_report {
	int files;
	int64_t lines;
	int64_t first, last;        /* numbers of lines; 0: there is none */
	char last_hash[AUDIT_HASH]; /* of the last line: to be noted elsewhere */
	bool noted;                 /* the line that was asked about is there, with that hash */
};

/*
 * Reads PATH.N … PATH.1 and PATH, the oldest first. `note` is `N:HASH` of a line that must be there, or NULL. 0: the
 * chain is whole; DROVER_EINVALID: it is not, `err` says where first; DROVER_EFAULT: a file cannot be read.
 */
int audit_verify(const char *path, const char *note, struct audit_report *report, struct drover_error *err);

#endif
