"""RS-Local v1 as one reads it: a loop over draws with scikit-learn's PLS; slow, and no tests here.

It shares no code with autospec but the generator's way of drawing, so both see the same draws.
"""

from __future__ import annotations

import numpy as np
from sklearn.cross_decomposition import PLSRegression

from autospec.data.spectra import FloatArray, IntArray, Spectra


def draw_error(library: Spectra, local: Spectra, rows: IntArray, components: int) -> float:
    """RMSE on the local rows of a PLS fitted on `rows` of the library."""
    model = PLSRegression(components, scale=False, tol=1e-12)
    model.fit(library.values[rows], library.target[rows])
    errors = model.predict(local.values).ravel() - local.target
    return float(np.sqrt(np.mean(errors**2)))


def slow_rs_local(
    library: Spectra,
    local: Spectra,
    *,
    k: int,
    b: int,
    r: float,
    components: int,
    target: int,
    seed: int,
) -> tuple[IntArray, list[FloatArray]]:
    """The selected rows, ascending, and the errors of all draws of each generation."""
    seeds = np.random.SeedSequence(seed)
    kept = np.arange(library.n)
    errors: list[FloatArray] = []
    while len(kept) > target:
        rng = np.random.default_rng(seeds.spawn(1)[0])
        total, tests = np.zeros(len(kept)), np.zeros(len(kept))
        errors.append(np.empty(round(len(kept) * b / k)))
        for i in range(len(errors[-1])):
            drawn = rng.choice(len(kept), k, replace=False, shuffle=False)
            error = draw_error(library, local, kept[drawn], components)
            errors[-1][i] = error
            if np.isfinite(error):
                total[drawn] += error
                tests[drawn] += 1
        score = [t / n if n else -np.inf for t, n in zip(total, tests, strict=True)]
        cull = max(1, min(round(r * len(kept)), len(kept) - target))
        worst_first = sorted(range(len(kept)), key=lambda row: (-score[row], row))
        kept = np.delete(kept, worst_first[:cull])
    return kept, errors
