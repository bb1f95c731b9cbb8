/* secret_folder.h - a folder of files with a secret each, for its owner alone. */
#ifndef CLI_SECRET_FOLDER_H
#define CLI_SECRET_FOLDER_H

struct drover_error;

/* Makes the folder (mode 0700) where it is not there. `*path` is the whole path of it, owned by the caller. */
int secret_folder_open(const char *folder, char **path, struct drover_error *err);
/* Writes the file `name` there, mode 0600. One that is there must have the same text. DROVER_ECONFLICT: another. */
int secret_folder_write(const char *path, const char *name, const char *secret, struct drover_error *err);

#endif
