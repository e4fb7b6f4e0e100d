"""The final evaluation of a search on a stack: what is sealed is opened, once a run.

Here, and nowhere else in such a search, `MapSplitPlan.unseal` is called. The winner, the preset
tiny, the random control's winner and the simpler models are scored on the same cells and dates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from autospec.data.maps.facts import StackFacts
from autospec.data.maps.splits import SEALED, WATCH
from autospec.data.maps.tiling import usual_tiling
from autospec.errors import StudyFailed, TrialFailed
from autospec.evaluate.map_baselines import MapBaseline
from autospec.evaluate.map_frames import MapFrames
from autospec.evaluate.map_scoring import MapTally, score_maps
from autospec.evaluate.mapping import MapPredictor
from autospec.search.candidates import Candidate
from autospec.search.maps.objective import MapValidation, never
from autospec.training.distributed import Processes
from autospec.training.map_fit import n_parameters
from autospec.training.map_outcome import MapOutcome, map_model, map_training
from autospec.training.map_result import NETWORK, MapModel, MapTraining
from autospec.training.map_trial import WatchedTraining
from autospec.training.trainer import resolve_device


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapsEvaluated:
    """What the final evaluation found.

    Parameters
    ----------
    training : MapTraining
        The winner's, with the simpler models beside it.
    others : tuple of MapModel
        The other candidates that could be trained.
    winner : WatchedTraining
        The network to keep.
    frames : MapFrames
        Its sealed maps, thinned.
    notes : tuple of str
        What is missing, and why.
    """

    training: MapTraining
    others: tuple[MapModel, ...]
    winner: WatchedTraining
    frames: MapFrames
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapsFinalEvaluation:
    """Fetches the candidates' networks, and scores all models on what is sealed.

    Parameters
    ----------
    name : str
        Of the stack.
    validation : MapValidation
        Stack and split, and the networks that were kept.
    facts : StackFacts
        Of the stack.
    baselines : tuple of MapBaseline
        Fitted on what is learned from.
    on_step : callable (str) -> None
        Told what is under way.
    """

    name: str
    validation: MapValidation
    facts: StackFacts
    baselines: tuple[MapBaseline, ...]
    on_step: Callable[[str], None]

    def run(self, chosen: tuple[Candidate, ...]) -> MapsEvaluated:
        """Fetch the networks, and score them.

        Raises
        ------
        StudyFailed
            If the winner's network is gone and cannot be trained again.
        """
        winner, *rest = chosen
        notes: list[str] = []
        try:
            best = self._network(winner)
        except TrialFailed as error:
            raise StudyFailed(f"the winner could not be trained again: {error}") from error
        networks = {winner.name: best}
        for candidate in rest:
            if candidate.kind == "published" and candidate.trial.number == winner.trial.number:
                continue  # it is the winner
            try:
                networks[candidate.name] = self._network(candidate)
            except TrialFailed as error:
                notes.append(f"{candidate.name} has no row; it failed: {error}.")
        self.on_step("scoring the sealed maps, the networks' and those of simpler models")
        tallies = self._sealed({name: t.network for name, t in networks.items()})
        training = map_training(self._outcome(winner, best, tallies))
        seed = training.settings.split.seed
        others = tuple(
            map_model(name, _words(t), tallies[name], seed)
            for name, t in networks.items()
            if name != winner.name
        )
        frames = tallies[winner.name].frames
        return MapsEvaluated(
            training=replace(training, ended=best.ended),
            others=others,
            winner=best,
            frames=frames,
            notes=tuple(notes),
        )

    def _network(self, candidate: Candidate) -> WatchedTraining:
        """Return the network of a trial: the one that was kept, or trained again, the same."""
        trial, validation = candidate.trial, self.validation
        design = validation.settings.space.decode(trial.params)
        kept, n = validation.kept.training(design.digest), len(trial.curve)
        if kept is not None and len(kept.state.history) == n:
            return kept
        self.on_step(f"training {candidate.name} again: {n} epochs")
        # Ctrl-C ended the trials, or may; without this network there would be no report
        unhurried = replace(validation, interrupted=never)
        return unhurried.train(design, lambda epoch, metric: epoch >= n)

    def _sealed(self, networks: Mapping[str, MapPredictor]) -> Mapping[str, MapTally]:
        """Open the seal: return what every model was worth there."""
        ground, settings = self.validation.ground, self.validation.settings
        models = {**networks, **{b.name: b.model for b in self.baselines}}
        tiling = usual_tiling(settings.tile, ground.problem.stack.shape)
        roles, block = ground.plan.unseal(), ground.plan.block
        return score_maps(ground.problem, roles, SEALED, models, tiling, block=block)

    def _outcome(
        self, winner: Candidate, best: WatchedTraining, tallies: Mapping[str, MapTally]
    ) -> MapOutcome:
        """Return the winner's training as `train_map` would have left it."""
        validation = self.validation
        details = {NETWORK: ""} | {b.name: b.detail for b in self.baselines}
        return MapOutcome(
            name=self.name,
            settings=validation.training(validation.settings.space.decode(winner.trial.params)),
            problem=validation.ground.problem,
            plan=validation.ground.plan,
            facts=self.facts,
            n_fit=best.n_fit,
            n_epoch=best.n_epoch,
            n_parameters=n_parameters(best.network),
            state=best.state,
            ended="complete",  # no note that the training can go on: it is the search that can
            details=details,
            tallies={n: tallies[winner.name if n == NETWORK else n] for n in details},
            processes=Processes(device=resolve_device(validation.device)),
        )


def watched_scores(
    validation: MapValidation, baselines: tuple[MapBaseline, ...]
) -> dict[str, float]:
    """Return the simpler models' RMSE on the watched part, in the unit of the trials' scores."""
    ground, settings = validation.ground, validation.settings
    roles = (ground.plan.dates, ground.plan.cells)
    tiling = usual_tiling(settings.tile, ground.problem.stack.shape)
    models = {b.name: b.model for b in baselines}
    tallies = score_maps(ground.problem, roles, WATCH, models, tiling, block=ground.plan.block)
    spans = ground.scaler.target_high - ground.scaler.target_low
    found = {}
    for name, tally in tallies.items():
        errors = [tally.scores(k).pooled.rmse.value for k in range(len(spans))]
        shares = [e / s for e, s in zip(errors, spans, strict=True) if e is not None]
        if len(shares) == len(spans):
            found[name] = float(sum(shares) / len(shares))
    return found


def _words(training: WatchedTraining) -> str:
    """Return parameters and epochs in words."""
    state = training.state
    best = f"best after {state.best_epoch} epochs" if state.best_epoch else "best untrained"
    return f"{n_parameters(training.network):,} parameters, {best}"
