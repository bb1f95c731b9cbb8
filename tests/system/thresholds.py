"""What the tests of waves, thresholds and fan-out ask of the witness that simulated hosts leave (sim's lock_dir)."""

import os


def with_witness(daemon):
    """Before its start: one executor, sim, whose hosts may leave files below the folder that is returned."""
    folder = os.path.join(daemon.folder, "locks")
    os.mkdir(folder)
    daemon.config["executors"] = [{"plugin": "sim", "lock_dir": folder}]
    daemon.write_config()
    return folder


def witness(folder):
    """What the hosts of one task saw: {host: its lines}, and the overlaps."""
    lines, overlaps = {}, []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            if name == "overlaps":
                overlaps = f.read().splitlines()
            else:
                lines[name] = f.read().splitlines()
    return lines, overlaps


def times(lines, word):
    """UTC ms of a host's lines of that kind: WORD TASK UNIT ATTEMPT PID TIME …"""
    return [int(line.split()[5]) for line in lines if line.startswith(word + " ")]


def starts(lines):
    return times(lines, "start")


def most_at_once(lines):
    """How many hosts ran at the same time, at most, by what they saw themselves; a host without an end is left out."""
    steps = []
    for seen in lines.values():
        begun, ended = starts(seen), times(seen, "end")
        if begun and ended:
            steps += [(begun[0], 1), (ended[-1], -1)]
    running = most = 0
    for _, step in sorted(steps, key=lambda s: (s[0], s[1])):
        running += step
        most = max(most, running)
    return most
