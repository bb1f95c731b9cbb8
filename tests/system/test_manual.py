"""Manual pages and completion: made in the build from the programs' own tables, so whole and right."""

import os
import re
import subprocess

import pytest
from daemon import BUILD, Daemon, drover, wait_for

PAGES = ["drover.1", "droverd.8", "drover.yaml.5"]


def page(name):
    done = subprocess.run(["man", "--warnings", "-l", os.path.join(BUILD, "man", name)], capture_output=True, text=True,
                          env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""}, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return re.sub(".\b", "", done.stdout).replace("\N{HYPHEN}", "-")


def commands():
    text = drover("help").stdout
    return re.findall(r"^  ([a-z]+) ", text, re.M)


@pytest.mark.parametrize("name", PAGES)
def test_groff_has_nothing_to_say(name):
    done = subprocess.run(["groff", "-ww", "-man", "-Tutf8", "-z", os.path.join(BUILD, "man", name)], capture_output=True,
                          text=True, check=True)
    assert done.stdout + done.stderr == ""
    assert len(page(name).splitlines()) > 20


def test_all_commands_and_options_are_there():
    text = page("drover.1")
    for command in commands():
        assert re.search(rf"^ +{command}\b", text, re.M), command
        if command == "help":
            continue
        part = text.split(f"\n   drover {command}\n")[1].split("\n   drover ")[0]
        usage = drover(command, "--help").stdout.split("Every command takes:")[0]
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+(?=[ =,\n])", "\n".join(
            line for line in usage.splitlines() if re.match(r" +-", line))))
        assert command in ("hosts", "show", "verify", "engines", "config", "completion") or options, command
        for option in options:
            assert option in part, (command, option)
    for option in ("--url", "--standalone", "--json", "--verbose"):
        assert option in text
    part = text.split("\n   drover run\n")[1].split("\n   drover ")[0]
    assert "--name" in part and "--payload" not in part, "what is hidden in the help is hidden here"


def test_the_daemons_pages():
    text = page("droverd.8")
    assert "--pid-file=FILE" in text and "--role" not in text and "HUP" in text
    text = page("drover.yaml.5")
    reference = drover("config", "reference", env={"DROVER_PLUGIN_PATH": os.path.join(BUILD, "plugins")}).stdout
    for section in re.findall(r"^## `(\w+)`", reference, re.M):
        assert f"\n   {section}\n" in text, section
    for option in re.findall(r"^\| `(\w+)` \|", reference, re.M):
        assert re.search(rf"^ +{option} \(", text, re.M), option


# --------------------------------------------------------------------------------------------- completion
def complete(line, *setup, cwd="/"):
    """What bash would offer behind `line`, in which `drover` is the one that was built."""
    program = os.path.join(BUILD, "drover")
    script = "\n".join([f'PATH={os.path.dirname(program)}:$PATH', 'source <(drover completion bash)', *setup,
                        'COMP_LINE=$1', 'COMP_POINT=${#COMP_LINE}', '_drover', 'printf "%s\\n" "${COMPREPLY[@]}"'])
    done = subprocess.run(["bash", "--norc", "-c", script, "bash", line], capture_output=True, text=True, timeout=30, cwd=cwd,
                          env={**os.environ, "HOME": "/nonexistent", "DROVER_URL": "http://127.0.0.1:1"}, check=False)
    assert done.stderr == "", done.stderr
    return done.stdout.split()


def test_commands_options_and_words():
    assert complete("drover ") == commands()
    assert complete("drover re") == ["results", "retry"]
    assert complete("drover help ver") == ["verify"]
    assert complete("drover run --wav") == ["--waves", "--wave-pause"]
    assert set(complete("drover --url http://x results --")) > {"--status", "--grep", "--json", "--url"}
    assert complete("drover run --payl") == [], "hidden"
    assert complete("drover hosts ") == ["expand", "fold", "count", "groups"]
    assert complete("drover token create x --role ") == ["read", "submit", "admin"]
    assert complete("drover run -H a -- up") == [], "the command is the remote shell's"
    assert complete("drover doctor --cr") == ["--create-topic"]
    assert set(complete("drover doctor --")) > {"--create-topic", "--partitions", "--replication", "--config-file"}
    assert complete("drover key ") == ["generate", "show", "sign-task"]
    assert set(complete("drover key sign-task --")) > {"--key", "--cluster", "--expires"}
    assert complete("drover plugin describe ka") == ["kafka"]
    assert complete("drover plugin run sh") == ["shell"]
    assert complete("drover run --name ") == [] and complete("drover run -u ro") == []


def test_statuses_also_in_lists_and_behind_an_equals_sign():
    assert complete("drover results last --status un") == ["unreachable"]
    assert complete("drover results last --status ok,fa") == ["ok,failed"]
    assert complete("drover results last --status=ok,t") == ["ok,timeout"], "readline replaces what is behind the ="


def test_files(tmp_path):
    (tmp_path / "hosts.txt").write_text("a\n")
    (tmp_path / "folder").mkdir()
    assert complete("drover run --script ho", cwd=tmp_path) == ["hosts.txt"]
    assert complete("drover run --outdir ", cwd=tmp_path) == ["folder"]
    assert complete("drover config check h", cwd=tmp_path) == ["hosts.txt"]
    assert complete("drover submit h", cwd=tmp_path) == ["hosts.txt"]


def test_what_the_daemon_knows(tmp_path):
    hosts = tmp_path / "hosts.ini"
    hosts.write_text("[web]\nweb1\n[db]\ndb1\n")
    with Daemon({"executors": [{"plugin": "sim"}], "inventory": {"sources": [str(hosts)]}}) as daemon:
        daemon.wait(daemon.submit("sim", "@web", {}, id="deploy-1"))
        url = f"drover --url {daemon.url()}"

        def offers(line, *words):
            # A daemon that does not answer within a second is not waited for.
            wait_for(f"{words} behind {line}", lambda: complete(line) == list(words))

        offers(f"{url} show ", "last", "deploy-1")
        offers(f"{url} watch dep", "deploy-1")
        assert complete(f"{url} show deploy-1 x") == []
        offers(f"{url} engines drain ", "test")
        offers(f"{url} run -H @w", "@web")
        offers(f"{url} run -H a,b!@d", "@db")  # readline replaces what begins with the @
        offers(f"drover run --url={daemon.url()} -w @w", "@web")


def test_without_a_daemon_it_offers_what_it_can():
    assert complete("drover show ") == ["last"]
    assert complete("drover run -H @w") == []
    assert drover("completion", "tasks", env={"DROVER_URL": "http://127.0.0.1:1"}).stderr == ""
    assert drover("completion", "fish").returncode == 2


def test_the_script_is_accepted_by_the_shell():
    script = os.path.join(BUILD, "completion/drover.bash")
    subprocess.run(["bash", "-n", script], check=True)
    done = subprocess.run(["bash", "--norc", "-c", f"source {script}; complete -p drover"], capture_output=True, text=True,
                          check=True)
    assert "_drover" in done.stdout
