"""The judge: names the instrument in a recording, independently of every generator (rows M1 and M2 of the zoo).

    samples ─▶ 24 kHz ─▶ windows of 2 s ─▶ log-mel (96 bands, each window's loudest band = 0 dB, floor −70 dB)
            ─▶ classifier.onnx ─▶ softmax per window ─▶ mean over the sounding windows ─▶ probability of each instrument

Trained by `trainer/models/classifier.py` on real recordings; `trainer/judge/CARD.md` says which, and how often it is
right on recordings it never heard. Runs in onnxruntime on one thread, so that a verdict is the same everywhere.
Gain does not matter: every window is measured against its own loudest band.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soxr
from numpy.typing import NDArray

from realtime.errors import DataError
from realtime.features import mel_matrix, window

SAMPLE_RATE = 24_000
N_FFT, HOP, BANDS = 2048, 600, 96
LOWEST_HZ, HIGHEST_HZ = 60.0, 10_000.0
FLOOR_DB = 70.0
WINDOW_SECONDS, WINDOW_HOP_SECONDS = 2.0, 1.0
QUIET_WINDOW_DB = 30.0  # windows this much below the loudest one have no vote
SILENCE = 1e-4  # peak below which a recording holds nothing to name

Audio = NDArray[np.float32]


@functools.cache
def _mel() -> NDArray[np.float32]:
    # A finer mel scale up to half the rate, cut to the bands with centres between LOWEST_HZ and HIGHEST_HZ: what is
    # above tells recording chains apart rather than instruments.
    bands = BANDS
    while True:
        top = 2595.0 * np.log10(1.0 + SAMPLE_RATE / 2.0 / 700.0)
        centres = 700.0 * (10.0 ** (np.linspace(0.0, top, bands + 2)[1:-1] / 2595.0) - 1.0)
        inside = (centres >= LOWEST_HZ) & (centres <= HIGHEST_HZ)
        if int(inside.sum()) >= BANDS:
            return mel_matrix(N_FFT, SAMPLE_RATE, bands)[inside][:BANDS]
        bands += 1


def log_mel(samples: Audio) -> NDArray[np.float32]:
    """Mono samples at 24 kHz to (96, frames) in −1…1: +1 is the loudest band and frame, −1 is 70 dB or more below."""
    if len(samples) < N_FFT:
        samples = np.pad(samples, (0, N_FFT - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP] * window(N_FFT)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).astype(np.float32)
    level_db = 10.0 * np.log10(_mel() @ power.T + 1e-12)
    relative: NDArray[np.float32] = np.clip((level_db - level_db.max()) / FLOOR_DB, -1.0, 0.0) * 2.0 + 1.0
    return relative.astype(np.float32)


def windows(samples: Audio) -> list[Audio]:
    """The stretches of 2 s (hop 1 s) of mono samples at 24 kHz that are loud enough to vote; all of it when shorter."""
    length, hop = int(WINDOW_SECONDS * SAMPLE_RATE), int(WINDOW_HOP_SECONDS * SAMPLE_RATE)
    starts = range(0, max(1, len(samples) - length + hop // 2), hop)
    parts = [samples[start : start + length] for start in starts]
    power = np.array([float(np.mean(np.square(part))) for part in parts])
    loud = power > power.max() * 10.0 ** (-QUIET_WINDOW_DB / 10.0)
    return [part for part, keep in zip(parts, loud, strict=True) if keep]


class Judge:
    """Loads `classifier.onnx` and `classifier.json` from a folder; `probabilities` and `name` are its verdicts."""

    def __init__(self, folder: Path | None = None) -> None:
        """Raises DataError when the files are missing or do not belong together."""
        folder = Path(__file__).parent if folder is None else folder
        try:
            model = (folder / "classifier.onnx").read_bytes()
            about = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"The judge in {folder} cannot be read ({error}): train one with `retimbre train classifier`."
            ) from error
        if hashlib.sha256(model).hexdigest() != about.get("sha256"):
            raise DataError(
                f"{folder / 'classifier.onnx'} is not the file that classifier.json describes: take both anew."
            )
        self.classes: tuple[str, ...] = tuple(about["classes"])
        self.splits: tuple[str, ...] = tuple(about.get("splits", ()))
        """The parts of the data that it was trained on."""
        self.accuracy: dict[str, Any] = dict(about.get("accuracy", {}))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def probabilities(self, signal: Audio, sample_rate: int) -> NDArray[np.float64]:
        """Probability of each of `classes` for a mono signal (samples,); all equal when it is silent."""
        signal = np.asarray(signal, np.float32)
        if signal.size == 0 or float(np.abs(signal).max()) < SILENCE:
            return np.full(len(self.classes), 1.0 / len(self.classes))
        if sample_rate != SAMPLE_RATE:
            signal = soxr.resample(signal, sample_rate, SAMPLE_RATE)
        votes = []
        for part in windows(signal):
            logits = np.asarray(self._session.run(None, {"x": log_mel(part)[None, None]})[0][0], np.float64)
            likely = np.exp(logits - logits.max())
            votes.append(likely / likely.sum())
        mean: NDArray[np.float64] = np.mean(votes, axis=0)
        return mean

    def name(self, signal: Audio, sample_rate: int) -> str:
        """The likeliest instrument."""
        return self.classes[int(np.argmax(self.probabilities(signal, sample_rate)))]


# How recordings' domains count for the judge: the first rule whose pattern begins or ends the domain's name.
_ENDINGS = {"_singer": "voice"}
_BEGINNINGS = {"guitar": "guitar", "voice": "voice", "saxophone": "saxophone", "keyboard": "piano", "piano": "piano"}


def class_of(domain: str) -> str:
    """The judge's word for a domain: guitars, voices and saxophones of every (undistorted) kind are one class each.

    `origin_NAME` is how a paired index calls a second source of an instrument that is a target too.
    """
    domain = domain.removeprefix("origin_")
    if domain.endswith("distorted"):  # the amplifier is heard, not the guitar
        return domain
    for ending, name in _ENDINGS.items():
        if domain.endswith(ending):
            return name
    for beginning, name in _BEGINNINGS.items():
        if domain.startswith(beginning):
            return name
    return domain
