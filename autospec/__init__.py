"""autospec: Bayesian-optimised spectroscopy models for soil, with honest comparisons.

The public names, all of them; each is imported when it is first used, so that ``import autospec``
and ``autospec --help`` stay fast.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Architecture": "autospec.nets.architecture",
    "AutospecError": "autospec.errors",
    "Caps": "autospec.search.design",
    "ConvBlock": "autospec.nets.architecture",
    "DataError": "autospec.errors",
    "Design": "autospec.search.design",
    "Examination": "autospec.data.readers",
    "Execution": "autospec.search.job",
    "FCBlock": "autospec.nets.architecture",
    "LocalisationResult": "autospec.localisation.result",
    "LocaliseExecution": "autospec.localisation.execution",
    "LocaliseSettings": "autospec.localisation.settings",
    "ModelBundle": "autospec.predict.document",
    "PUBLISHED": "autospec.nets.architecture",
    "Predictions": "autospec.predict.predictions",
    "Preprocessing": "autospec.data.preprocess",
    "RSLocalSelector": "autospec.transfer.selector",
    "RSLocalSettings": "autospec.transfer.selection",
    "ReadOptions": "autospec.data.readers",
    "SITES": "autospec.data.sites",
    "SavitzkyGolay": "autospec.data.preprocess",
    "SearchResult": "autospec.search.result",
    "SearchSettings": "autospec.search.settings",
    "SearchSpace": "autospec.search.space",
    "Selection": "autospec.transfer.selection",
    "Spectra": "autospec.data.spectra",
    "SpectralRegressor": "autospec.training.estimator",
    "SpectralSearchCV": "autospec.search.estimator",
    "SplitPlan": "autospec.data.splits",
    "TrainingConfig": "autospec.training.config",
    "align": "autospec.data.align",
    "align_many": "autospec.data.align",
    "choose_samples": "autospec.data.sampling",
    "examine": "autospec.data.readers",
    "load_localisation": "autospec.report.localise_folder",
    "load_model": "autospec.predict.bundle",
    "load_result": "autospec.report.folder",
    "load_site": "autospec.data.sites",
    "localise": "autospec.localisation.job",
    "make_bundle": "autospec.predict.bundle",
    "make_split_plan": "autospec.data.splits",
    "measure_alignment": "autospec.transfer.alignment",
    "plan_samples": "autospec.data.planning",
    "predict": "autospec.predict.predictions",
    "read_spectra": "autospec.data.readers",
    "read_study": "autospec.search.settings",
    "rs_local": "autospec.transfer.rs_local",
    "save_model": "autospec.predict.bundle",
    "search": "autospec.search.job",
    "site_library": "autospec.data.libraries",
    "write_localisation": "autospec.report.localise_page",
    "write_report": "autospec.report.html",
}
__all__ = [
    "PUBLISHED",
    "SITES",
    "Architecture",
    "AutospecError",
    "Caps",
    "ConvBlock",
    "DataError",
    "Design",
    "Examination",
    "Execution",
    "FCBlock",
    "LocalisationResult",
    "LocaliseExecution",
    "LocaliseSettings",
    "ModelBundle",
    "Predictions",
    "Preprocessing",
    "RSLocalSelector",
    "RSLocalSettings",
    "ReadOptions",
    "SavitzkyGolay",
    "SearchResult",
    "SearchSettings",
    "SearchSpace",
    "Selection",
    "Spectra",
    "SpectralRegressor",
    "SpectralSearchCV",
    "SplitPlan",
    "TrainingConfig",
    "align",
    "align_many",
    "choose_samples",
    "examine",
    "load_localisation",
    "load_model",
    "load_result",
    "load_site",
    "localise",
    "make_bundle",
    "make_split_plan",
    "measure_alignment",
    "plan_samples",
    "predict",
    "read_spectra",
    "read_study",
    "rs_local",
    "save_model",
    "search",
    "site_library",
    "write_localisation",
    "write_report",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'autospec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
