"""Ansible's own command lines, with the inventory, the passwords and the output of a unit.

The arguments are parsed in this process, by Ansible's parsers; they never were a process's arguments.
"""

import os


def prereqs(request):
    """What the command line makes itself: loader, inventory, variables; with the unit's own hosts."""
    import inventory as inventories
    from ansible.cli import CLI
    from ansible.parsing.dataloader import DataLoader
    from ansible.vars.manager import VariableManager
    from ansible import constants as C, context

    loader = DataLoader()
    ids = list(C.DEFAULT_VAULT_IDENTITY_LIST) + list(context.CLIARGS["vault_ids"])
    loader.set_vault_secrets(CLI.setup_vault_secrets(
        loader, vault_ids=ids, vault_password_files=list(context.CLIARGS["vault_password_files"]),
        ask_vault_pass=False, auto_prompt=False))
    found = inventories.build(request, loader)
    return loader, found, VariableManager(loader=loader, inventory=found, version_info=CLI.version_info(gitinfo=False))


def write_secret(folder, name, secret):
    """A file that only this user reads, gone with the unit's folder; its path."""
    path = os.path.join(folder, name)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as f:
        f.write(secret if secret.endswith("\n") else secret + "\n")
    return path


def arguments(request, folder):
    """What both commands take."""
    credential = request.get("credential") or {}
    become = request.get("become")
    found = [f"--forks={request['forks']}"]
    if credential.get("user"):
        found.append(f"--user={credential['user']}")
    if credential.get("key"):
        found.append(f"--private-key={write_secret(folder, 'key', credential['key'])}")
    if request.get("connect_timeout"):
        found.append(f"--timeout={request['connect_timeout']}")
    if become:
        found.append("--become")
        found += [f"--become-{key}={become[key]}" for key in ("user", "method") if become.get(key)]
    if request.get("check"):
        found.append("--check")
    if request.get("diff"):
        found.append("--diff")
    for number, secret in enumerate(request.get("vault_passwords") or ()):
        path = write_secret(folder, f"vault{number}", secret["password"])
        found.append(f"--vault-id={secret['id']}@{path}" if secret.get("id") else f"--vault-password-file={path}")
    return found


def passwords(request):
    credential = request.get("credential") or {}
    password = credential.get("password")
    return password, credential.get("become_password") or password


def bind(cls, request):
    """The command line class, whose prompts are answered and whose inventory is the unit's."""

    class Command(cls):
        @staticmethod
        def ask_passwords():
            return passwords(request)

        @staticmethod
        def _play_prereqs():
            return prereqs(request)

    Command.__name__ = cls.__name__
    return Command
