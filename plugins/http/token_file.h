/* token_file.h - reading the file of tokens (tokens.h). */
#ifndef TOKEN_FILE_H
#define TOKEN_FILE_H

#include "tokens.h"

/*
 * Reads the whole file: all of it is right, or nothing is taken. `look` is filled whenever the file could be
 * looked at. Errors: DROVER_EINVALID with the line, also where others than its owner may read or write it.
 */
int token_file_read(const char *path, struct token_table *table, struct file_look *look, struct drover_error *err);
bool token_file_look(const char *path, struct file_look *look);
bool file_look_equal(const struct file_look *a, const struct file_look *b);
void token_table_dispose(struct token_table *table);

#endif
