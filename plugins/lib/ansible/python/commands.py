"""Ansible's own command lines, with the inventory, the passwords and the output of a unit.

The arguments are parsed in this process, by Ansible's parsers; they never were a process's arguments.
"""

import os

import keys


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


def login(credential, folder):
    found = []
    if credential.get("user"):
        found.append(f"--user={credential['user']}")
    if credential.get("key"):
        found.append(f"--private-key={keys.use(credential, folder)}")
    if credential.get("certificate"):
        path = write_secret(folder, "key-cert.pub", credential["certificate"])
        found.append(f"--ssh-extra-args=-o CertificateFile={path}")
    return found


def vaults(request, folder):
    found = [f"--vault-id={label}@{path}" for label, path in (request.get("vault_ids") or {}).items()]
    if request.get("vault_password"):
        found.append(f"--vault-password-file={write_secret(folder, 'vault', request['vault_password'])}")
    return found


def arguments(request, folder):
    """What both commands take."""
    become = request.get("become")
    found = [f"--forks={request['forks']}", *login(request.get("credential") or {}, folder), *vaults(request, folder)]
    if request.get("connect_timeout"):
        found.append(f"--timeout={request['connect_timeout']}")
    if become is not None:  # {}: whom and how are left to Ansible
        found.append("--become")
        found += [f"--become-{key}={become[key]}" for key in ("user", "method") if become.get(key)]
    if request.get("check"):
        found.append("--check")
    if request.get("diff"):
        found.append("--diff")
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
