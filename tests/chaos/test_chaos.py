"""Anything of a cluster is killed or stopped, at any moment: nothing acknowledged is lost, nothing runs twice at a time.

DROVER_SEED repeats a run's choices; DROVER_FAULTS says how many; DROVER_CHAOS=long is `make chaos`.
"""

import os
import random

import pytest

from chaos import Chaos
from cluster import Cluster

pytestmark = pytest.mark.alone

LONG = os.environ.get("DROVER_CHAOS") == "long"
FAULTS = int(os.environ.get("DROVER_FAULTS", "1000" if LONG else "100"))
# Engines that execute less at once than a task has: units wait, and go from one to the other.
ENGINE = {"capacity": {"hosts": 600, "units": 24}}


def rage(cluster, faults, **options):
    seed = int(os.environ.get("DROVER_SEED", random.randrange(1 << 32)))
    print(f"DROVER_SEED={seed} DROVER_FAULTS={faults} repeats this run's choices")
    chaos = Chaos(cluster, seed, faults, **options)
    try:
        print(chaos.run())
    except AssertionError as error:
        raise AssertionError(f"{error}\nDROVER_SEED={seed}{chaos.explain(error)}") from error


def test_anything_of_a_cluster_is_killed_or_stopped():
    with Cluster(distributors=2, engines=3, engine=ENGINE) as cluster:
        rage(cluster, FAULTS)


if LONG:
    def test_it_holds_with_the_default_lease_times():
        with Cluster(distributors=2, engines=3, engine=ENGINE, lease=False) as cluster:
            rage(cluster, 60, pause=(2, 10), hold=(31, 60))
