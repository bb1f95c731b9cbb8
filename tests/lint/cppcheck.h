/* cppcheck.h - what cppcheck must know of macros of libraries whose headers it does not read. */
#define HASH_ITER(hh, head, el, tmp) for ((el) = (head); (el); (el) = (el)->hh.next)
#define json_object_object_foreach(object, key, value)                                                                 \
	char *key = name_of(object);                                                                                   \
	struct json_object *value = value_of(object);                                                                  \
	for (int i_##key = 0; i_##key < 2; i_##key++)
#define TAILQ_HEAD(name, type)                                                                                         \
	struct name {                                                                                                  \
		struct type *first;                                                                                    \
	}
#define TAILQ_ENTRY(type)                                                                                              \
	struct {                                                                                                       \
		struct type *next;                                                                                     \
	}
#define TAILQ_FOREACH(el, head, field) for ((el) = (head)->first; (el); (el) = (el)->field.next)
#define TAILQ_FOREACH_SAFE(el, head, field, tmp) for ((el) = (head)->first; (el); (el) = (el)->field.next)
