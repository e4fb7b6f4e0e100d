"""The batched PLS1 engine: many draws fitted at once and judged; torch lives here alone.

SIMPLS for one response (de Jong 1993, https://doi.org/10.1016/0169-7439(93)85002-X), centred and
not scaled. It needs no rows once their Gram matrix is known, so a chunk of draws is: one gather,
one batched product for all Gram matrices (spectra, response and row counts together), then
`components` deflation steps on a batch of rank × rank matrices. Which rows are drawn, and what is
made of the errors, is not decided here.

On the CPU whole chunks run side by side, each on one thread: small batched products gain little
from more, and the sums then do not depend on how many there are.

Two departures from the published algorithm, both numerical: each loading is made orthogonal to
the earlier ones twice, and a draw whose rank is used up stops there and keeps the components it
has. Gram matrices are formed in the type of the rotated rows and used in float64, on the CPU and
on CUDA. float32 is enough for rows that were rotated: each direction keeps digits of its own, so
rounding is relative to it and not to the largest (measured: errors of draws move by 3e-8 in the
median, 6e-6 at most, below what a cut at 1e-8 of the variance moves).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from autospec.data.spectra import FloatArray, IntArray
from autospec.training.trainer import Device, one_thread, resolve_device
from autospec.transfer.rotation import RotatedLibrary
from autospec.transfer.selection import Criterion

CHUNK_BYTES = {"cpu": 16 * 2**20, "cuda": 2 * 2**30}
MAX_WORKERS = 16  # × 16 MiB bounds the memory of a run
SPENT_COVARIANCE = 1e-13  # of its first norm: what is left is rounding (2e-16, a few steps long)
# of the sum of squares before centring: spectra or lab values that differ by rounding only
FLAT = {torch.float64: 1e-13, torch.float32: 2e-6}
SPENT_VARIANCE = 1e-15  # of the draw's total variance: below it a score is rounding
RANGE_SHARES = (0.05, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judges:
    """The local rows that judge draws; they are never in a fit.

    Parameters
    ----------
    values : float64, shape (m, b)
        Local spectra on the library's bands.
    target : float64, shape (m,)
        Local lab values; NaN is allowed where no criterion reads them.
    """

    values: FloatArray
    target: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Engine:
    """Rotated spectra on a device, ready to fit draws; made by `load_engine`.

    Parameters
    ----------
    rows : float32 or float64 tensor, shape (n, rank + 2)
        Scores, the response less its mean, and ones.
    local : float64 tensor, shape (m, rank)
        Scores of the judges.
    local_y : float64 tensor, shape (m,)
        Their response less the library's mean.
    outside : float64 tensor, shape (m,)
        Squared length of each local spectrum outside the rotation: no draw can reach it.
    spread : float64 tensor, shape (2,)
        Mean square of a library row's scores (summed over directions) and of its response.
    bands : int
        Bands before the rotation.
    components : int
        PLS components.
    criteria : tuple of Criterion
        What a draw is judged by, in this order.
    chunk_bytes : int
        Memory that one chunk of draws may take.
    workers : int
        Chunks fitted side by side.
    """

    rows: torch.Tensor
    local: torch.Tensor
    local_y: torch.Tensor
    outside: torch.Tensor
    spread: torch.Tensor
    bands: int
    components: int
    criteria: tuple[Criterion, ...]
    chunk_bytes: int
    workers: int

    def chunk(self, k: int) -> int:
        """Return how many draws of `k` rows fit into `chunk_bytes`."""
        width, m = self.rows.shape[1], len(self.local)
        numbers = k * width + 3 * width**2 + (4 * self.components + 2) * width + 3 * m
        if set(self.criteria) & {"reconstruction", "similarity"}:
            numbers += 3 * m * width
        return max(self.chunk_bytes // (8 * numbers), 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fits:
    """SIMPLS of d draws with unit-length scores: R (weights), P (loadings), both (d, A, rank)."""

    weights: torch.Tensor
    loadings: torch.Tensor
    y_loadings: torch.Tensor  # (d, A)


def load_engine(
    library: RotatedLibrary,
    judges: Judges,
    *,
    components: int,
    criteria: Sequence[Criterion] = ("response",),
    device: Device = "auto",
    chunk_bytes: int | None = None,
) -> Engine:
    """Put a rotated library and its judges on a device.

    Parameters
    ----------
    library : RotatedLibrary
        n rows with lab values.
    judges : Judges
        The local rows, m of them.
    components : int
        PLS components, at least 1.
    criteria : sequence of Criterion
        What a draw is judged by.
    device : {"auto", "cpu", "cuda"}
        Where draws are fitted.
    chunk_bytes : int, optional
        Memory that one chunk of draws may take; 16 MiB on the CPU (its cache), 2 GiB on CUDA.

    Returns
    -------
    Engine
    """
    where = resolve_device(device)
    rotation = library.rotation
    local = rotation.apply(judges.values)
    length = np.square(judges.values - rotation.mean).sum(axis=1)
    outside = np.maximum(length - np.square(local).sum(axis=1), 0.0)
    squares = np.einsum("ij,ij->j", library.table, library.table, dtype=np.float64) / len(
        library.table
    )
    spread = np.array([squares[:-2].sum(), squares[-2]])
    return Engine(
        rows=torch.from_numpy(library.table).to(where),
        local=torch.from_numpy(local).to(where),
        local_y=torch.from_numpy(judges.target - library.centre).to(where),
        outside=torch.from_numpy(outside).to(where),
        spread=torch.from_numpy(spread).to(where),
        bands=len(rotation.mean),
        components=components,
        criteria=tuple(criteria),
        chunk_bytes=chunk_bytes or CHUNK_BYTES[where.type],
        workers=min(torch.get_num_threads(), MAX_WORKERS) if where.type == "cpu" else 1,
    )


def judge_draws(engine: Engine, draws: IntArray) -> FloatArray:
    """Fit PLS1 on each draw and judge it on the local rows.

    Parameters
    ----------
    engine : Engine
        Library and judges.
    draws : int64, shape (d, k)
        Row numbers within the engine's library, one draw a line.

    Returns
    -------
    float64, shape (d, c)
        One number per draw and criterion, in their order; lower is better. NaN where a draw
        cannot be fitted (all its spectra or all its lab values are the same).

        - response: RMSE of the predictions on the m local rows, in the unit of the lab values.
        - reconstruction (R): root mean square over local rows and bands of what is lost when the
          local spectra are projected on the draw's PLS space and back.
        - similarity (R): Hotelling's T² of the local rows in the draw's PLS space, mean over rows.
        - range (R): |difference| of the 5 % quantiles plus that of the 95 % quantiles of draw and
          local lab values.
    """
    step = engine.chunk(draws.shape[1])
    pieces = [draws[first : first + step] for first in range(0, len(draws), step)]
    workers = min(len(pieces), engine.workers)
    if workers <= 1:
        return np.concatenate([_judge_piece(engine, piece) for piece in pieces])
    with (
        one_thread(),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        judged = list(pool.map(lambda piece: _judge_piece(engine, piece), pieces))
    return np.concatenate(judged)


def _judge_piece(engine: Engine, piece: IntArray) -> FloatArray:
    with torch.inference_mode():
        chunk = torch.from_numpy(piece).to(engine.rows.device)
        return np.asarray(_judge_chunk(engine, chunk).cpu().numpy())


def _judge_chunk(engine: Engine, chunk: torch.Tensor) -> torch.Tensor:
    """Return the numbers of one chunk of draws (d, k), shape (d, c)."""
    d, k = chunk.shape
    rank = engine.local.shape[1]
    x = engine.rows.index_select(0, chunk.reshape(-1)).view(d, k, rank + 2)
    gram = torch.bmm(x.transpose(1, 2), x).double()  # from here on float64, whatever the rows are
    mean = gram[:, -1] / k  # the column of ones gave the sums
    raw = _totals(gram, rank)
    gram.baddbmm_(mean[:, :, None], mean[:, None, :], alpha=-k)
    covariance = gram[:, :rank, rank].contiguous()
    fits = _simpls(gram[:, :rank, :rank].contiguous(), covariance, engine.components)
    numbers = {
        "response": lambda: _response(engine, fits, mean),
        "reconstruction": lambda: _reconstruction(engine, fits, mean),
        "similarity": lambda: _similarity(engine, fits, mean, k),
        "range": lambda: _range(engine, x[:, :, rank].double()),
    }
    errors = torch.stack([numbers[name]() for name in engine.criteria], dim=1)
    flat = (_totals(gram, rank) <= FLAT[x.dtype] * (raw + k * engine.spread)).any(dim=1)
    unfitted = flat | (fits.y_loadings[:, 0] == 0)
    return errors.masked_fill(unfitted[:, None], torch.nan)


def _totals(gram: torch.Tensor, rank: int) -> torch.Tensor:
    """Return the sums of squares of spectra and of lab values, shape (d, 2)."""
    squares = gram.diagonal(dim1=1, dim2=2)
    return torch.stack([squares[:, :rank].sum(dim=1), squares[:, rank]], dim=1)


def _simpls(gram: torch.Tensor, covariance: torch.Tensor, components: int) -> _Fits:
    """Fit d PLS1 models from centred Gram matrices (d, p, p) and covariances (d, p)."""
    d, p = covariance.shape
    weights, loadings, basis = (gram.new_zeros(d, components, p) for _ in range(3))
    y_loadings = gram.new_zeros(d, components)
    total = gram.diagonal(dim1=1, dim2=2).sum(dim=1)
    first = covariance.norm(dim=1)
    left = covariance.clone()
    alive = torch.ones(d, dtype=torch.bool, device=gram.device)
    for a in range(components):
        length = left.norm(dim=1)
        r = left / length.clamp_min(torch.finfo(left.dtype).tiny)[:, None]
        gr = torch.bmm(r[:, None], gram)[
            :, 0
        ]  # a row times G: six times faster than G times a column
        variance = (r * gr).sum(dim=1)
        alive &= (length > SPENT_COVARIANCE * first) & (variance > SPENT_VARIANCE * total)
        scale = torch.where(alive, variance, torch.inf).rsqrt()[:, None]  # 0 once spent
        weights[:, a], loadings[:, a] = r * scale, gr * scale
        y_loadings[:, a] = (covariance * weights[:, a]).sum(dim=1)
        v = loadings[:, a]
        for _ in range(2):  # twice is enough (Kahan and Parlett)
            v = v - _project(basis[:, :a], v)
        basis[:, a] = v / v.norm(dim=1, keepdim=True).clamp_min(torch.finfo(v.dtype).tiny)
        left = left - _project(basis[:, : a + 1], left)
    return _Fits(weights=weights, loadings=loadings, y_loadings=y_loadings)


def _project(basis: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Project vectors (d, p) on the orthonormal rows of `basis` (d, a, p)."""
    return torch.bmm(torch.bmm(vectors[:, None], basis.transpose(1, 2)), basis)[:, 0]


