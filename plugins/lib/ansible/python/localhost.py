"""Whether steps may run on the engine itself: where the configuration does not allow it, they fail and say so.

This is about where modules run. What Ansible itself reads and writes here (lookups, `fetch`, `template`) is as the
rights of the executor's user.
"""

MESSAGE = ("steps may not run on this engine itself (localhost, delegate_to, connection: local): set allow_localhost: "
           "true for this executor to allow it")


def forbid():
    """For this process and its workers."""
    from ansible.errors import AnsibleError
    from ansible.plugins.loader import connection_loader

    def refuse(_self, *_args, **_kwargs):
        raise AnsibleError(MESSAGE)

    local = connection_loader.get("local", class_only=True)
    for name in ("exec_command", "put_file", "fetch_file"):
        setattr(local, name, refuse)
