"""The hosts of a unit, beside those of the configured inventory."""

import sys

GROUP = "target_hosts"
HERE = "localhost"


def build(request, loader):
    """An inventory that holds the configured sources, with the unit's hosts in it, and them alone chosen."""
    from ansible.inventory.manager import InventoryManager

    sources = request.get("inventory")
    inventory = InventoryManager(loader=loader, sources=sources or None, parse=bool(sources))
    known = set(inventory.hosts)
    inventory.add_group(GROUP)
    names = [host["name"] for host in request["hosts"]]
    for host in request["hosts"]:
        add(inventory, host, host["name"] not in known)
    inventory.reconcile_inventory()
    inventory._subset = names
    return inventory


def add(inventory, host, new):
    name = host["name"]
    inventory.add_host(name, GROUP)
    if new:
        inventory.add_host(name, "ungrouped")
    found = inventory.get_host(name)
    if new and name == HERE:  # as Ansible's own, which a host of this name hides
        found.set_variable("ansible_connection", "local")
        found.set_variable("ansible_python_interpreter", sys.executable)
    for key, value in variables(host).items():
        found.set_variable(key, value)


def variables(host):
    """Ansible's own names for what a task says of a host; its `vars` are passed on as they are."""
    found = dict(host.get("vars") or {})
    for key, name in (("address", "ansible_host"), ("port", "ansible_port"), ("user", "ansible_user")):
        if host.get(key):
            found[name] = host[key]
    return found
