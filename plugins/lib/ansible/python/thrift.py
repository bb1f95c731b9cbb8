"""What Ansible does again and again and needs to do once, or less often. Nothing here changes what comes out."""

import gc

# Seconds between looks for results. Ansible's own default keeps a core busy with looking while hosts are at work.
POLL_INTERVAL, POLL_INTERVAL_DEFAULT = 0.01, 0.001
# Collections of garbage touch the pages that workers share with us, which are copied then.
GARBAGE_THRESHOLD = 100000


def remember(loader, wanted):
    """Makes the loader look for all plugins once for each list of folders where it is asked with these arguments."""
    search, found = loader.all, {}

    def remembered(*args, **kwargs):
        if args or kwargs != wanted:
            return search(*args, **kwargs)
        folders = tuple(place.path for place in loader._get_paths_with_context())
        if folders not in found:
            found[folders] = list(search(**kwargs))
        return iter(found[folders])

    loader.all = remembered


def remember_plugins():
    """These it looks for in all folders several times for each host: plugins for variables, until it remembered them
    itself in 2.15, and the names of connection plugins."""
    from ansible.plugins.loader import connection_loader, vars_loader

    remember(connection_loader, {"path_only": True})
    if not hasattr(vars_loader, "_plugin_instance_cache"):
        remember(vars_loader, {})


def begin():
    """In a unit's process, before its run."""
    from ansible import constants

    if constants.DEFAULT_INTERNAL_POLL_INTERVAL == POLL_INTERVAL_DEFAULT:
        constants.DEFAULT_INTERNAL_POLL_INTERVAL = POLL_INTERVAL
    gc.set_threshold(GARBAGE_THRESHOLD)
    remember_plugins()
