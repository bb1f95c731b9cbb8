"""Anything of a cluster is killed or stopped, at any moment: nothing acknowledged is lost, nothing runs twice at a time.

DROVER_SEED repeats a run's choices; DROVER_KILLS says how many kills, beside which there are stops; DROVER_CHAOS=long is
`make chaos`.
"""

import os
import random

import pytest

from chaos import Chaos
from cluster import Cluster

pytestmark = pytest.mark.alone

LONG = os.environ.get("DROVER_CHAOS") == "long"
KILLS = int(os.environ.get("DROVER_KILLS", "1000" if LONG else "100"))
# Engines that execute less at once than a task has: units wait, and go from one to the other.
ENGINE = {"capacity": {"hosts": 600, "units": 24}}


def rage(cluster, kills, **options):
    seed = int(os.environ.get("DROVER_SEED", random.randrange(1 << 32)))
    print(f"DROVER_SEED={seed} DROVER_KILLS={kills} repeats this run's choices")
    chaos = Chaos(cluster, seed, kills, **options)
    try:
        told = chaos.run()
    except AssertionError as error:
        raise AssertionError(f"{error}\nDROVER_SEED={seed} DROVER_KILLS={kills}{chaos.explain(error)}") from error
    print(told)
    assert told["kills"] >= kills and told["stops"] > kills / 5 and told["acknowledged"] >= kills / 25, told


def test_anything_of_a_cluster_is_killed_or_stopped():
    with Cluster(distributors=2, engines=3, engine=ENGINE) as cluster:
        rage(cluster, KILLS)


if LONG:
    def test_it_holds_with_the_default_lease_times():
        with Cluster(distributors=2, engines=3, engine=ENGINE, lease=False) as cluster:
            rage(cluster, 50, pause=(2, 10), hold=(31, 60))
