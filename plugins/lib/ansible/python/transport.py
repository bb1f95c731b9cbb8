"""Which programs Ansible's ssh connections run: sessions of a master are had by Drover's own `ssh`, which starts fast.

Only the defaults are changed: what a configuration, an inventory or a task says of these options goes before.
"""

import os
import shlex

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ssh")


def settle():
    """Before units are forked."""
    from ansible import constants
    from ansible.plugins.loader import connection_loader

    if not os.access(PROGRAM, os.X_OK):
        return
    connection_loader.get("ssh", class_only=True)
    for option, value in (("ssh_executable", PROGRAM), ("sftp_extra_args", f"-S {shlex.quote(PROGRAM)}")):
        constants.config.get_configuration_definition(option, "connection", "ssh")["default"] = value
