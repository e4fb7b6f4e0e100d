"""Our own rows on a draw: auto, and the baselines of the field, as `autospec localise` has them."""

from __future__ import annotations

from importlib.metadata import version

from sklearn import config_context

import autospec
from autospec.data.sites import USA_INSTALL, has_usa
from autospec.data.splits import SplitPlan
from autospec.localisation.baseline_draw import run_baselines
from autospec.localisation.candidates import LibraryModels
from autospec.localisation.preparation import Prepared
from autospec.localisation.result import AUTO, PLSR_LOCAL
from peers.lines import Line, digest_rows, round_predictions

OURS = "ours"
SHOWN = (AUTO, "ridge", "GPR", "GPR SNV", "SVR", "Cubist", "memory-based")


def ours_lacks() -> str:
    """Say what is missing here for the library that auto is measured with; "" if nothing."""
    return "" if has_usa() else f"the library is smaller without the site usa. Run: {USA_INSTALL}"


def run_ours(
    site: str, prepared: Prepared, models: LibraryModels, plan: SplitPlan, number: int, seed: int
) -> list[Line]:
    """Run everything but the networks on one draw; what is learned once a farm is not timed.

    PLSR is tuned once for all its rows, and the first one, tuned local PLSR, has the time: auto,
    which is made of the others, is given it too.
    """
    with config_context(assume_finite=True, skip_parameter_validation=True):
        piece = run_baselines(
            prepared, models, plan, number, seed=seed, device="cpu", fingerprint=""
        )
    test = plan.unseal()
    same = {
        "site": site,
        "draw": number,
        "rows": digest_rows(plan.train, test, prepared.farm.own.target),
        "n_train": len(plan.train),
        "n_test": len(test),
        "version": f"autospec {autospec.__version__}, scikit-learn {version('scikit-learn')}",
    }
    tuning = sum(part.outcome.seconds for part in piece.models if part.name == PLSR_LOCAL)
    done = [
        Line(
            model=part.name,
            seconds=round(part.outcome.seconds + tuning * (part.kind == "auto"), 3),
            rmse=part.outcome.rmse,
            predicted=round_predictions(part.outcome.predicted),
            failed="",
            about=part.about,
            **same,
        )
        for part in piece.models
    ]
    lost = [
        Line(model=name, seconds=0.0, rmse=None, predicted=(), failed=why, about="", **same)
        for name, why in piece.failures.items()
    ]
    return sorted(done + lost, key=lambda line: line.model == AUTO)  # last: then all are there
