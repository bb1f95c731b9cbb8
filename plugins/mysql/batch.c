/*
 * batch.c - statements that are run many times: their rows wait in memory and go to the server together.
 *
 * MariaDB takes an array of rows with one execution. Other servers get an INSERT with many rows of VALUES;
 * what is no INSERT is executed row by row there.
 */
#define _GNU_SOURCE /* reallocarray */
#include "mysql.h"

#include <stdio.h>

enum { BATCH_ROWS = 1000, BATCH_BYTES = 4 << 20, VALUES_ROWS = 64 };

struct batch {
	size_t parameters; /* the highest */
	size_t rows, row_room;
	struct value *values; /* `parameters` for each row; of text and bytes `integer` is the place in `bytes` */
	char *bytes;
	size_t size, room;
	MYSQL_STMT *many; /* the INSERT of VALUES_ROWS rows, once it was needed */
};

static int no_memory(struct drover_error *err)
{
	return drover_error_set(err, DROVER_ENOMEM, "out of memory");
}

static bool make_room(struct batch *batch, size_t more)
{
	if (batch->rows == batch->row_room) {
		size_t room = batch->row_room ? batch->row_room * 4 : 16;
		struct value *values = reallocarray(batch->values, room * batch->parameters, sizeof(*values));

		if (!values)
			return false;
		batch->values = values;
		batch->row_room = room;
	}
	if (batch->size + more > batch->room) {
		size_t room = (batch->size + more) * 2;
		char *bytes = realloc(batch->bytes, room);

		if (!bytes)
			return false;
		batch->bytes = bytes;
		batch->room = room;
	}
	return true;
}

static size_t size_of(const struct sql_stmt *stmt)
{
	size_t size = 0;

	for (size_t i = 1; i <= stmt->batch->parameters; i++)
		size += stmt->values[i].kind >= VALUE_TEXT ? stmt->values[i].size : 0;
	return size;
}

static bool copy_row(struct sql_stmt *stmt, size_t size)
{
	struct batch *batch = stmt->batch;
	struct value *row;

	if (!make_room(batch, size))
		return false;
	row = batch->values + batch->rows++ * batch->parameters;
	for (size_t i = 0; i < batch->parameters; i++) {
		row[i] = stmt->values[i + 1];
		if (row[i].kind < VALUE_TEXT)
			continue;
		if (row[i].size)
			memcpy(batch->bytes + batch->size, row[i].bytes, row[i].size);
		row[i].integer = (int64_t)batch->size;
		batch->size += row[i].size;
	}
	return true;
}

/* --------------------------------------------------------------------------------- execution */

static int run(struct sql_stmt *stmt, MYSQL_STMT *which, MYSQL_BIND *binds, struct drover_error *err)
{
	if (mysql_stmt_bind_param(which, binds) || mysql_stmt_execute(which))
		return statement_fail(stmt, which, "write to the store", err);
	return 0;
}

/* One column of an array of rows. */
struct lane {
	MYSQL_BIND bind;
	int64_t *integers;
	const char **texts;
	unsigned long *sizes;
	char *indicators;
};

static bool fill_lane(struct lane *lane, const struct batch *batch, size_t parameter)
{
	const struct value *values = batch->values + parameter;
	enum value_kind kind = VALUE_NULL;

	for (size_t i = 0; i < batch->rows && kind == VALUE_NULL; i++)
		kind = values[i * batch->parameters].kind;
	lane->integers = calloc(batch->rows, sizeof(*lane->integers));
	lane->texts = calloc(batch->rows, sizeof(*lane->texts));
	lane->sizes = calloc(batch->rows, sizeof(*lane->sizes));
	lane->indicators = calloc(batch->rows, 1);
	if (!lane->integers || !lane->texts || !lane->sizes || !lane->indicators)
		return false;
	for (size_t i = 0; i < batch->rows; i++) {
		const struct value *value = &values[i * batch->parameters];

		lane->indicators[i] = value->kind == VALUE_NULL ? STMT_INDICATOR_NULL : STMT_INDICATOR_NONE;
		lane->integers[i] = value->integer;
		lane->texts[i] = value->kind >= VALUE_TEXT ? batch->bytes + value->integer : "";
		lane->sizes[i] = value->size;
	}
	lane->bind.buffer_type = kind == VALUE_INTEGER ? MYSQL_TYPE_LONGLONG
				 : kind == VALUE_BYTES ? MYSQL_TYPE_BLOB
						       : MYSQL_TYPE_STRING;
	lane->bind.buffer = kind == VALUE_INTEGER ? (void *)lane->integers : (void *)lane->texts;
	lane->bind.length = lane->sizes;
	lane->bind.u.indicator = lane->indicators;
	return true;
}

static int run_array(struct sql_stmt *stmt, struct drover_error *err)
{
	struct lane lanes[PLACES] = { 0 };
	MYSQL_BIND binds[PLACES];
	unsigned rows = (unsigned)stmt->batch->rows, none = 0;
	int code = 0;

	for (size_t i = 0; i < stmt->places && !code; i++) {
		code = fill_lane(&lanes[i], stmt->batch, stmt->map[i] - 1) ? 0 : no_memory(err);
		binds[i] = lanes[i].bind;
	}
	mysql_stmt_attr_set(stmt->stmt, STMT_ATTR_ARRAY_SIZE, &rows);
	if (!code)
		code = run(stmt, stmt->stmt, binds, err);
	mysql_stmt_attr_set(stmt->stmt, STMT_ATTR_ARRAY_SIZE, &none);
	for (size_t i = 0; i < stmt->places; i++) {
		free(lanes[i].integers);
		free(lanes[i].texts);
		free(lanes[i].sizes);
		free(lanes[i].indicators);
	}
	return code;
}

