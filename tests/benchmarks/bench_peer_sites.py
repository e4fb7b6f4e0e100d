"""Run other programs on the draws of `autospec localise --site all`, and print them beside auto.

    PYTHONPATH=. OMP_NUM_THREADS=1 python tests/benchmarks/bench_peer_sites.py run -o peers.jsonl
    PYTHONPATH=. python tests/benchmarks/bench_peer_sites.py table peers.jsonl

Fifteen farms, n = 30 (24 in france), seed 0, draws 10 to 29 (`--draws 10 30`), SOC. Every peer gets
the same training rows and predicts the same sealed rows; spectra are the farm's, averaged to about
216 bands as the baselines of the farm's rows see them. A peer whose package or weights are not here
is skipped, with a line that says what helps; `--peer NAME` chooses, `peers` lists them. Peers whose
packages do not go together are run in virtual environments of their own, each with autospec's
dependencies, into files of their own: `table` reads them all, refuses them if a draw has not the
same rows in all, and takes what stands in two of them from the first. The peer "ours" is auto and
the baselines; it wants the data of the site `usa`, and Cubist's row the extra [baselines].

One JSON line for each farm, draw and peer; what is in the file is not run again, so a stopped run
goes on. A peer that fails leaves a line with the reason (delete it to try again) and is counted.
Draws are the outer loop: a file that is not finished has all farms. Seconds are wall time to tune
and fit on one thread; a peer's first fit of a run is done twice, because of what it imports.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from peers.by_hand import BY_HAND
from peers.lines import (
    Line,
    append_lines,
    digest_rows,
    drop_half_line,
    read_lines,
    rmse,
    round_predictions,
)
from peers.ours import OURS, SHOWN, ours_lacks, run_ours
from peers.peer import SEED, Peer
from peers.pretrained import PRETRAINED
from peers.table import lay_table, list_failures
from peers.with_autogluon import AUTOGLUON
from peers.with_nirs4all import NIRS4ALL
from threadpoolctl import threadpool_limits

from autospec.cli.localise_data import farm_sites, site_case
from autospec.data.splits import SplitPlan
from autospec.errors import AutospecError
from autospec.localisation.candidates import LibraryModels, learn_library
from autospec.localisation.preparation import Prepared, prepare
from autospec.localisation.protocol import lay_draws
from autospec.localisation.result import AUTO
from autospec.localisation.settings import LocaliseSettings
from autospec.search.settings import DataSource

PEERS = (*BY_HAND, *NIRS4ALL, *AUTOGLUON, *PRETRAINED)
REPORTED = (10, 30)  # draws 0 to 9 were designed on
REASON = 300  # characters of a failure's reason that are kept


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FarmDraws:
    """One farm and its draws."""

    site: str
    prepared: Prepared
    plans: tuple[SplitPlan, ...]


@cache
def load_farm(site: str, draws: int) -> FarmDraws:
    """Prepare a farm as `autospec localise --site` does, and lay its draws."""
    case = site_case(site, DataSource(site=site))
    settings = LocaliseSettings(seed=SEED, quick=True, draws=draws)
    prepared = prepare(case.library, case.farm, settings, case.country)
    return FarmDraws(site=site, prepared=prepared, plans=lay_draws(case.farm.labelled(), settings))


@cache
def learn_of(farm: FarmDraws) -> LibraryModels:
    """Learn what a farm's library alone teaches, once."""
    return learn_library(farm.prepared.narrow, SEED)


