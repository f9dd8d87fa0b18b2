"""Public sets of recordings as they lie on disk: one file a set, each says where to get it and what its files mean.

    DIR ─▶ find(DIR, options) ─▶ Item, Item, …   one a recording, streamed: name, domain, split, player, pitch, licence
        ─▶ division.divide    ─▶ train, validation, test; no player or instrument in two of them
        ─▶ cutting.spans      ─▶ long files as pieces, scales as notes
        ─▶ trainer.recordings ─▶ OUT/audio/…, OUT/index.json: what every run file reads

A folder of plain recordings is no set: `trainer.recordings.find_recordings`. Nothing here imports numpy or torch, so
that `retimbre --help` stays quick.
"""

from __future__ import annotations

from trainer.datasets import fma, guitarset, iowa, irmas, maestro, musicnet, nsynth
from trainer.datasets.item import Dataset

DATASETS: tuple[Dataset, ...] = tuple(
    module.DATASET for module in (nsynth, maestro, guitarset, irmas, musicnet, fma, iowa)
)
