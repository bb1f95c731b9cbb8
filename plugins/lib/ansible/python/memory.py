"""Shared memory, by which Ansible hands ssh a password since 2.19.

It is named after the unit's folder, so that what a killed worker has left of it is found and removed.
"""

import os

FOLDER = "/dev/shm"
NAME_MOST = 60  # characters; Python's own limit is that of other systems


def prefix_of(folder):
    root, unit = os.path.split(folder)
    return f"{os.path.basename(root)}-{unit}-"


def settle(folder):
    """In a unit's process."""
    from multiprocessing import shared_memory

    shared_memory._SHM_NAME_PREFIX = "/" + prefix_of(folder)
    shared_memory._SHM_SAFE_NAME_LENGTH = NAME_MOST


def remove(prefix):
    for name in os.listdir(FOLDER) if os.path.isdir(FOLDER) else ():
        path = os.path.join(FOLDER, name)
        try:
            if name.startswith(prefix) and os.lstat(path).st_uid == os.geteuid():
                os.unlink(path)
        except OSError:
            continue


def sweep(root):
    """What is left of instances that are gone, too: their folders are not beside this one's any more."""
    kind = os.path.basename(root).rpartition("-")[0] + "-"
    for name in os.listdir(FOLDER) if os.path.isdir(FOLDER) else ():
        owner = "-".join(name.split("-")[:kind.count("-") + 1])
        if name.startswith(kind) and not os.path.isdir(os.path.join(os.path.dirname(root), owner)):
            remove(name)