def run_peer(peer: Peer, farm: FarmDraws, number: int) -> Line:
    """Fit a peer on a draw's training rows and score it on the sealed ones."""
    plan, rows = farm.plans[number], farm.prepared.farm.own
    train, test = rows.rows(plan.train), rows.rows(plan.unseal())
    predicted, failed, fitted = np.empty(0), "", None
    with alone():
        clock = time.perf_counter()
        try:
            predict = peer.fit(train.values, train.target, train.groups)
            fitted = time.perf_counter()
            predicted = np.asarray(predict(test.values), dtype=np.float64)
            if predicted.shape != (test.n,) or not np.isfinite(predicted).all():
                raise ValueError(f"it predicted {predicted.shape}, not {test.n} finite numbers")
        except Exception as error:  # whatever a peer raises is its failure, not this run's
            failed = " ".join(f"{type(error).__name__}: {error}".split())[:REASON]
        seconds = (fitted or time.perf_counter()) - clock
    return Line(
        site=farm.site,
        draw=number,
        model=peer.name,
        rows=digest_rows(plan.train, plan.unseal(), rows.target),
        n_train=train.n,
        n_test=test.n,
        seconds=round(seconds, 3),
        rmse=None if failed else rmse(test.target, predicted),
        predicted=() if failed else round_predictions(predicted),
        failed=failed,
        about=peer.about,
        version=f"{peer.package} {peer.version()}",
    )


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Give a peer an empty folder, seeds, one thread, and no voice."""
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 (peers draw from it)
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
        threadpool_limits(1),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def run_all(path: Path, sites: list[str], draws: range, names: list[str]) -> None:
    """Run what is not in the file yet."""
    missing = {peer.name: peer.missing() for peer in PEERS} | {OURS: ours_lacks()}
    names = [name for name in missing if name in names]
    for name in names:
        if missing[name]:
            print(f"SKIP {name}: {missing[name]}", file=sys.stderr)
    names = [name for name in names if not missing[name]]
    peers = [peer for peer in PEERS if peer.name in names]
    drop_half_line(path)
    kept = read_lines([path]) if path.exists() else []
    done = {(line.site, line.draw, line.model) for line in kept}
    warm: set[str] = set()
    for number in draws:
        for site in sites:
            if OURS in names and (site, number, AUTO) not in done:
                farm = load_farm(site, draws.stop)
                with threadpool_limits(1):
                    lines = run_ours(
                        site, farm.prepared, learn_of(farm), farm.plans[number], number, SEED
                    )
                append_lines(path, [a for a in lines if (site, number, a.model) not in done])
                _tell(lines[-1])
            for peer in peers:
                if (site, number, peer.name) in done:
                    continue
                if peer.name not in warm:
                    run_peer(peer, load_farm(site, draws.stop), number)
                    warm.add(peer.name)
                line = run_peer(peer, load_farm(site, draws.stop), number)
                append_lines(path, [line])
                _tell(line)


def _tell(line: Line) -> None:
    how = line.failed or f"RMSE {line.rmse:.4g} in {line.seconds:.1f} s"
    print(f"{line.site}, draw {line.draw}, {line.model}: {how}", file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="See the module's docstring.")
    parts = parser.add_subparsers(dest="part", required=True)
    run = parts.add_parser("run", help="run peers, and ours, into a file")
    run.add_argument("-o", "--output", type=Path, required=True)
    run.add_argument("--site", nargs="+", choices=farm_sites(), default=list(farm_sites()))
    run.add_argument("--draws", type=int, nargs=2, default=REPORTED, metavar=("FROM", "UP_TO"))
    every = [OURS, *(peer.name for peer in PEERS)]
    run.add_argument("--peer", nargs="+", choices=every, default=every)
    table = parts.add_parser("table", help="print the table of files")
    table.add_argument("files", type=Path, nargs="+")
    parts.add_parser("peers", help="list the peers, and what is missing here")
    return parser.parse_args()


def main() -> None:
    asked = parse()
    if asked.part == "peers":
        print(f"{OURS}: auto and the baselines of the field. {ours_lacks() or 'all is here'}")
        for peer in PEERS:
            print(f"{peer.name}: {peer.about}. {peer.missing() or peer.version()}")
    elif asked.part == "table":
        lines = read_lines(asked.files)
        print(lay_table(lines, [*SHOWN, *(peer.name for peer in PEERS)]))
        print(list_failures(lines), file=sys.stderr)
    elif os.environ.get("OMP_NUM_THREADS") != "1":
        sys.exit("Times are of one thread. Run with OMP_NUM_THREADS=1 in the environment.")
    else:
        run_all(asked.output, asked.site, range(*asked.draws), asked.peer)


if __name__ == "__main__":
    try:
        main()
    except AutospecError as error:
        sys.exit(str(error))
