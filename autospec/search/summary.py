"""What spectra and machine a result came from, in numbers small enough to keep and draw."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections import Counter
from pathlib import Path

import numpy as np

import autospec
from autospec.data.preprocess import BandAveraging
from autospec.data.spectra import FloatArray, Spectra
from autospec.search.result import Environment, SpectraSummary
from autospec.training.trainer import Device, resolve_device, thread_count

DRAWN_BANDS, DRAWN_SPECTRA = 400, 30
PACKAGES = ("torch", "optuna", "numpy", "scikit-learn", "chemotools", "ikpls", "LimeSoDa")


def summarise_spectra(spectra: Spectra, train: Spectra) -> SpectraSummary:
    """Summarise `spectra` (the rows with a lab value are drawn); the targets kept are `train`'s."""
    everything, spectra = spectra, spectra.labelled()
    averaging = BandAveraging(spectra.axis, (spectra.axis[-1] - spectra.axis[0]) / DRAWN_BANDS)
    values = averaging.fit_transform(spectra.values)
    order = np.argsort(spectra.target, kind="stable")
    chosen = order[np.unique(np.linspace(0, spectra.n - 1, DRAWN_SPECTRA).round().astype(int))]
    return SpectraSummary(
        n=spectra.n,
        n_unlabelled=everything.n - spectra.n,
        b=spectra.b,
        axis_unit=spectra.axis_unit,
        axis_low=float(spectra.axis[0]),
        axis_high=float(spectra.axis[-1]),
        quantity=spectra.quantity,
        fields=dict(sorted(Counter(spectra.fields).items())),
        n_groups=len(set(spectra.groups)),
        target_name=spectra.target_name,
        target_unit=spectra.target_unit,
        target_train=_plain(train.target),
        axis=_plain(averaging.grid_),
        envelope=tuple(_plain(q) for q in np.quantile(values, [0, 0.25, 0.5, 0.75, 1], axis=0)),
        examples=tuple(_plain(values[i]) for i in chosen),
        example_targets=_plain(spectra.target[chosen]),
        provenance=spectra.provenance,
        digest=spectra.digest,
    )


def describe_environment(
    device: Device, *, started: str, seconds_search: float, seconds_final: float
) -> Environment:
    """Describe the machine, the versions and the times of a run."""
    return Environment(
        autospec=autospec.__version__,
        python=platform.python_version(),
        packages={name: importlib.metadata.version(name) for name in PACKAGES},
        platform=platform.platform(),
        processor=_processor(),
        cpu_count=os.cpu_count() or 1,
        threads=thread_count(),
        device=str(resolve_device(device)),
        started=started,
        seconds_search=round(seconds_search, 1),
        seconds_final=round(seconds_final, 1),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _plain(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{v:.6g}") for v in values)
