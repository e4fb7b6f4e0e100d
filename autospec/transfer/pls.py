"""The batched PLS1 engine: many draws fitted at once and judged; torch lives here alone.

PLS for one response after Dayal and MacGregor (1997, their first improved kernel algorithm,
https://doi.org/10.1002/(SICI)1099-128X(199701)11:1<73::AID-CEM435>3.0.CO;2-#), centred and not
scaled; it gives what SIMPLS gives. A component needs one product X'(Xw), and there are two ways:

- directly, two passes over the gathered rows of the draw. Nothing is left out.
- where all but the first directions are nearly noise (`rotation.find_lead`): the products of the
  first directions with all others are formed once, and those of the others among themselves take
  their mean, `_mixed_product`. Rows are read once and not twice a component.

Which rows are drawn, and what is made of the errors, is not decided here.

On the CPU whole chunks run side by side, each on one thread; every draw starts at a cache line, so
its products depend neither on how many threads there are nor on the chunk that it is in (errors
may differ in the last digit of float64).

Two departures from the published algorithm, both numerical: products over rows are formed in the
type of the rows and everything else in float64, and a draw whose rank is used up stops there and
keeps the components it has. float32 is enough for rows that were rotated: each direction keeps
digits of its own, so rounding is relative to it and not to the largest (measured: errors of draws
move by 3e-8 in the median, 2e-6 at most).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np
import torch

from autospec.data.spectra import FloatArray, IntArray
from autospec.training.trainer import Device, one_thread, resolve_device
from autospec.transfer.rotation import EXTRA, RotatedLibrary
from autospec.transfer.selection import Criterion

CHUNK_BYTES = {"cpu": 8 * 2**20, "cuda": 2 * 2**30}
BLOCK_BYTES = {"cpu": 3 * 2**20, "cuda": 2**30}  # of gathered rows, where they are read once
MAX_WORKERS = 16  # × 11 MiB bounds the memory of a run
# of its first norm: what is left is rounding (2e-16 or 6e-8, a few steps long)
SPENT_COVARIANCE = {torch.float64: 1e-13, torch.float32: 1e-6}
# of the sum of squares before centring: spectra or lab values that differ by rounding only
FLAT = {torch.float64: 1e-13, torch.float32: 2e-6}
SPENT_VARIANCE = 1e-15  # of the draw's total variance: below it a score is rounding
RANGE_SHARES = (0.05, 0.95)

Product = Callable[[torch.Tensor], torch.Tensor]


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
    rows : float32 or float64 tensor, shape (n, width)
        `RotatedLibrary.table`: scores, and three columns after the first `lead` of them.
    lead : int
        Directions whose products are formed in full; 0 for all.
    places : float64 tensor, shape (width,)
        1 where a direction stands, 0 in the other columns.
    shares : float64 tensor, shape (width,)
        Share of each direction after `lead` in their common variance.
    local : float64 tensor, shape (m, width)
        Scores of the judges, laid out like `rows`.
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
    lead: int
    places: torch.Tensor
    shares: torch.Tensor
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
        width, m, size = self.rows.shape[1], len(self.local), self.rows.element_size()
        rows = self.lead + EXTRA if self.lead else k + EXTRA
        numbers = (2 * self.components + 8) * width + 3 * m
        if set(self.criteria) & {"reconstruction", "similarity"}:
            numbers += 3 * m * width
        return max(self.chunk_bytes // (size * rows * width + 8 * numbers), 1)

    def block(self, k: int) -> int:
        """Return how many draws of `k` rows are gathered at once."""
        if self.lead == 0:
            return self.chunk(k)
        row_bytes = self.rows.shape[1] * self.rows.element_size()
        return max(BLOCK_BYTES[self.rows.device.type] // (k * row_bytes), 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """What PLS needs of d draws of k rows, all but the product X'(Xw)."""

    mean: torch.Tensor  # (d, width), 0 where no direction stands
    y_mean: torch.Tensor  # (d,)
    covariance: torch.Tensor  # (d, width), times k
    least: torch.Tensor  # (d, 1), length of a covariance that is only rounding
    rest: torch.Tensor  # (d,), sum of squares in the directions after `lead`, centred
    raw: torch.Tensor  # (d, 2), sums of squares of spectra and lab values before centring
    total: torch.Tensor  # (d, 2), and after


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fits:
    """PLS of d draws with unit-length scores: R (weights), P (loadings), both (d, A, width)."""

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
        Memory that one chunk of draws may take; 8 MiB on the CPU (its cache), 2 GiB on CUDA.

    Returns
    -------
    Engine
    """
    where = resolve_device(device)
    rotation = library.rotation
    local = rotation.apply(judges.values)
    length = np.square(judges.values - rotation.mean).sum(axis=1)
    outside = np.maximum(length - np.square(local).sum(axis=1), 0.0)
    rest = np.append(np.zeros(library.lead), rotation.variances[library.lead :])
    y = library.table[:, library.lead + 1].astype(np.float64)
    wide = {
        "places": library.widen(np.ones(rotation.rank)),
        "shares": library.widen(rest / max(rest.sum(), np.finfo(float).tiny)),
        "local": library.widen(local),
        "local_y": judges.target - library.centre,
        "outside": outside,
        "spread": np.array([rotation.variances.sum(), np.square(y).mean()]),
    }
    return Engine(
        rows=torch.from_numpy(library.table).to(where),
        lead=library.lead,
        **{name: torch.from_numpy(value).to(where) for name, value in wide.items()},
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
    room = _Room()
    with (
        one_thread(),
        ThreadPoolExecutor(
            engine.workers, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool,
    ):
        judged = list(pool.map(lambda piece: _judge_piece(engine, piece, room), pieces))
    return np.concatenate(judged)


class _Room(threading.local):
    """Memory of a worker, used again for each chunk: fresh pages cost as much as the fits."""

    def __init__(self) -> None:
        self.held: dict[str, torch.Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
        """Return a tensor of this shape; what is in it is left from before."""
        held = self.held.get(name)
        if held is None or held.numel() < prod(shape):
            held = self.held[name] = like.new_empty(prod(shape))
        return held[: prod(shape)].view(shape)


def _judge_piece(engine: Engine, piece: IntArray, room: _Room) -> FloatArray:
    with torch.inference_mode():
        chunk = torch.from_numpy(piece).to(engine.rows.device)
        return np.asarray(_judge_chunk(engine, chunk, room).cpu().numpy())


def _judge_chunk(engine: Engine, chunk: torch.Tensor, room: _Room) -> torch.Tensor:
    """Return the numbers of one chunk of draws (d, k), shape (d, c)."""
    k = chunk.shape[1]
    x, cross = _multiply(engine, chunk, room)
    sums = _sum(engine, cross, k)
    product: Product
    if engine.lead:
        product = partial(_mixed_product, *_mix(engine, cross, sums, k))
    else:
        product = partial(_full_product, x, engine.places)
    fits = _fit(product, sums, engine.components, room)
    numbers = {
        "response": lambda: _response(engine, fits, sums),
        "reconstruction": lambda: _reconstruction(engine, fits, sums),
        "similarity": lambda: _similarity(engine, fits, sums, k),
        "range": lambda: _range(engine, engine.rows[:, engine.lead + 1][chunk].double()),
    }
    errors = torch.stack([numbers[name]() for name in engine.criteria], dim=1)
    flat = (sums.total <= FLAT[x.dtype] * (sums.raw + k * engine.spread)).any(dim=1)
    unfitted = flat | (fits.y_loadings[:, 0] == 0)
    return errors.masked_fill(unfitted[:, None], torch.nan)


def _multiply(
    engine: Engine, chunk: torch.Tensor, room: _Room
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gather rows; return the last block of them, and the first columns times all, of all."""
    d, k = chunk.shape
    width, front, step = engine.rows.shape[1], engine.lead + EXTRA, engine.block(k)
    rows = room.take("rows", (min(step, d) * k, width), engine.rows)
    cross = room.take("cross", (d, front, width), engine.rows)
    for first in range(0, d, step):
        block = chunk[first : first + step]
        x = rows[: block.numel()]
        torch.index_select(engine.rows, 0, block.reshape(-1), out=x)
        x = x.view(len(block), k, width)
        torch.bmm(x[:, :, :front].transpose(1, 2), x, out=cross[first : first + step])
    return x, cross


