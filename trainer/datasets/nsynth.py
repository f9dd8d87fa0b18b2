"""NSynth: 305 979 single notes of 1006 instruments, four seconds each, 16 kHz.

    nsynth-train/examples.json  {"bass_synthetic_033-022-050": {"pitch": 22, "instrument_str": …, …}, …}
    nsynth-train/audio/bass_synthetic_033-022-050.wav          instrument-pitch-velocity
    nsynth-valid/…  nsynth-test/…

Engel et al., "Neural audio synthesis of musical notes with WaveNet autoencoders", ICML 2017. The instruments of valid
and test are not in train, but valid and test share theirs; so each of these goes wholly into one of the two, unless
`--published-splits` asks for the published ones. The note files of 289 205 examples are read one example at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from realtime.errors import DataError
from trainer.config import setting
from trainer.datasets.item import Dataset, Item, below, not_here

_SPLITS = {"train": "train", "valid": "validation", "test": "test"}
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Options:
    """How notes are counted together."""

    by: Literal["family_source", "family", "instrument"] = setting(
        "family_source", "domains: guitar_acoustic (family_source), guitar (family) or guitar_acoustic_010 (instrument)"
    )


def find(root: Path, options: Options) -> Iterator[Item]:
    """Every note of every examples.json."""
    lists = below(root, ("examples.json", "nsynth-*/examples.json"))
    if not lists:
        raise not_here(root, "NSynth", "nsynth-train/examples.json")
    for path in lists:
        folder = path.parent
        split = _SPLITS.get(folder.name.removeprefix("nsynth-"), "")
        for note, told in stream_object(path):
            try:
                instrument, family = str(told["instrument_str"]), str(told["instrument_family_str"])
                domain = {
                    "family": family,
                    "family_source": f"{family}_{told['instrument_source_str']}",
                    "instrument": instrument,
                }[options.by]
                midi = float(told["pitch"])
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{path} tells no {error} of {note}: unpack the set again.") from error
            yield Item(
                folder / "audio" / f"{note}.wav", f"{folder.name}/{note}", domain, group=instrument, split=split,
                source=instrument, midi=midi, licence="CC-BY-4.0",
            )  # fmt: skip


def stream_object(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, value) of a JSON file that is one object of objects, holding one of them at a time."""
    decoder, text = json.JSONDecoder(), ""
    with path.open(encoding="utf-8") as handle:

        def more() -> bool:
            nonlocal text
            chunk = handle.read(_CHUNK)
            text += chunk
            return bool(chunk)

        more()
        text = text.lstrip().removeprefix("{")
        while True:
            text = text.lstrip(" \t\r\n,")
            if text.startswith("}"):
                return
            try:
                key, end = decoder.raw_decode(text)
                rest = text[end:].lstrip()
                if not rest.startswith(":"):
                    raise json.JSONDecodeError("no colon", text, end)
                rest = rest[1:].lstrip()
                value, end = decoder.raw_decode(rest)
            except json.JSONDecodeError as error:
                if more():
                    continue
                raise DataError(f"{path} ends within a value ({error.msg}): unpack the set again.") from error
            text = rest[end:]
            yield str(key), value


DATASET = Dataset(
    name="nsynth",
    title="NSynth: single notes of a thousand instruments",
    address="https://magenta.tensorflow.org/datasets/nsynth "
    "(nsynth-train.jsonwav.tar.gz, nsynth-valid.jsonwav.tar.gz, nsynth-test.jsonwav.tar.gz)",
    size="about 25 GB packed; 305 979 notes of 4 s at 16 kHz (340 hours)",
    licence="CC BY 4.0",
    layout="nsynth-{train,valid,test}/examples.json and nsynth-{train,valid,test}/audio/*.wav",
    notes="Own splits; instruments of valid and test are divided so that the two share none.",
    Options=Options,
    find=find,
)
