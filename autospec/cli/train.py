"""``autospec train``: options to settings of a network on cubes, or of one of maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from autospec.cli.cube_search import BlockOption as BlockKmOption
from autospec.cli.cube_search import BufferOption as BufferKmOption
from autospec.cli.cube_search import cube_split
from autospec.cli.options import DeviceName, DeviceOption, JsonOption
from autospec.cli.presets import architecture
from autospec.cli.train_cube import train_cube
from autospec.cli.train_options import (
    AccumulateOption,
    BaselinesName,
    BaselinesOption,
    BatchOption,
    BudgetOption,
    CubeOption,
    DecayOption,
    DeltaOption,
    EpochsOption,
    FoldsOption,
    KeepOption,
    LossName,
    LossOption,
    LowestOption,
    MaskOption,
    ModelName,
    ModelOption,
    OptimiserOption,
    OutOption,
    PatienceOption,
    PrecisionName,
    PrecisionOption,
    PresetOption,
    RateOption,
    RestartsOption,
    ScheduleOption,
    SeedOption,
    SmearingOption,
    SplitOption,
    StackOption,
    TargetOption,
    TrainWhere,
    TransformName,
    TransformOption,
    fit_config,
    refuse_foreign,
)
from autospec.cli.train_stack import train_stack
from autospec.cli.train_stack_options import (
    BlockOption,
    BufferOption,
    GapsOption,
    HorizonOption,
    LengthOption,
    StackChoice,
    TermsOption,
    TileOption,
)
from autospec.errors import UsageError


def train(
    ctx: typer.Context,
    cube: CubeOption = None,
    stack: StackOption = None,
    model: ModelOption = None,
    preset: PresetOption = None,
    target: TargetOption = None,
    horizon: HorizonOption = None,
    length: LengthOption = None,
    tile: TileOption = None,
    split: SplitOption = None,
    buffer_km: BufferKmOption = None,
    block_km: BlockKmOption = None,
    folds: FoldsOption = None,
    buffer: BufferOption = None,
    block: BlockOption = None,
    gaps: GapsOption = None,
    terms: TermsOption = None,
    loss: LossOption = LossName.mse,
    transform: TransformOption = TransformName.z_score,
    smearing: SmearingOption = False,
    mask_channel: MaskOption = False,
    optimiser: OptimiserOption = None,
    rate: RateOption = None,
    weight_decay: DecayOption = None,
    batch: BatchOption = None,
    accumulate_to: AccumulateOption = None,
    epochs: EpochsOption = None,
    patience: PatienceOption = None,
    min_delta: DeltaOption = None,
    schedule: ScheduleOption = None,
    lowest_rate: LowestOption = None,
    restarts: RestartsOption = None,
    precision: PrecisionOption = PrecisionName.auto,
    baselines: BaselinesOption = BaselinesName.quick,
    keep_model: KeepOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = DeviceName.auto,
    budget: BudgetOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train one network, on cubes or on a raster over time, and score it beside simpler models.

    The same command on the same folder takes up a training that was stopped. Examples:

    autospec train --cube samples.npz --accumulate-to 32 --lr 1e-3

    autospec train --stack ndvi.zarr --target ndvi --horizon 1

    accelerate launch --multi_gpu -m autospec train --cube samples.npz
    """
    from autospec.data.cubes.scaling import CubePreprocessing
    from autospec.search.settings import parse_duration
    from autospec.training.cube_training import TrainSettings
    from autospec.training.fit_config import FitConfig
    from autospec.training.map_settings import MAP_FIT

    on_maps = _on_maps(cube, stack, model)
    refuse_foreign(ctx, stack=on_maps)
    numbers: dict[str, Any] = {
        "optimiser": optimiser and optimiser.value,
        "learning_rate": rate,
        "weight_decay": weight_decay,
        "batch_size": batch,
        "accumulate_to": accumulate_to,
        "max_epochs": epochs,
        "patience": patience,
        "min_delta": min_delta,
        "schedule": schedule and schedule.value,
        "lowest_rate": lowest_rate,
        "restarts": restarts,
        "precision": precision.value,
        "seed": seed,
    }
    config = fit_config(MAP_FIT if on_maps else FitConfig(loss=loss.value), **numbers)
    where = TrainWhere(
        device=device.value,
        budget_s=parse_duration(budget) if budget else None,
        out=out,
        as_json=as_json,
    )
    if stack is not None:
        choice = StackChoice(
            targets=target,
            preset=preset,
            horizon=horizon,
            length=length,
            tile=tile,
            split=split and split.value,
            buffer=buffer,
            block=block,
            gaps=gaps and gaps.value,
            terms=terms,
        )
        train_stack(stack, choice, config, baselines.value, where)
        return
    assert cube is not None
    if smearing and transform is not TransformName.log1p:
        raise UsageError(
            f"--smearing is for --target-transform log1p, not for {transform.value}. Leave it out."
        )
    if smearing and keep_model:
        raise UsageError("--keep-model: a model file has no room for --smearing. Leave one out.")
    if target and len(target) > 1:
        raise UsageError("--target: cubes have one lab value. Name it once, or leave it out.")
    settings = TrainSettings(
        architecture=architecture(preset or "small3d"),
        preprocessing=CubePreprocessing(mask_channel=mask_channel),
        target_transform=transform.value,
        split=cube_split(
            split and split.value, buffer_km=buffer_km, block_km=block_km, folds=folds, seed=seed
        ),
        config=config,
        smearing=smearing,
        baselines=baselines.value,
    )
    train_cube(cube, target[0] if target else None, settings, where, keep=keep_model)


def _on_maps(cube: Path | None, stack: Path | None, model: ModelName | None) -> bool:
    """Say whether maps are asked for, and not samples.

    Raises
    ------
    UsageError
        If neither file is named, or both, or the network is one of the other.
    """
    if cube is not None and stack is not None:
        raise UsageError("--cube and --stack: want one of them. Leave out the other.")
    if cube is None and stack is None:
        raise UsageError(
            "name what to learn from: --cube samples.npz for a lab value of samples, or --stack "
            "rasters.zarr for maps over time."
        )
    wanted = ModelName.cnn3d if stack is None else ModelName.cnn_transformer
    if model is not None and model is not wanted:
        raise UsageError(
            f"--model {model.value}: with --{'cube' if stack is None else 'stack'} the network is "
            f"{wanted.value}. Leave --model out, or name the other kind of file."
        )
    return stack is not None
