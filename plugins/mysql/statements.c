/*
 * statements.c - driver.h's statements for MySQL.
 *
 * A statement's rows are read to memory at its first step, so that others can be run while it is stepped;
 * those of a stream stay with the server and come in portions.
 */
#include "mysql.h"

#define STREAM_ROWS 64UL
#define COLUMN_ROOM 64

int statement_fail(struct sql_stmt *stmt, MYSQL_STMT *which, const char *what, struct drover_error *err)
{
	return mysql_fail(stmt->driver, mysql_stmt_errno(which), mysql_stmt_error(which), what, err);
}

static bool is_integer(const MYSQL_FIELD *field)
{
	switch (field->type) {
	case MYSQL_TYPE_TINY:
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_INT24:
	case MYSQL_TYPE_LONGLONG:
	case MYSQL_TYPE_DECIMAL:
	case MYSQL_TYPE_NEWDECIMAL:
	case MYSQL_TYPE_DOUBLE:
		return true;
	default:
		return false;
	}
}

static int bind_columns(struct sql_stmt *stmt, struct drover_error *err)
{
	MYSQL_RES *meta = mysql_stmt_result_metadata(stmt->stmt);
	int code = 0;

	if (!meta)
		return 0;
	stmt->column_count = mysql_num_fields(meta);
	stmt->columns = calloc(stmt->column_count, sizeof(*stmt->columns));
	stmt->binds = calloc(stmt->column_count, sizeof(*stmt->binds));
	if (!stmt->columns || !stmt->binds)
		code = drover_error_set(err, DROVER_ENOMEM, "out of memory");
	for (unsigned i = 0; !code && i < stmt->column_count; i++) {
		struct column *column = &stmt->columns[i];

		column->integer = is_integer(mysql_fetch_field_direct(meta, i));
		column->room = column->integer ? sizeof(column->number) : COLUMN_ROOM;
		column->bytes = column->integer ? NULL : malloc(column->room);
		if (!column->integer && !column->bytes)
			code = drover_error_set(err, DROVER_ENOMEM, "out of memory");
		stmt->binds[i].buffer_type = column->integer ? MYSQL_TYPE_LONGLONG : MYSQL_TYPE_BLOB;
		stmt->binds[i].buffer = column->integer ? (void *)&column->number : column->bytes;
		/* One byte less: text gets its end. */
		stmt->binds[i].buffer_length = column->integer ? column->room : column->room - 1;
		stmt->binds[i].length = &column->size;
		stmt->binds[i].is_null = &column->null;
		stmt->binds[i].error = &column->cut;
	}
	if (!code && mysql_stmt_bind_result(stmt->stmt, stmt->binds))
		code = statement_fail(stmt, stmt->stmt, "prepare a statement", err);
	mysql_free_result(meta);
	return code;
}

int sql_prepare(struct drover_session *s, const char *sql, enum sql_use use, struct sql_stmt **out,
		struct drover_error *err)
{
	struct driver *d = s->driver;
	struct sql_stmt *stmt;
	unsigned long cursor = CURSOR_TYPE_READ_ONLY, rows = STREAM_ROWS;
	int code = 0;

	*out = NULL;
	if (d->broken || !d->db)
		return drover_error_set(err, DROVER_ERETRY, "the connection to %s was lost", driver_name(s));
	stmt = calloc(1, sizeof(*stmt));
	if (!stmt)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	stmt->driver = d;
	stmt->kept = use == SQL_KEPT;
	stmt->stream = use == SQL_STREAM;
	d->open += !stmt->kept;
	stmt->text = dialect_translate(sql, stmt->map, PLACES, &stmt->places);
	stmt->stmt = mysql_stmt_init(d->db);
	if (!stmt->stmt)
		code = drover_error_set(err, DROVER_ENOMEM, "out of memory");
	else if (mysql_stmt_prepare(stmt->stmt, stmt->text, strlen(stmt->text)))
		code = statement_fail(stmt, stmt->stmt, "prepare a statement", err);
	if (!code && stmt->stream) {
		mysql_stmt_attr_set(stmt->stmt, STMT_ATTR_CURSOR_TYPE, &cursor);
		mysql_stmt_attr_set(stmt->stmt, STMT_ATTR_PREFETCH_ROWS, &rows);
	}
	if (code)
		sql_finalize(stmt);
	else
		*out = stmt;
	return code;
}

void sql_finalize(struct sql_stmt *stmt)
{
	if (!stmt)
		return;
	stmt->driver->open -= !stmt->kept;
	batch_free(stmt);
	if (stmt->stmt)
		mysql_stmt_close(stmt->stmt);
	for (unsigned i = 0; i < stmt->column_count && stmt->columns; i++)
		free(stmt->columns[i].bytes);
	free(stmt->columns);
	free(stmt->binds);
	free(stmt->text);
	free(stmt);
}

void statement_bind(MYSQL_BIND *bind, const struct value *value)
{
	switch (value->kind) {
	case VALUE_NULL:
		bind->buffer_type = MYSQL_TYPE_NULL;
		break;
	case VALUE_INTEGER:
		bind->buffer_type = MYSQL_TYPE_LONGLONG;
		bind->buffer = (void *)&value->integer;
		break;
	case VALUE_TEXT:
	case VALUE_BYTES:
		bind->buffer_type = value->kind == VALUE_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
		bind->buffer = (void *)value->bytes;
		bind->buffer_length = value->size;
		break;
	}
}

