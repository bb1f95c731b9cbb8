/*
 * guard.h - what is refused by a request's headers alone, before its body is read.
 */
#ifndef GUARD_H
#define GUARD_H

struct request;

/*
 * Framing that two programs could read differently (repeated or contradicting lengths), Host names that a
 * page from elsewhere could have bound to this address, cross-site posts, bodies of another type, bodies
 * above the limit. What is wrong is in the request's problem.
 */
void guard_framing(struct request *r, const char *version);
void guard_origin(struct request *r, const char *method);
void guard_body(struct request *r);
/* Whether the client takes what the request's route produces. */
void guard_accept(struct request *r);

#endif
