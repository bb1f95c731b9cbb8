"""The hosts of a unit, beside those of the configured inventory."""

GROUP = "target_hosts"


def build(request, loader):
    """An inventory that holds the configured sources, with the unit's hosts in it, and them alone chosen."""
    from ansible.inventory.manager import InventoryManager

    inventory = InventoryManager(loader=loader, sources=request.get("inventory") or None)
    inventory.add_group(GROUP)
    names = []
    for host in request["hosts"]:
        name = host["name"]
        names.append(name)
        inventory.add_host(name, GROUP)
        known = inventory.get_host(name)
        if "all" not in [group.name for group in known.get_groups()]:
            inventory.add_host(name, "ungrouped")
        for key, value in variables(host).items():
            known.set_variable(key, value)
    inventory.reconcile_inventory()
    inventory._subset = names
    return inventory


def variables(host):
    """Ansible's own names for what a task says of a host; its `vars` are passed on as they are."""
    found = dict(host.get("vars") or {})
    for key, name in (("address", "ansible_host"), ("port", "ansible_port"), ("user", "ansible_user")):
        if host.get(key):
            found[name] = host[key]
    return found
