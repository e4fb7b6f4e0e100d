"""How a searched 3D-CNN forecasts on a raster stack of yours, against persistence and the forest.

    python tests/benchmarks/forecast_cubes.py STACK --channel T2M --window 9 --steps 4 --n 600

Samples are windows around random cells at random dates; the target is the channel's next value at
the centre. The latest dates are sealed. Persistence says that nothing changes. STACK is whatever
`autospec cube check` reads; an .npz with `ndvi` (t, h, w) and `dates` is read as well, with its
cells taken as 250 m wide, for the public MODIS example of the R package sits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from autospec.data.cubes.cubes import TIME_TYPE, Cubes
from autospec.data.cubes.splits import CubeSplit
from autospec.data.cubes.stack_files import read_stack
from autospec.data.cubes.stacks import RasterStack
from autospec.evaluate.metrics import compare, score
from autospec.search.cubes.job import search_cubes
from autospec.search.cubes.settings import CubeSettings
from autospec.search.settings import parse_duration


def open_stack(path: Path) -> RasterStack:
    """Read a stack; the MODIS example has no place on earth, and is given one."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as content:
            if "ndvi" in content.files:
                values = content["ndvi"].astype(np.float32)
                return RasterStack(
                    dynamic=values[:, None],
                    static=np.zeros((0, *values.shape[1:]), np.float32),
                    channels=("ndvi",),
                    static_channels=(),
                    times=content["dates"].astype(TIME_TYPE),
                    transform=(250.0, 0.0, 0.0, 0.0, -250.0, 0.0),
                    crs="local metres",
                )
    return read_stack(path)


def sample(stack: RasterStack, channel: str, window: int, steps: int, n: int, seed: int) -> Cubes:
    """Cut n windows whose next value at the centre is known."""
    rng = np.random.default_rng(seed)
    t, (h, w) = len(stack.times), stack.shape
    half, own = window // 2, stack.channels.index(channel)
    values = np.asarray(stack.dynamic[:, :, :, :], dtype=np.float32)
    cut, target, dates, places = [], [], [], []
    while len(cut) < n:
        now = int(rng.integers(steps - 1, t - 1))
        row = int(rng.integers(half, h - window + half + 1))
        column = int(rng.integers(half, w - window + half + 1))
        rows = slice(row - half, row - half + window)
        columns = slice(column - half, column - half + window)
        part = values[now - steps + 1 : now + 1, :, rows, columns]
        following = values[now + 1, own, row, column]
        if np.isfinite(following) and np.isfinite(part[-1, own, half, half]):
            cut.append(part.transpose(1, 2, 3, 0))
            target.append(float(following))
            dates.append(stack.times[now - steps + 1 : now + 1])
            places.append((row + 0.5, column + 0.5))
    told = np.stack(cut)
    valid = np.isfinite(told)
    a, _, c, _, e, f = stack.transform
    row_column = np.array(places)
    return Cubes(
        values=np.where(valid, told, 0.0).astype(np.float32),
        valid=valid,
        channels=stack.channels,
        times=np.stack(dates).astype(TIME_TYPE),
        x=c + a * row_column[:, 1],
        y=f + e * row_column[:, 0],
        crs=stack.crs,
        ids=tuple(f"sample {i}" for i in range(n)),
        target=np.array(target),
        target_name=f"next {channel}",
        target_unit="",
    )


def main() -> None:
    """Search, and print a row for each model and for persistence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stack", type=Path)
    parser.add_argument("--channel", required=True)
    parser.add_argument("--window", type=int, default=9)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--n", type=int, default=600)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--budget", type=parse_duration, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    stack = open_stack(given.stack)
    cubes = sample(stack, given.channel, given.window, given.steps, given.n, given.seed)
    settings = CubeSettings(
        trials=given.trials,
        budget_s=given.budget,
        seed=given.seed,
        split=CubeSplit(kind="forward", seed=given.seed),
    )
    result = search_cubes(cubes, name="forecast", settings=settings)
    own, half = cubes.channels.index(given.channel), given.window // 2
    rows = [cubes.ids.index(name) for name in result.test_ids]
    last = cubes.values[rows, own, half, half, -1].astype(np.float64)
    observed = np.array(result.observed)
    print(
        f"{given.stack.name}, {given.channel}: {result.split.n_train} samples to learn from, "
        f"{result.split.n_test} later ones, {len(result.trials)} trials, seed {given.seed}"
    )
    print(f"{'model':24} {'RMSE':>8} {'95 % interval':>20} {'R2':>8}   RMSE less persistence's")
    models = [(m.name, np.array(m.predicted)) for m in result.models if m.predicted]
    for name, predicted in [*models, ("persistence", last)]:
        s, c = score(observed, predicted, seed=0), compare(observed, predicted, last, seed=0)
        print(
            f"{name:24} {s.rmse.value:8.3f} {s.rmse.low:9.3f} to {s.rmse.high:7.3f} "
            f"{s.r2.value:8.3f}   {c.difference:+.3f} ({c.low:+.3f} to {c.high:+.3f})"
        )


if __name__ == "__main__":
    main()
