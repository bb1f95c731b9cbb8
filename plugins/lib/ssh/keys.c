#include "ssh/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int keys_load(struct keys *keys, const char *const *paths, size_t count, bool optional)
{
	*keys = (struct keys){ .items = calloc(count ? count : 1, sizeof(*keys->items)) };
	if (!keys->items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct key *key = &keys->items[keys->count];

		if (optional && access(paths[i], F_OK) < 0)
			continue;
		key->path = paths[i];
		if (access(paths[i], R_OK) < 0)
			key->problem = strerror(errno);
		else if (ssh_pki_import_privkey_file(paths[i], NULL, NULL, NULL, &key->private) != SSH_OK)
			key->problem = "not a private key without a passphrase";
		keys->count++;
	}
	return 0;
}

void keys_dispose(struct keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		ssh_key_free(keys->items[i].private);
	free(keys->items);
	*keys = (struct keys){ .items = NULL };
}
