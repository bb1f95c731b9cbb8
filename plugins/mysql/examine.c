/* examine.c - a look at the database for `drover doctor`: whether it can be reached, and what is in it. */
#include "mysql.h"

#include <stdio.h>

#include "settings.h"

int driver_examine(void *self, drover_finding_fn *fn, void *context, struct drover_error *err)
{
	struct drover_session *s = calloc(1, sizeof(*s));
	struct drover_error why = { 0 };
	char text[sizeof(((struct mysql *)self)->name) + 200];
	int64_t version;
	bool usable;

	if (!s)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	settings_name(self);
	s->store = self;
	s->mode = DROVER_SESSION_READ;
	if (driver_connect(s, &why)) {
		fn(context, DROVER_FINDING_BAD, why.message,
		   "see that the server runs, that the database is there and that its user may use it");
	} else if (schema_version(s, &version, &usable, &why)) {
		snprintf(text, sizeof(text), "%s has no tables of Drover's yet: the first start makes them",
			 driver_name(s));
		fn(context, DROVER_FINDING_FINE, text, NULL);
	} else if (!usable) {
		snprintf(text, sizeof(text), "%s has schema version %lld, newer than this program's %d", driver_name(s),
			 (long long)version, schema.newest);
		fn(context, DROVER_FINDING_BAD, text, "use the newer Drover that wrote it, or another database");
	} else {
		snprintf(text, sizeof(text), "%s answers: schema version %lld%s", driver_name(s), (long long)version,
			 version < schema.newest ? " (the next start brings it up to date)" : "");
		fn(context, DROVER_FINDING_FINE, text, NULL);
	}
	session_close(s);
	return 0;
}
