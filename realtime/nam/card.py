"""What a `.nam` file says of itself, for people: title, description and the card of the package. Any thread.

Everything here is free text that somebody typed, or missing: it is made one printable line, shortened, and never
trusted. Nothing of it changes the sound except the suggested volume.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime.manifest import Manifest
from realtime.nam.nets import Chain, Convolution, Lstm, Network, WaveNet

_LONGEST = 120
_ROWS = {
    "name": "name",
    "modeled_by": "captured by",
    "gear_make": "make",
    "gear_model": "model",
    "gear_type": "kind of gear",
    "tone_type": "tone",
    "loudness": "loudness (dBFS)",
    "gain": "gain (0 clean to 1 compressed)",
    "input_level_dbu": "input level at 0 dBFS (dBu)",
    "output_level_dbu": "output level at 0 dBFS (dBu)",
}


@dataclass(frozen=True, slots=True)
class Metadata:
    """Cleaned facts: what was found, by the file's own keys, in the order of `_ROWS`."""

    title: str
    facts: Mapping[str, str]
    loudness_db: float | None

    @classmethod
    def of(cls, found: object, path: Path) -> Metadata:
        """The metadata `found` in the file at `path`; whatever is unfit is left out."""
        given: Mapping[str, Any] = found if isinstance(found, dict) else {}
        facts = {key: text for key in _ROWS if (text := _line(given.get(key)))}
        loudness = given.get("loudness")
        fit = isinstance(loudness, int | float) and not isinstance(loudness, bool) and math.isfinite(float_of(loudness))
        title = facts.get("name") or _line(path.stem) or "Capture"
        return cls(title, facts, float_of(loudness) if fit else None)

    @property
    def description(self) -> str:
        """One sentence: what was captured, by whom."""
        gear = " ".join(self.facts[key] for key in ("gear_make", "gear_model") if key in self.facts)
        kinds = ", ".join(self.facts[key].replace("_", " ") for key in ("gear_type", "tone_type") if key in self.facts)
        by = f" by {self.facts['modeled_by']}" if "modeled_by" in self.facts else ""
        what = f" of {gear}" if gear else ""
        return f"A capture{what}{f' ({kinds})' if kinds else ''}{by}, played sample by sample."


def float_of(value: Any) -> float:
    """`value` as a float; a whole number beyond all floats is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def describe_network(network: Network) -> str:
    """The kind and size of a network, in a few words."""
    if isinstance(network, WaveNet):
        widths = " and ".join(str(array.rechannel.weight.shape[0]) for array in network.arrays[:4])
        return f"WaveNet of {sum(len(array.layers) for array in network.arrays)} layers, {widths} channels wide"
    if isinstance(network, Lstm):
        return f"LSTM of {len(network.layers)} layers, {len(network.head_weight)} wide"
    if isinstance(network, Chain):
        return f"chain of {len(network.networks)} networks"
    return f"stack of {sum(isinstance(stage, Convolution) for stage in network.stages)} convolutions"


def write_card(manifest: Manifest, metadata: Metadata, file_name: str, digest: str) -> str:
    """CARD.md of an imported capture."""
    rows = "\n".join(f"| {_ROWS[key]} | {_cell(text)} |" for key, text in metadata.facts.items())
    told = f"\nWhat its author wrote into the file:\n\n| | |\n| --- | --- |\n{rows}\n" if rows else ""
    return (
        f"# {_cell(metadata.title)}\n\n"
        f"{_cell(metadata.description)} Made from `{_line(file_name) or 'a file'}` (sha256 `{digest}`), a capture for "
        f"Neural Amp Modeler: {manifest.architecture}, at {manifest.sample_rate} Hz, {manifest.step} samples per "
        f"call, no latency.\n{told}\n"
        "The capture belongs to its author, who says what may be done with it; this folder adds nothing but another "
        "form.\n"
    )


def _line(value: object) -> str:
    """Free text as one printable line; empty for what is none."""
    if isinstance(value, float):
        value = f"{value:.4g}"
    if isinstance(value, bool) or not isinstance(value, int | str) or (isinstance(value, int) and abs(value) > 10**9):
        return ""
    text = "".join(mark if mark.isprintable() else " " for mark in str(value)[: 4 * _LONGEST])
    return " ".join(text.split())[:_LONGEST].strip()


def _cell(text: str) -> str:
    """Text that neither ends a table's cell nor begins any markup."""
    return "".join(f"\\{mark}" if mark in "|\\`*_[]<>#" else mark for mark in text)