def _response(engine: Engine, fits: _Fits, mean: torch.Tensor) -> torch.Tensor:
    slopes = torch.bmm(fits.y_loadings[:, None, :], fits.weights)[:, 0]
    rank = slopes.shape[1]
    offset = mean[:, rank] - (mean[:, :rank] * slopes).sum(dim=1)
    errors = slopes @ engine.local.T + offset[:, None] - engine.local_y
    return errors.square().mean(dim=1).sqrt()


def _local_scores(
    engine: Engine, fits: _Fits, mean: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the centred local spectra (d, m, p) and their PLS scores (d, m, A)."""
    centred = engine.local[None] - mean[:, None, : engine.local.shape[1]]
    return centred, torch.bmm(centred, fits.weights.transpose(1, 2))


def _reconstruction(engine: Engine, fits: _Fits, mean: torch.Tensor) -> torch.Tensor:
    centred, scores = _local_scores(engine, fits, mean)
    lost = (centred - torch.bmm(scores, fits.loadings)).square().sum(dim=2) + engine.outside
    return (lost.mean(dim=1) / engine.bands).sqrt()


def _similarity(engine: Engine, fits: _Fits, mean: torch.Tensor, k: int) -> torch.Tensor:
    _, scores = _local_scores(engine, fits, mean)
    return (k - 1) * scores.square().sum(dim=2).mean(dim=1)  # scores of the draw have unit length


def _range(engine: Engine, y: torch.Tensor) -> torch.Tensor:
    shares = torch.tensor(RANGE_SHARES, dtype=y.dtype, device=y.device)
    ours = torch.quantile(engine.local_y, shares)[:, None]
    return (torch.quantile(y, shares, dim=1) - ours).abs().sum(dim=0)