def _sum(engine: Engine, cross: torch.Tensor, k: int) -> _Sums:
    """Read the sums of draws from the rows of `cross` that ones and lab values gave."""
    lead = engine.lead
    sums, with_y = cross[:, lead].double(), cross[:, lead + 1].double()
    mean = sums / k * engine.places
    y_mean, y_square = sums[:, lead + 1] / k, with_y[:, lead + 1]
    squares = cross.diagonal(dim1=1, dim2=2)[:, :lead].sum(dim=1, dtype=torch.float64)
    squares = squares + sums[:, lead + 2]
    covariance = (with_y - k * y_mean[:, None] * mean) * engine.places
    return _Sums(
        mean=mean,
        y_mean=y_mean,
        covariance=covariance,
        least=SPENT_COVARIANCE[cross.dtype] * covariance.norm(dim=1, keepdim=True),
        rest=sums[:, lead + 2] - k * mean[:, lead:].square().sum(dim=1),
        raw=torch.stack([squares, y_square], dim=1),
        total=torch.stack(
            [squares - k * mean.square().sum(dim=1), y_square - k * y_mean.square()], dim=1
        ),
    )


def _full_product(x: torch.Tensor, places: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return X'(Xw) for rows (d, k, width) and weights (d, width), X centred."""
    # a row times a matrix: ten times faster than the matrix times a column
    scores = torch.bmm(w.to(x.dtype)[:, None], x.transpose(1, 2))
    scores -= scores.mean(dim=2, keepdim=True)
    return torch.bmm(scores, x)[:, 0] * places


def _mix(
    engine: Engine, cross: torch.Tensor, sums: _Sums, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Centre the products (d, lead, width); return them and the means that replace the rest."""
    lead = engine.lead
    gram = cross[:, :lead]
    gram *= engine.places.to(gram.dtype)
    mean = sums.mean.to(gram.dtype)
    gram.baddbmm_(mean[:, :lead, None], mean[:, None], alpha=-k)
    # E[Z'Z Z'u] = (k S + tr(S) I) Z'u for rows Z of covariance S: each row meets itself. Weights
    # are of the form Z'u, and k tr(S) is known for the draw. Without tr(S) errors are 15 times off
    own = sums.rest[:, None] * (engine.shares + (engine.shares > 0) / k)
    return gram, own


def _mixed_product(gram: torch.Tensor, own: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return X'(Xw) of weights (d, width), with `own` for the products after the first."""
    lead = gram.shape[1]
    v = w.to(gram.dtype)[:, None]
    product = torch.bmm(v[:, :, :lead], gram)
    product[:, :, :lead] += torch.bmm(v[:, :, lead:], gram[:, :, lead:].transpose(1, 2))
    return torch.addcmul(product[:, 0].double(), own, w)


def _fit(product: Product, sums: _Sums, components: int, room: _Room) -> _Fits:
    """Fit d PLS1 models, given X'(Xw) for any weights w (d, width)."""
    shape = (components, *sums.covariance.shape)
    weights, loadings = (room.take(name, shape, sums.mean) for name in ("weights", "loadings"))
    y_loadings = sums.mean.new_empty(components, shape[1], 1)
    left = sums.covariance
    least_variance = SPENT_VARIANCE * sums.total[:, :1]
    for a in range(components):
        length = left.norm(dim=1, keepdim=True)
        w = left / length.clamp_min(torch.finfo(left.dtype).tiny)
        if a > 0:
            shared = torch.bmm(w[:, None], loadings[:a].permute(1, 2, 0))
            w = torch.baddbmm(w[:, None], shared, weights[:a].transpose(0, 1), alpha=-1)[:, 0]
        gw = product(w)
        variance = (w * gw).sum(dim=1, keepdim=True)
        alive = (length > sums.least) & (variance > least_variance)
        scale = torch.where(alive, variance.rsqrt(), 0.0)  # once spent, `left` stays as it is
        torch.mul(w, scale, out=weights[a])
        torch.mul(gw, scale, out=loadings[a])
        y_loadings[a] = (weights[a] * left).sum(dim=1, keepdim=True)
        left = torch.addcmul(left, loadings[a], y_loadings[a], value=-1)
    return _Fits(
        weights=weights.transpose(0, 1),
        loadings=loadings.transpose(0, 1),
        y_loadings=y_loadings[:, :, 0].T,
    )


def _response(engine: Engine, fits: _Fits, sums: _Sums) -> torch.Tensor:
    slopes = torch.bmm(fits.y_loadings[:, None, :], fits.weights)[:, 0]
    offset = sums.y_mean - (sums.mean * slopes).sum(dim=1)
    errors = slopes @ engine.local.T + offset[:, None] - engine.local_y
    return errors.square().mean(dim=1).sqrt()


def _local_scores(engine: Engine, fits: _Fits, sums: _Sums) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the centred local spectra (d, m, width) and their PLS scores (d, m, A)."""
    centred = engine.local[None] - sums.mean[:, None]
    return centred, torch.bmm(centred, fits.weights.transpose(1, 2))


def _reconstruction(engine: Engine, fits: _Fits, sums: _Sums) -> torch.Tensor:
    centred, scores = _local_scores(engine, fits, sums)
    lost = (centred - torch.bmm(scores, fits.loadings)).square().sum(dim=2) + engine.outside
    return (lost.mean(dim=1) / engine.bands).sqrt()


def _similarity(engine: Engine, fits: _Fits, sums: _Sums, k: int) -> torch.Tensor:
    _, scores = _local_scores(engine, fits, sums)
    return (k - 1) * scores.square().sum(dim=2).mean(dim=1)  # scores of the draw have unit length


def _range(engine: Engine, y: torch.Tensor) -> torch.Tensor:
    shares = torch.tensor(RANGE_SHARES, dtype=y.dtype, device=y.device)
    ours = torch.quantile(engine.local_y, shares)[:, None]
    return (torch.quantile(y, shares, dim=1) - ours).abs().sum(dim=0)
