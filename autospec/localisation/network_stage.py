"""All draws of the networks: what the library teaches once, and how the seconds are shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from autospec.data.splits import SplitPlan
from autospec.localisation.network_draw import NetworkDraw, network_settings
from autospec.localisation.pieces import Piece
from autospec.localisation.preparation import Prepared
from autospec.localisation.settings import LocaliseSettings
from autospec.transfer.network_settings import Resources
from autospec.transfer.strategies import train_library_networks

OVERHEAD = 2.0  # a search's seconds, times this, is what it costs with its final networks
LIBRARY_SEARCHES = 2  # as many searches a search of the library counts for: its trials are larger
OF_THE_LIBRARY = -1  # the draw's number, where there is none


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkStage:
    """The networks of several draws, ready to train.

    Parameters
    ----------
    prepared : Prepared
        The rows.
    plans : sequence of SplitPlan
        Every draw.
    selected : dict of int to tuple of int
        Draw → the global selection made for its baselines.
    settings : LocaliseSettings
        Of the run.
    resources : Resources
        Where and how long; its `study` is what the names of all studies begin with.
    """

    prepared: Prepared
    plans: Sequence[SplitPlan]
    selected: dict[int, tuple[int, ...]]
    settings: LocaliseSettings
    resources: Resources

    def pieces(self, numbers: Sequence[int], fingerprint: str) -> Iterator[Piece]:
        """Train on the draws called `numbers`, one after the other.

        Each search of a draw gets the same seconds, a search of the library twice as many.

        Raises
        ------
        StopSearch
            If the user interrupts.
        """
        libraries = 1 if self.prepared.country is None else 2
        searches = LIBRARY_SEARCHES * libraries + (1 + libraries) * len(numbers)
        seconds = max(self.resources.seconds_left() / OVERHEAD / searches, 1.0)
        axis, name = self.prepared.library.axis, self.resources.study
        library_networks = train_library_networks(
            self.prepared.library,
            self.prepared.country,
            network_settings(self.settings, axis, LIBRARY_SEARCHES * seconds, OF_THE_LIBRARY),
            replace(self.resources, study=f"{name}-library"),
        )
        for number in numbers:
            yield NetworkDraw(
                prepared=self.prepared,
                library_networks=library_networks,
                plan=self.plans[number],
                number=number,
                selected=self.selected[number],
                networks=network_settings(self.settings, axis, seconds, number),
                resources=replace(self.resources, study=f"{name}-draw-{number}"),
            ).run(fingerprint)
