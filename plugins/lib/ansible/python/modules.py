"""The payloads of the most used modules, built once for all units.

Ansible packs a module with what it imports into a payload, in 0.1 to 0.2 s of CPU, once for each run. Here
that is done once, beside the units; each unit has links to it where Ansible looks for what it has packed
before. Only of Ansible's own modules, and only while a unit has no `module_utils` of its own, which they
would have to be packed with.
"""

import os
import shutil

NAMES = ("setup", "command", "stat", "copy", "file", "lineinfile", "systemd", "ping")
CACHE = "ansiballz_cache"  # Ansible's own name
NICENESS = 10


def build(folder):
    """In a process of its own."""
    from ansible import constants
    from ansible.executor.module_common import modify_module
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import module_loader
    from ansible.template import Templar

    os.nice(NICENESS)
    try:
        from ansible.plugins.loader import init_plugin_loader
        init_plugin_loader()
    except ImportError:
        pass  # before 2.15 it is done by the import
    constants.DEFAULT_LOCAL_TMP = folder
    templar = Templar(loader=DataLoader(), variables={})
    for name in NAMES:
        path = module_loader.find_plugin(name)
        if path and os.path.dirname(path).endswith("/ansible/modules"):
            modify_module(module_name=name, module_path=path, module_args={}, templar=templar,
                          task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
                          module_compression=constants.config.get_config_value("DEFAULT_MODULE_COMPRESSION"))


def offer(folder, temporary):
    """Links what is there into the place where Ansible looks, below its temporary folder."""
    from ansible.plugins.loader import module_utils_loader

    source, place = os.path.join(folder, CACHE), os.path.join(temporary, CACHE)
    if not os.path.isdir(source):
        return
    os.makedirs(place, exist_ok=True)
    for name in os.listdir(source):
        if not name.endswith((".part", ".lock")):
            os.link(os.path.join(source, name), os.path.join(place, name))
    add = module_utils_loader.add_directory

    def forget(directory, *args, **kwargs):
        shutil.rmtree(place, ignore_errors=True)
        return add(directory, *args, **kwargs)

    module_utils_loader.add_directory = forget
    if any(os.path.isdir(path) for path in module_utils_loader.config or ()):
        shutil.rmtree(place, ignore_errors=True)
