"""A whole sound through the plugins of one side of the model: as they play live, waited for, their latency taken out.

    rows (in, samples) ─▶ Rack, offline ─▶ drop latency_samples ─▶ (out, samples)

Live a plugin that breaks is left out and the music goes on; a file that silently lacks one would be wrong, so here it
is an error. Any thread; every call starts one process and ends it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from realtime.errors import PluginError
from realtime.plugins.spec import PluginSpec

FloatArray = NDArray[np.float32]

_BLOCK = 1024


def through_plugins(rows: FloatArray, rate_hz: int, specs: Sequence[PluginSpec], outputs: int) -> FloatArray:
    """`rows` (1 or 2 channels, samples) through `specs` in their order, aligned. Raises `PluginError`."""
    from realtime.plugins.rack import Rack  # only where there are plugins

    rack = Rack(specs, rate_hz=rate_hz, longest=_BLOCK, channels=(len(rows), outputs), offline=True)
    try:
        for sentence in rack.left_out.values():
            raise PluginError(sentence)
        late, samples = rack.latency_samples, rows.shape[1]
        sound = np.concatenate([rows, np.zeros((len(rows), late), np.float32)], axis=1)
        made = np.empty((outputs, sound.shape[1]), np.float32)
        for begin in range(0, sound.shape[1], _BLOCK):
            part = slice(begin, begin + _BLOCK)
            if not rack.process(sound[:, part], made[:, part]):
                said = rack.tick()
                raise PluginError(said[0] if said else "The plugins did not answer: convert again, or leave them out.")
        # A plugin that gave no numbers was replaced by the dry sound, and this says so.
        for sentence in rack.tick():
            raise PluginError(sentence)
    finally:
        rack.close()
    return made[:, late : late + samples]
