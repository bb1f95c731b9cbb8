"""Loads what each unit would have to load. Imported before anything else of Ansible."""

import importlib
import os
import pkgutil
import sys

import parsing
import transport

MODULES = (
    "ansible.cli.adhoc",
    "ansible.cli.playbook",
    "ansible.executor.playbook_executor",
    "ansible.executor.process.worker",
    "ansible.executor.task_executor",
    "ansible.executor.module_common",
    "ansible.inventory.manager",
    "ansible.parsing.dataloader",
    "ansible.playbook",
    "ansible.playbook.block",
    "ansible.playbook.role",
    "ansible.playbook.role.include",
    "ansible.playbook.task_include",
    "ansible.plugins.callback",
    "ansible.template",
    "ansible.vars.manager",
    "ansible.vars.hostvars",
)

# Loaded by name, by Ansible's own loaders, the first time that they are asked for: here that is before any fork.
PLUGINS = (
    ("action_loader", ("normal", "command", "shell", "raw", "copy", "template", "script", "debug", "set_fact", "assert",
                       "fail", "gather_facts", "service", "package", "include_vars", "wait_for_connection", "unarchive",
                       "fetch", "assemble", "add_host", "group_by", "pause", "reboot", "async_status")),
    ("connection_loader", ("ssh", "local")),
    ("shell_loader", ("sh",)),
    ("become_loader", ("sudo", "su")),
    ("strategy_loader", ("linear", "free")),
    ("lookup_loader", ("items", "file", "env", "pipe", "template", "vars", "first_found", "fileglob", "dict")),
    ("inventory_loader", ("host_list", "script", "auto", "yaml", "ini", "toml")),
    ("cache_loader", ("memory",)),
)


# What each worker would import, in the releases that have it.
LATE_MODULES = (
    "ansible.module_utils._internal._json._profiles._module_legacy_c2m",
    "ansible.module_utils._internal._json._profiles._module_legacy_m2c",
)


def warm_templates():
    """The first template and the first condition make Jinja's lexers, which each worker would have to make."""
    from ansible import template
    from ansible.parsing.dataloader import DataLoader

    trusted = getattr(template, "trust_as_template", str)  # since 2.19 what is not trusted is no template
    templar = template.Templar(loader=DataLoader(), variables={"word": 1})
    templar.template(trusted("{{ word }} {% if word == 1 %}{{ word | int }}{% endif %}"))
    if hasattr(templar, "evaluate_conditional"):
        templar.evaluate_conditional(trusted("word == 1"))


def import_late():
    for name in LATE_MODULES:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def parse_routing():
    """Where Ansible's own plugins are: a large file that each run would parse, where it is not loaded yet."""
    import ansible
    from ansible.utils.collection_loader import _collection_finder as finder

    path = os.path.join(os.path.dirname(ansible.__file__), "config/ansible_builtin_runtime.yml")
    if "ansible_collections.ansible.builtin" in sys.modules or not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        text = file.read()
    parse = finder._meta_yml_to_dict
    parsed = {text: parse(text, ("ansible.builtin", "runtime.yml"))}

    def parse_once(text, content_id):
        found = parsed.pop(text, None)  # it may be changed by whom it is given to
        return parse(text, content_id) if found is None else found

    finder._meta_yml_to_dict = parse_once


def load():
    for name in MODULES:
        importlib.import_module(name)
    loaders = importlib.import_module("ansible.plugins.loader")
    for loader_name, names in PLUGINS:
        loader = getattr(loaders, loader_name)
        for name in names:
            try:
                loader.get(name, class_only=True)
            except Exception:  # noqa: BLE001  (one that this release does not have is not needed)
                continue
    for loader_name in ("filter_loader", "test_loader"):
        list(getattr(loaders, loader_name).all())
    warm_templates()
    import_late()
    parse_routing()
    parsing.remember_options()
    transport.settle()
    for package in ("ansible.module_utils", "ansible.module_utils.common"):
        module = importlib.import_module(package)
        for info in pkgutil.iter_modules(module.__path__):
            if info.name in ("basic", "text", "parameters", "validation"):
                importlib.import_module(f"{package}.{info.name}")
