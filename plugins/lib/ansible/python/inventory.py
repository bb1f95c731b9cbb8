"""The hosts of a unit, beside those of the configured inventory."""

import sys

GROUP = "target_hosts"  # of playbooks: the unit's hosts
HERE = "localhost"


def build(request, loader):
    """An inventory that holds the configured sources, with the unit's hosts in it, and them alone chosen."""
    from ansible.inventory.manager import InventoryManager

    class Inventory(InventoryManager):
        def subset(self, subset_pattern):
            """The command line sets its own, and none is all hosts of the inventory: the choice here stands."""

    sources = request.get("inventory")
    inventory = Inventory(loader=loader, sources=sources or None, parse=bool(sources))
    known = set(inventory.hosts)
    groups = [] if request["type"] == "adhoc" else [GROUP]
    for group in groups:
        inventory.add_group(group)
    names = [host["name"] for host in request["hosts"]]
    for host in request["hosts"]:
        new = host["name"] not in known
        for group in [*groups, "ungrouped"] if new else groups:
            inventory.add_host(host["name"], group)
        settle(inventory.get_host(host["name"]), host, new)
    inventory.reconcile_inventory()
    inventory._subset = names
    return inventory


def settle(found, host, new):
    if new and host["name"] == HERE:  # as Ansible's own, which a host of this name hides
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
