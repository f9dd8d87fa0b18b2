"""What a sound looks like between two moments, in as many columns as a view is wide: its peaks and its spectrum.

    file ─ pieces of 2¹⁸ samples ─┬─▶ peaks   (columns, 2)      lowest and highest sample of all channels
                                  └─▶ levels  (BANDS, columns)  0…255, |STFT| at the column's middle, log frequency

Only a piece is ever in memory, so an hour costs no more of it than a second. Reads files: in the background only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.errors import AudioFileError

BANDS = 96
LOWEST_HZ, HIGHEST_HZ = 50.0, 16_000.0
RANGE_DB = 72.0
_N_FFT = 4096
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Overview:
    """One stretch of a file, reduced to columns; `seconds` is the whole file's length."""

    path: Path
    seconds: float
    start_s: float
    end_s: float
    peaks: NDArray[np.float32]
    levels: NDArray[np.uint8]
    loudest_db: float
    """The level that 255 stands for."""


def read_overview(
    path: Path,
    columns: int,
    start_s: float = 0.0,
    end_s: float | None = None,
    loudest_db: float | None = None,
) -> Overview:
    """The stretch from `start_s` to `end_s` (None: the file's end) in `columns` columns.

    loudest_db: what the whole file's overview found, so that colours stay when zoomed in. A stretch may reach past the
    file's end, where there is silence. Raises `AudioFileError`.
    """
    import soundfile  # no other panel should wait for it

    try:
        with soundfile.SoundFile(str(path)) as file:
            rate = int(file.samplerate)
            seconds = file.frames / rate
            end_s = seconds if end_s is None else end_s
            first, last = round(start_s * rate), max(round(start_s * rate) + 1, round(end_s * rate))
            peaks, power = _reduced(file, rate, first, last, columns)
    except (soundfile.SoundFileError, OSError, RuntimeError, ValueError) as error:
        raise AudioFileError(f"{path.name} cannot be shown, as it cannot be read; convert it again.") from error
    level_db = 10.0 * np.log10(power + 1e-12)
    loudest = float(level_db.max(initial=-120.0)) if loudest_db is None else loudest_db
    levels = np.clip((level_db - loudest) / RANGE_DB + 1.0, 0.0, 1.0) * 255.0
    return Overview(path, seconds, start_s, end_s, peaks, levels.astype(np.uint8), loudest)


def band_edges() -> NDArray[np.float64]:
    """Frequencies between the bands, lowest first, (BANDS + 1,), as steps of equal musical size."""
    return np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1)


def _reduced(
    file: object, rate: int, first: int, last: int, columns: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Peaks (columns, 2) and power (BANDS, columns) of the samples `first` to `last`."""
    edges = np.linspace(first, last, columns + 1)
    starts = np.floor(edges[:-1]).astype(np.int64)
    centres = (0.5 * (edges[:-1] + edges[1:])).astype(np.int64)
    peaks = np.zeros((columns, 2), np.float32)
    power = np.zeros((BANDS, columns))
    bands = _band_matrix(rate)
    window = np.hanning(_N_FFT).astype(np.float32)
    half = _N_FFT // 2
    read_from = max(0, first - half)
    seek = file.seek  # type: ignore[attr-defined]
    read = file.read  # type: ignore[attr-defined]
    seek(min(read_from, file.frames))  # type: ignore[attr-defined]
    # What lies before the file's beginning and behind its end is silence.
    kept = np.zeros(max(0, half - first), np.float32)
    position = read_from - len(kept)  # of kept[0]
    done = 0
    while done < columns:
        piece = read(_PIECE, dtype="float32", always_2d=True)
        if len(piece):
            _note_peaks(peaks, piece, position + len(kept), starts, last)
            mono = piece.mean(axis=1, dtype=np.float32)
        else:
            mono = np.zeros(max(_N_FFT, int(centres[-1]) + half - position - len(kept)), np.float32)
        kept = np.concatenate((kept, mono))
        ready = int(np.searchsorted(centres + half, position + len(kept), side="right"))
        for begin in range(done, ready, 64):
            chosen = centres[begin : min(begin + 64, ready)] - half - position
            frames = np.lib.stride_tricks.sliding_window_view(kept, _N_FFT)[chosen] * window
            spectrum = np.abs(np.fft.rfft(frames, axis=1)) ** 2
            power[:, begin : begin + len(chosen)] = bands @ spectrum.T
        done = max(done, ready)
        if done < columns:
            drop = max(0, min(int(centres[done]) - half - position, len(kept)))
            kept, position = kept[drop:], position + drop
    return peaks, power * (2.0 / window.sum()) ** 2


def _note_peaks(
    peaks: NDArray[np.float32], piece: NDArray[np.float32], at: int, starts: NDArray[np.int64], last: int
) -> None:
    """Widen the peaks by a piece whose first sample is number `at`."""
    low, high = max(at, int(starts[0])), min(at + len(piece), last)
    if low >= high:
        return
    part = piece[low - at : high - at]
    lowest, highest = part.min(axis=1), part.max(axis=1)
    first_column = int(np.searchsorted(starts, low, side="right")) - 1
    end_column = int(np.searchsorted(starts, high, side="left"))
    chosen = np.arange(first_column, end_column)
    # Several columns share a sample when there are more columns than samples.
    offsets = np.clip(starts[chosen] - low, 0, len(part) - 1)
    peaks[chosen, 0] = np.minimum(peaks[chosen, 0], np.minimum.reduceat(lowest, offsets))
    peaks[chosen, 1] = np.maximum(peaks[chosen, 1], np.maximum.reduceat(highest, offsets))


def _band_matrix(rate: int) -> NDArray[np.float64]:
    """(BANDS, bins): the mean of the bins in a band; where there is none, the two beside it, weighed by nearness."""
    edges = band_edges()
    bins = np.fft.rfftfreq(_N_FFT, 1.0 / rate)
    matrix = np.zeros((BANDS, len(bins)))
    for band in range(BANDS):
        inside = np.flatnonzero((bins >= edges[band]) & (bins < edges[band + 1]))
        if len(inside):
            matrix[band, inside] = 1.0 / len(inside)
            continue
        place = np.sqrt(edges[band] * edges[band + 1]) * _N_FFT / rate
        below = int(place)
        if below + 1 < len(bins):
            matrix[band, below], matrix[band, below + 1] = below + 1 - place, place - below
    return matrix