/* The text with its group of VALUES repeated; NULL: it has none. */
static char *repeat_values(const char *text, size_t times)
{
	static const char word[] = "VALUES (";
	const char *values = strstr(text, word), *group, *end;
	char *many, *at;

	if (!values || strncmp(text, "INSERT", 6) != 0)
		return NULL;
	group = values + sizeof(word) - 2;
	end = strchr(group, ')'); /* no expression is in the groups of what is queued */
	if (!end)
		return NULL;
	end++;
	many = malloc(strlen(text) + times * (size_t)(end - group + 1) + 1);
	if (!many)
		return NULL;
	at = mempcpy(many, text, (size_t)(group - text));
	for (size_t i = 0; i < times; i++) {
		if (i)
			*at++ = ',';
		at = mempcpy(at, group, (size_t)(end - group));
	}
	strcpy(at, end);
	return many;
}

static int prepare_many(struct sql_stmt *stmt, struct drover_error *err)
{
	char *text = repeat_values(stmt->text, VALUES_ROWS);
	int code = 0;

	if (!text)
		return 0;
	stmt->batch->many = mysql_stmt_init(stmt->driver->db);
	if (!stmt->batch->many)
		code = no_memory(err);
	else if (mysql_stmt_prepare(stmt->batch->many, text, strlen(text)))
		code = statement_fail(stmt, stmt->batch->many, "prepare a statement", err);
	free(text);
	return code;
}

/* `rows` rows from `first` on, by a statement for so many. */
static int run_some(struct sql_stmt *stmt, MYSQL_STMT *which, size_t first, size_t rows, struct drover_error *err)
{
	struct batch *batch = stmt->batch;
	MYSQL_BIND *binds = calloc(rows * stmt->places, sizeof(*binds));
	int code;

	if (!binds)
		return no_memory(err);
	for (size_t i = 0; i < rows * stmt->places; i++) {
		struct value *value = batch->values + (first + i / stmt->places) * batch->parameters +
				      stmt->map[i % stmt->places] - 1;

		if (value->kind >= VALUE_TEXT)
			value->bytes = batch->bytes + value->integer;
		statement_bind(&binds[i], value);
	}
	code = run(stmt, which, binds, err);
	free(binds);
	return code;
}

static int run_values(struct sql_stmt *stmt, struct drover_error *err)
{
	struct batch *batch = stmt->batch;
	size_t done = 0;
	int code = 0;

	if (!batch->many && batch->rows >= VALUES_ROWS)
		code = prepare_many(stmt, err);
	for (; !code && batch->many && done + VALUES_ROWS <= batch->rows; done += VALUES_ROWS)
		code = run_some(stmt, batch->many, done, VALUES_ROWS, err);
	for (; !code && done < batch->rows; done++)
		code = run_some(stmt, stmt->stmt, done, 1, err);
	return code;
}

static int run_rows(struct sql_stmt *stmt, struct drover_error *err)
{
	struct batch *batch = stmt->batch;
	int code;

	if (!batch->rows)
		return 0;
	if (stmt->driver->broken)
		return drover_error_set(err, DROVER_ERETRY, "the connection to %s was lost",
					driver_name(stmt->driver->session));
	code = batch->rows == 1       ? run_some(stmt, stmt->stmt, 0, 1, err)
	       : stmt->driver->arrays ? run_array(stmt, err)
				      : run_values(stmt, err);
	batch->rows = batch->size = 0;
	return code;
}

/* ------------------------------------------------------------------------------------- queues */

int batch_flush(struct driver *d, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = 0;

	while ((stmt = d->queued) && !code) {
		d->queued = stmt->next_queued;
		code = run_rows(stmt, err);
	}
	if (code)
		batch_drop(d);
	return code;
}

void batch_drop(struct driver *d)
{
	for (; d->queued; d->queued = d->queued->next_queued)
		d->queued->batch->rows = d->queued->batch->size = 0;
}

void batch_free(struct sql_stmt *stmt)
{
	struct batch *batch = stmt->batch;

	if (!batch)
		return;
	if (batch->rows)
		batch_drop(stmt->driver);
	if (batch->many)
		mysql_stmt_close(batch->many);
	free(batch->values);
	free(batch->bytes);
	free(batch);
}

static struct batch *batch_of(struct sql_stmt *stmt)
{
	if (!stmt->batch)
		stmt->batch = calloc(1, sizeof(*stmt->batch));
	for (size_t i = 0; stmt->batch && i < stmt->places; i++)
		if (stmt->map[i] > stmt->batch->parameters)
			stmt->batch->parameters = stmt->map[i];
	return stmt->batch;
}

int sql_queue(struct drover_session *s, struct sql_stmt *stmt, struct drover_error *err)
{
	struct driver *d = s->driver;
	struct batch *batch = batch_of(stmt);
	size_t limit = d->packet / 2 < BATCH_BYTES ? d->packet / 2 : BATCH_BYTES;
	size_t size;
	int code = 0;

	if (!batch)
		return no_memory(err);
	size = size_of(stmt);
	if (size > d->packet - 4096)
		return drover_error_set(err, DROVER_EINVALID,
					"%zu bytes for one row are more than %s takes: raise its max_allowed_packet "
					"(%zu), or lower `limits.output`",
					size, driver_name(s), d->packet);
	if (batch->rows && (batch->rows == BATCH_ROWS || batch->size + size > limit))
		code = run_rows(stmt, err);
	if (code)
		return code;
	if (!batch->rows && stmt != d->queued) {
		struct sql_stmt **end = &d->queued;

		while (*end && *end != stmt)
			end = &(*end)->next_queued;
		if (!*end) {
			*end = stmt;
			stmt->next_queued = NULL;
		}
	}
	return copy_row(stmt, size) ? 0 : no_memory(err);
}
