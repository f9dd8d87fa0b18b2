"""What packages of spectrum in, spectrum out say of themselves: the settings of their run files and their manifest.

    [stream] of the run file ─▶ PackageStream, Stream ─▶ spectral_manifest ─▶ manifest.json

Systems whose settings differ make a class of their own from these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from realtime.features import SpectrumFeatures
from realtime.manifest import FORMAT, Licences, Manifest, State, Target
from trainer.config import setting
from trainer.recipe import Recipe


@dataclass(frozen=True, slots=True)
class PackageStream:
    """`[stream]` of every such system: how the exported package is called, and what it is."""

    step: int = setting(8, "frames a call", minimum=1)
    phase: Literal["input", "gradient"] = setting("input", "the input's own phase, or one built from the magnitudes")
    title: str = setting("", "shown in lists; empty: origin and targets")
    weights_licence: str = setting("CC-BY-4.0", "licence of the trained weights")
    data_licence: str = setting("", "licence of the recordings learnt from; empty: what their index says")


@dataclass(frozen=True, slots=True)
class Stream(PackageStream):
    """`[stream]` of systems that hear the future."""

    lookahead: int = setting(8, "frames of future that are heard before a frame is given", minimum=0)


def spectral_manifest(
    system: Recipe,
    *,
    name: str,
    title: str,
    description: str,
    sample_rate: int,
    features: SpectrumFeatures,
    licences: Iterable[str],
    lookahead: int,
    targets: Sequence[str] = (),
) -> Manifest:
    """The manifest of `system`, whose `[stream]` is a `PackageStream`, without files.

    title: where the run file gives none. licences: of the recordings, as their index tells. targets: their names as the
    training material has them.
    """
    stream: PackageStream = system.config.stream
    told = stream.data_licence or "; ".join(licences) or "the owner's own recordings"
    return Manifest(
        format=FORMAT,
        name=name.lower()[:60],
        title=stream.title or title,
        architecture=system.name,
        description=description,
        sample_rate=sample_rate,
        input=features,
        output=features,
        phase=stream.phase,
        step=stream.step,
        lookahead=lookahead,
        model_delay_samples=0,
        level_db=None,
        states=tuple(State(f"state_{k}", tuple(s.shape)) for k, s in enumerate(system.initial_states())),
        targets=tuple(Target(one.lower(), one.replace("_", " ").capitalize()) for one in targets),
        controls=(),
        licences=Licences("GPL-3.0-or-later", stream.weights_licence, told),
    )
