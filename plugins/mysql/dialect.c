/*
 * dialect.c - the few phrases that MySQL reads differently from SQLite (driver.h says what may be written).
 */
#define _GNU_SOURCE
#include "mysql.h"

#include <ctype.h>
#include <stdio.h>

static const struct {
	const char *from, *to;
} phrases[] = {
	{ SQL_LOCKED, " FOR UPDATE" },
	{ SQL_LABELLED, "json_unquote(json_extract(s.labels, concat('$.', json_quote(?10)))) = coalesce(?11,"
			" json_unquote(json_extract(s.labels, concat('$.', json_quote(?10)))))" },
	/* The tables in the order that the text says. */
	{ "CROSS JOIN", "STRAIGHT_JOIN" },
	{ " AS MATERIALIZED (", " AS (" },
	{ "drover_contains(", "instr(" },
	{ "json(?8)", "json_extract(?8, '$')" },
	{ "length(?", "char_length(?" },
};

struct text {
	char *bytes;
	size_t size, room;
};

static void put(struct text *text, const char *bytes, size_t size)
{
	if (text->size + size + 1 > text->room) {
		text->room = (text->size + size + 1) * 2;
		text->bytes = realloc(text->bytes, text->room);
		if (!text->bytes)
			abort();
	}
	memcpy(text->bytes + text->size, bytes, size);
	text->size += size;
	text->bytes[text->size] = '\0';
}

/* "INDEXED BY name" and "ON CONFLICT (column, …) DO NOTHING"; what was read of `sql`, or 0. */
static size_t put_clause(struct text *text, const char *sql)
{
	static const char indexed[] = "INDEXED BY ", conflict[] = "ON CONFLICT (", nothing[] = ") DO NOTHING";
	const char *word = sql, *end;
	char clause[160], column[40];

	if (!strncmp(sql, indexed, sizeof(indexed) - 1)) {
		word += sizeof(indexed) - 1;
		end = word + strspn(word, "abcdefghijklmnopqrstuvwxyz_");
		snprintf(clause, sizeof(clause), "FORCE INDEX (%.*s)", (int)(end - word), word);
	} else if (!strncmp(sql, conflict, sizeof(conflict) - 1)) {
		word += sizeof(conflict) - 1;
		end = strstr(word, nothing);
		assert(end);
		snprintf(column, sizeof(column), "%.*s", (int)strcspn(word, ",)"), word);
		snprintf(clause, sizeof(clause), "ON DUPLICATE KEY UPDATE %s = %s", column, column);
		end += sizeof(nothing) - 1;
	} else {
		return 0;
	}
	put(text, clause, strlen(clause));
	return (size_t)(end - sql);
}

static char *translate_phrases(const char *sql)
{
	struct text text = { .bytes = NULL };

	put(&text, "", 0);
	while (*sql) {
		size_t read = put_clause(&text, sql);

		for (size_t i = 0; !read && i < sizeof(phrases) / sizeof(phrases[0]); i++) {
			if (strncmp(sql, phrases[i].from, strlen(phrases[i].from)) != 0)
				continue;
			read = strlen(phrases[i].from);
			put(&text, phrases[i].to, strlen(phrases[i].to));
		}
		if (!read)
			put(&text, sql, read = 1);
		sql += read;
	}
	return text.bytes;
}

char *dialect_translate(const char *sql, unsigned char *map, size_t room, size_t *places)
{
	char *phrased = translate_phrases(sql);
	struct text text = { .bytes = NULL };

	*places = 0;
	put(&text, "", 0);
	for (const char *p = phrased; *p;) {
		put(&text, p, 1);
		if (*p++ != '?')
			continue;
		assert(isdigit((unsigned char)*p) && *places < room);
		map[(*places)++] = (unsigned char)strtoul(p, (char **)&p, 10);
	}
	free(phrased);
	return text.bytes;
}
