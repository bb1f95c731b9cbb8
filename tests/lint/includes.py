#!/usr/bin/python3
"""Who may include whom (docs/architecture.md, "Rooms"): sdk -> libc; core/util -> libc and
drover/error.h; core -> sdk, core, its own libraries; a plugin -> sdk, itself, plugins/lib, its own
libraries. No plugin sees another or core.

    tests/lint/includes.py [ROOT]

Prints `file:line: message` for each violation; exit code 1 where there is one.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
# By what a name begins with; the rest is libc.
LIBRARIES = {
    "systemd/": "systemd", "json-c/": "json-c", "yaml.h": "yaml", "sodium": "sodium", "zlib.h": "zlib",
    "curl/": "curl", "libsmartcols": "smartcols", "libssh/": "libssh", "sqlite3.h": "sqlite3",
    "errmsg.h": "mysql",
    "microhttpd.h": "microhttpd", "uthash.h": "uthash", "utlist.h": "uthash", "utarray.h": "uthash",
    "check.h": "check", "mysql": "mysql", "git2": "git2", "librdkafka/": "rdkafka",
}
CORE_LIBRARIES = {"systemd", "json-c", "yaml", "sodium", "zlib", "uthash"}
PROGRAM_LIBRARIES = {"curl", "smartcols"}  # of the command line alone
PACKAGES = {"libmicrohttpd": "microhttpd", "json-c": "json-c", "sqlite3": "sqlite3", "libssh": "libssh",
            "libmariadb": "mysql", "libsystemd": "systemd", "libsodium": "sodium", "libcurl": "curl", "zlib": "zlib",
            "rdkafka": "rdkafka"}


def library(name):
    for prefix, which in LIBRARIES.items():
        if name.startswith(prefix):
            return which
    return None


def plugins(root):
    """name -> (libraries, folders of plugins/lib) as plugins.mk has them."""
    text = (root / "plugins.mk").read_text() if (root / "plugins.mk").exists() else ""
    value = dict(re.findall(r"^(\w+)[ \t]*=[ \t]*(.*)$", text, re.MULTILINE))
    result = {}
    for name in value.get("PLUGINS", "").split():
        packages = value.get(name + "_PKGS", "").split()
        result[name] = ({PACKAGES.get(p, p) for p in packages} | {"uthash"}, value.get(name + "_LIBS", "").split())
    return result


def judge(root, path, quoted, name, known):
    """What is wrong with that include, or None."""
    parts = path.relative_to(root).parts
    which = library(name)
    sdk = name.startswith("drover/")
    if parts[0] == "sdk":
        return None if sdk or (not which and not quoted) else "the SDK includes libc and itself only"
    if parts[:2] == ("core", "util"):
        fine = name == "drover/error.h" or name.startswith("util/") if quoted or sdk else not which
        return None if fine else "core/util includes libc and drover/error.h only"
    if parts[0] == "core":
        if quoted:
            return None if ".." not in name and (root / "core" / name).exists() else f"core has no {name}"
        allowed = CORE_LIBRARIES | (PROGRAM_LIBRARIES if parts[1] == "cli" else set())
        return None if sdk or not which or which in allowed else f"{which} is no library of core"
    if parts[0] == "plugins":
        if parts[1] == "lib":
            own = root / "plugins" / "lib"
            near = (path.parent / name).exists() or (own / name).exists()
            return None if sdk or not quoted or near else "a plugins' library sees itself and the SDK only"
        packages, folders = known.get(parts[1], (set(), []))
        if quoted:
            near = "/" not in name and (path.parent / name).exists()
            shared = name.split("/")[0] in folders and (root / "plugins" / "lib" / name).exists()
            return None if sdk or near or shared else \
                f"plugin {parts[1]} sees itself, the SDK and its libraries of plugins/lib only"
        if which and which not in packages:
            return f"plugins.mk does not give {which} to plugin {parts[1]}"
    return None


def check(root):
    root = pathlib.Path(root).resolve()
    known = plugins(root)
    problems = []
    for room in ("sdk", "core", "plugins"):
        for path in sorted((root / room).rglob("*.[ch]")):
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                match = INCLUDE.match(line)
                wrong = match and judge(root, path, match[1] == '"', match[2], known)
                if wrong:
                    problems.append(f"{path.relative_to(root)}:{number}: {match[2]}: {wrong}")
    return problems


if __name__ == "__main__":
    found = check(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent.parent)
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)
