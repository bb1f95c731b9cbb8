/*
 * first_generation.h - the calls of the first generation, for its clients: answered as it answered them.
 *
 * Everything is HTTP 200 with the status in `code`; only a token's refusal is a problem document, as elsewhere.
 * The routes are served where all others are and, alone and without tokens, on the listener that the option
 * `first_generation` configures, to the addresses that it names. docs/first-generation.md lists them.
 */
#ifndef FIRST_GENERATION_H
#define FIRST_GENERATION_H

#include <json-c/json.h>

#include "request.h"

#define FIRST_GENERATION_REFUSED "任务下发错误，请联系管理员"
#define FIRST_GENERATION_NOT_STORED "任务和资产写入错误"
#define FIRST_GENERATION_ID_SIZE 64
#define FIRST_GENERATION_JSON_DEPTH 64

struct http;

/* A task's type: `task_id`s of one are nothing to the other. */
struct first_generation_kind {
	const char *type;   /* Drover's */
	const char *prefix; /* of Drover's ids */
	int64_t timeout;    /* seconds, where none is given */
};

extern const struct first_generation_kind first_generation_adhoc, first_generation_playbook;

/* Drover's id of a client's: what may be any text there is a digest of it here. */
void first_generation_id(const struct first_generation_kind *kind, const char *task_id,
			 char id[FIRST_GENERATION_ID_SIZE]);

/* The whole answer, without rows: `data` null. Returns the HTTP status. */
int first_generation_answer(struct request *r, int code, const char *msg);
/* An answer's beginning and end around the rows of so many hosts; what went wrong between them is answered so, too. */
void first_generation_begin(struct request *r);
int first_generation_end(struct request *r, size_t hosts);

/* JSON as text; NULL: it is none. Owned by the caller. */
struct json_object *first_generation_parse(const void *text, size_t size);

/* first_generation_query.c: what a GET asks for. Exactly one of the two is set. */
struct first_generation_query {
	char *task_id; /* owned */
	char **ips;    /* owned, lower case, each once; NULL: none */
	size_t count;
	bool single; /* by `ip`, not `ips` */
};

/* False: not exactly one parameter is there (or no memory). Dispose of it in any case. */
bool first_generation_read_query(struct request *r, bool with_ip, struct first_generation_query *query);
void first_generation_query_dispose(struct first_generation_query *query);
/* Blanks and outer commas stripped; the names between commas, each once. -1: no memory. */
int first_generation_split(const char *list, char ***names, size_t *count);

/* first_generation_rows.c: where a host's newest rows are, and whose they are. */
struct first_generation_row {
	int64_t id;
	struct json_object *task; /* borrowed from `tasks`: name, type and payload */
};

struct first_generation_rows {
	struct request *r;
	struct json_object *tasks;          /* owned; by Drover's ids, as far as they were looked at */
	struct first_generation_row *items; /* owned; newest first */
	size_t count;
};

/*
 * The newest rows of a host, up to `limit`, of tasks of this kind with one of these statuses. What is wrong is in
 * the request's problem.
 */
int first_generation_find_rows(struct first_generation_rows *rows, const struct first_generation_kind *kind,
			       const char *host, unsigned statuses, size_t limit);
/* A task by its id; NULL: there is none, or it is in the problem. `task_key` may be NULL. Borrowed from `rows`. */
struct json_object *first_generation_find_task(struct first_generation_rows *rows, const char *id, int64_t *task_key);
/* One of the rows, with its outputs where they are asked for. */
int first_generation_read_row(struct first_generation_rows *rows, const char *host, int64_t id, bool outputs,
			      drover_result_fn *fn, void *context);
void first_generation_rows_dispose(struct first_generation_rows *rows);

/* Hosts of a unit of its tasks, where it is configured; else 0. */
int64_t first_generation_unit_size(const struct http *options);

/* The option `first_generation`: `listen`, `allow_from`, `unit_size`, `port_file`. No side effects. */
int first_generation_check(const struct http *options, struct drover_error *err);
int first_generation_open(struct http *self, const struct drover_source_services *services, void *core,
			  struct drover_error *err);
void first_generation_close(struct http *self);

#endif
