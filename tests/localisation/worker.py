"""One worker of a shared localisation, as a process of its own: prints its result, or who has it.

Usage: python -m tests.localisation.worker URL|alone JOB [STOP]; with STOP it ends itself, as by
kill −9, at the end of the first unit whose name begins with STOP.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, replace
from typing import Any

import pytest

from autospec.errors import ReportedElsewhere
from autospec.localisation import network_stage, shared_networks
from autospec.localisation.job import localise
from autospec.localisation.network_draw import network_settings
from autospec.localisation.progress import LocaliseProgress
from autospec.localisation.settings import LocaliseSettings
from autospec.search.design import Caps
from autospec.search.shared_pieces import SharedPieces
from autospec.transfer.network_settings import NetworkSettings
from tests.localisation.landscape import ON_CPU, QUICK, few_recipes, landscape
from tests.transfer.farms import SMALL_SPACE, TINY

JOBS: dict[str, LocaliseSettings] = {
    "quick": replace(QUICK, draws=4),
    "given": replace(QUICK, quick=False, network_draws=1, members=1),
    "later": replace(QUICK, quick=False, first_draw=1, network_draws=1, members=1),
    "searched": replace(QUICK, quick=False, draws=1, network_draws=1, trials=4, members=1),
}
SILENT_S = 3  # a worker that is silent for so long is gone: in tests nobody waits 90 s


def tiny(*args: Any) -> NetworkSettings:
    """Return settings of networks that train in a second."""
    return replace(network_settings(*args), space=SMALL_SPACE, caps=Caps(multiply_adds=200_000))


def given(*args: Any) -> NetworkSettings:
    """Return settings that search nothing."""
    return replace(tiny(*args), fixed=TINY)


def main(url: str, name: str, stop: str = "") -> None:
    """Run one worker."""
    world = landscape(rows=32, samples=30, unlabelled=2)
    execution = replace(ON_CPU, progress=_say)
    if url != "alone":
        execution = replace(execution, storage=url, shared=True)
    with few_recipes(), pytest.MonkeyPatch.context() as patch:
        for room in (network_stage, shared_networks):
            patch.setattr(room, "network_settings", tiny if name == "searched" else given)
        patch.setattr("autospec.search.storage.GRACE_S", SILENT_S)
        patch.setattr("autospec.search.storage.HEARTBEAT_S", 1)
        patch.setattr("autospec.localisation.units.POLL_S", 0.2)
        if stop:
            patch.setattr(SharedPieces, "write", _die_at(stop))
        try:
            with execution.turn:
                result = localise(
                    world.library,
                    world.farm,
                    settings=JOBS[name],
                    execution=execution,
                    country="south",
                )
        except ReportedElsewhere as elsewhere:
            print(json.dumps({"elsewhere": str(elsewhere)}))
        else:
            print(json.dumps(asdict(result)))


def _say(progress: LocaliseProgress) -> None:
    print(progress.stage, progress.message, file=sys.stderr, flush=True)


def _die_at(begins: str) -> Any:
    write = SharedPieces.write

    def die(self: SharedPieces, name: str, text: str) -> None:
        if name.startswith(begins):
            os.kill(os.getpid(), signal.SIGKILL)
        write(self, name, text)

    return die


if __name__ == "__main__":
    main(*sys.argv[1:])
