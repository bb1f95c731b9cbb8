"""What each worker would parse of ssh's options again and again, and is the same for all of them."""

import argparse
import importlib
import types

# Lists of options that are kept.
KEPT_MOST = 10000
# Parsed before any fork, with what the configuration gives for them.
OPTIONS = ("ssh_args", "ssh_common_args", "ssh_extra_args", "sftp_extra_args", "scp_extra_args")


def keep(kept, key, value):
    if len(kept) < KEPT_MOST:
        kept[key] = value
    return value


class Parser:
    """In place of an argparse.ArgumentParser, which is made only for words that were not parsed before."""

    parsed = {}

    def __init__(self):
        self.arguments = ()

    def add_argument(self, name, action):
        self.arguments += ((name, action),)

    def parse_known_args(self, words):
        key = self.arguments, tuple(words)
        known, rest = self.parsed.get(key) or keep(self.parsed, key, self._parse(words))
        return argparse.Namespace(**known), list(rest)

    def _parse(self, words):
        parser = argparse.ArgumentParser()
        for name, action in self.arguments:
            parser.add_argument(name, action=action)
        known, rest = parser.parse_known_args(words)
        return vars(known), rest


class Configured:
    """In place of a connection whose options no variable changes."""

    def __init__(self, split):
        self._split_ssh_args = split
        self._tty_parser = Parser()
        self._tty_parser.add_argument("-t", action="count")
        self._tty_parser.add_argument("-o", action="append")

    @staticmethod
    def get_option(name):
        from ansible import constants

        return constants.config.get_config_value(name, plugin_type="connection", plugin_name="ssh")


def remember_options():
    """Before units are forked."""
    from ansible.plugins.loader import connection_loader

    ssh = connection_loader.get("ssh", class_only=True)
    split, known = ssh._split_ssh_args, {}

    def split_once(text):
        words = known.get(text)
        return list(keep(known, text, split(text)) if words is None else words)

    ssh._split_ssh_args = staticmethod(split_once)
    module = importlib.import_module(ssh.__module__)
    looks_for_terminal = hasattr(ssh, "_is_tty_requested") and hasattr(module, "argparse")  # since 2.19
    if looks_for_terminal:
        module.argparse = types.SimpleNamespace(ArgumentParser=Parser)
    configured = Configured(split_once)
    try:
        for name in OPTIONS:
            split_once(configured.get_option(name) or "")
        if looks_for_terminal:
            ssh._is_tty_requested(configured)
    except (Exception, SystemExit):  # noqa: BLE001  (each step says what is wrong with them)
        return
