/*
 * mysql_schema.c - the tables of the next version, for the tests of an upgrade: one step more, with which programs of
 * today go on. Each table that is written all the time gets a column.
 */
#define SCHEMA_LATER                                                                                                   \
	,                                                                                                              \
	{                                                                                                              \
		"ALTER TABLE tasks ADD COLUMN later BIGINT NOT NULL DEFAULT 7;"                                        \
		"ALTER TABLE units ADD COLUMN later BIGINT NOT NULL DEFAULT 7;"                                        \
		"ALTER TABLE hosts ADD COLUMN later BIGINT NOT NULL DEFAULT 7;"                                        \
		"ALTER TABLE incarnations ADD COLUMN later BIGINT NOT NULL DEFAULT 7;",                                \
			2                                                                                              \
	}
#include "../../plugins/mysql/schema.c"
