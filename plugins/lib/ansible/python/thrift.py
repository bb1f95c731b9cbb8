"""What Ansible does again and again and needs to do once, or less often. Nothing here changes what comes out."""

import gc

# Seconds between looks for results. Ansible's own default keeps a core busy with looking while hosts are at work.
POLL_INTERVAL, POLL_INTERVAL_DEFAULT = 0.01, 0.001
# Collections of garbage touch the pages that workers share with us, which are copied then.
GARBAGE_THRESHOLD = 100000


def remember_vars_plugins():
    """Before 2.15 it looks in all folders for them several times for each host; since then it remembers, too."""
    from ansible.plugins.loader import vars_loader

    if hasattr(vars_loader, "_plugin_instance_cache"):
        return
    search, found = vars_loader.all, {}

    def remembered(*args, **kwargs):
        if args or kwargs:
            return search(*args, **kwargs)
        folders = tuple(place.path for place in vars_loader._get_paths_with_context())
        if folders not in found:
            found[folders] = list(search())
        return iter(found[folders])

    vars_loader.all = remembered


def begin():
    """In a unit's process, before its run."""
    from ansible import constants

    if constants.DEFAULT_INTERNAL_POLL_INTERVAL == POLL_INTERVAL_DEFAULT:
        constants.DEFAULT_INTERNAL_POLL_INTERVAL = POLL_INTERVAL
    gc.set_threshold(GARBAGE_THRESHOLD)
    remember_vars_plugins()