static int execute(struct sql_stmt *stmt, struct drover_error *err)
{
	const char *what = "use the store";
	MYSQL_BIND binds[PLACES];

	if (stmt->driver->broken)
		return drover_error_set(err, DROVER_ERETRY, "the connection to %s was lost",
					driver_name(stmt->driver->session));
	memset(binds, 0, stmt->places * sizeof(*binds));
	for (size_t i = 0; i < stmt->places; i++)
		statement_bind(&binds[i], &stmt->values[stmt->map[i]]);
	if ((stmt->places && mysql_stmt_bind_param(stmt->stmt, binds)) || mysql_stmt_execute(stmt->stmt))
		return statement_fail(stmt, stmt->stmt, what, err);
	stmt->driver->used_at = mysql_local_ms();
	if (!mysql_stmt_field_count(stmt->stmt)) {
		stmt->driver->changes = (int64_t)mysql_stmt_affected_rows(stmt->stmt);
		return 0;
	}
	stmt->running = true;
	if (!stmt->columns) {
		int code = bind_columns(stmt, err);

		if (code)
			return code;
	}
	if (!stmt->stream && mysql_stmt_store_result(stmt->stmt))
		return statement_fail(stmt, stmt->stmt, what, err);
	return 0;
}

/* Gets what did not fit, into room that stays. The library is told of that before the next row: in between, some releases
 * of it (MariaDB's of 10.11.18) forget how long the columns of this one are. */
static int fetch_long(struct sql_stmt *stmt, struct drover_error *err)
{
	for (unsigned i = 0; i < stmt->column_count; i++) {
		struct column *column = &stmt->columns[i];
		MYSQL_BIND bind = { .buffer_type = MYSQL_TYPE_BLOB, .length = &column->size, .is_null = &column->null };

		if (column->integer || column->null || column->size < column->room)
			continue;
		free(column->bytes);
		column->room = column->size + 1;
		column->bytes = malloc(column->room);
		if (!column->bytes)
			return drover_error_set(err, DROVER_ENOMEM, "out of memory");
		bind.buffer = column->bytes;
		bind.buffer_length = column->size;
		bind.error = &column->cut;
		if (mysql_stmt_fetch_column(stmt->stmt, &bind, i, 0))
			return statement_fail(stmt, stmt->stmt, "read from the store", err);
		stmt->binds[i].buffer = column->bytes;
		stmt->binds[i].buffer_length = column->room - 1;
		stmt->moved = true;
	}
	return 0;
}

int sql_step(struct drover_session *s, struct sql_stmt *stmt, struct drover_error *err)
{
	int code = 0;

	if (!stmt->running) {
		code = batch_flush(s->driver, err);
		if (!code)
			code = execute(stmt, err);
	}
	if (!code && stmt->running && stmt->moved) {
		stmt->moved = false;
		if (mysql_stmt_bind_result(stmt->stmt, stmt->binds))
			code = statement_fail(stmt, stmt->stmt, "read from the store", err);
	}
	if (!code && stmt->running) {
		switch (mysql_stmt_fetch(stmt->stmt)) {
		case 0:
		case MYSQL_DATA_TRUNCATED:
			code = fetch_long(stmt, err);
			if (!code)
				return 1;
			break;
		case MYSQL_NO_DATA:
			break;
		default:
			code = statement_fail(stmt, stmt->stmt, "read from the store", err);
		}
	}
	sql_reset(stmt);
	return code;
}

void sql_reset(struct sql_stmt *stmt)
{
	if (stmt && stmt->running) {
		mysql_stmt_free_result(stmt->stmt);
		stmt->running = false;
	}
}

/* ------------------------------------------------------------------------------ values and columns */

static void bind_value(struct sql_stmt *stmt, int position, struct value value)
{
	assert(position > 0 && position <= PARAMETERS);
	stmt->values[position] = value;
}

void sql_bind_int64(struct sql_stmt *stmt, int position, int64_t value)
{
	bind_value(stmt, position, (struct value){ .kind = VALUE_INTEGER, .integer = value });
}

void sql_bind_null(struct sql_stmt *stmt, int position)
{
	bind_value(stmt, position, (struct value){ .kind = VALUE_NULL });
}

void sql_bind_text(struct sql_stmt *stmt, int position, const char *text)
{
	if (text)
		bind_value(stmt, position, (struct value){ .kind = VALUE_TEXT, .bytes = text, .size = strlen(text) });
	else
		sql_bind_null(stmt, position);
}

void sql_bind_chars(struct sql_stmt *stmt, int position, const char *text, size_t size)
{
	bind_value(stmt, position, (struct value){ .kind = VALUE_TEXT, .bytes = text, .size = size });
}

void sql_bind_blob(struct sql_stmt *stmt, int position, const void *bytes, size_t size)
{
	if (bytes)
		bind_value(stmt, position, (struct value){ .kind = VALUE_BYTES, .bytes = bytes, .size = size });
	else
		sql_bind_null(stmt, position);
}

int64_t sql_int64(struct sql_stmt *stmt, int column)
{
	const struct column *c = &stmt->columns[column];

	if (c->null)
		return 0;
	return c->integer ? c->number : strtoll(sql_text(stmt, column), NULL, 10);
}

int sql_int(struct sql_stmt *stmt, int column)
{
	return (int)sql_int64(stmt, column);
}

bool sql_is_null(struct sql_stmt *stmt, int column)
{
	return stmt->columns[column].null;
}

const char *sql_text(struct sql_stmt *stmt, int column)
{
	struct column *c = &stmt->columns[column];

	assert(!c->integer);
	if (c->null)
		return NULL;
	c->bytes[c->size] = '\0';
	return c->bytes;
}

struct drover_bytes sql_blob(struct sql_stmt *stmt, int column)
{
	const struct column *c = &stmt->columns[column];
	struct drover_bytes bytes = { .data = c->null || !c->size ? NULL : c->bytes, .size = c->null ? 0 : c->size };

	return bytes;
}
