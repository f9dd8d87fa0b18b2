"""What one sees of a run: progress on the terminal, metrics.jsonl, TensorBoard, and test clips as plain files.

Only the first process has a monitor. On a terminal it draws one bar with losses and time left; elsewhere (a log file, a
background job) it prints a plain line per report. Every number also goes to `metrics.jsonl`, one JSON object a line:

    {"kind": "train" | "validation", "step": 200, "seconds": 81.3, "loss": 0.123, …}

Test clips lie in `clips/` as FLAC and as pictures of their spectrograms, so that any program can follow them; each
line of `clips/index.jsonl` names one, written after its files:

    {"step": 500, "clip": "0-violin", "part": "output", "sound": "0-violin-output-500.flac",
     "picture": "0-violin-output-500.png", "seconds": 5.0}        part: output every time; input and truth at step 0
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from trainer.recipe import Clip


class Monitor:
    """Use as a context; `train` and `validation` report, `clips` shows and plays."""

    def __init__(self, folder: Path, steps: int, start: int, console: Console) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._console, self._steps, self._first_step = console, steps, start
        self._path = folder / "metrics.jsonl"
        self._clips = folder / "clips"
        _drop_after(self._path, start)
        _drop_after(self._clips / "index.jsonl", start)
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1 if start else None)
        self._began = time.monotonic()
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = (BarColumn(), TextColumn("{task.completed}/{task.total}"), TextColumn("{task.description}"))
            self._bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)
            self._task = self._bar.add_task("", total=steps, completed=start)

    def __enter__(self) -> Self:
        self._unheard, threading.excepthook = threading.excepthook, _hear_threads
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        try:
            self._writer.close()
        finally:
            threading.excepthook = self._unheard

    def advance(self, step: int) -> None:
        """Move the bar, if there is one, to `step` steps done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step)

    def train(self, step: int, losses: Mapping[str, float]) -> None:
        """Losses averaged over the steps since the last report."""
        self._record("train", step, losses)
        text = _numbers(losses)
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=text)
        else:
            pace = (time.monotonic() - self._began) / max(1, step - self._first_step)
            left = time.strftime("%H:%M:%S", time.gmtime(pace * (self._steps - step)))
            self._console.print(
                f"step {step}/{self._steps}  {text}  {pace:.3f} s/step  {left} left", highlight=False, soft_wrap=True
            )

    def validation(self, step: int, metrics: Mapping[str, float], is_best: bool) -> None:
        """Metrics on the validation split."""
        self._record("validation", step, metrics)
        best = "  (best so far)" if is_best else ""
        self._console.print(f"validation at step {step}: {_numbers(metrics)}{best}", highlight=False, soft_wrap=True)

    def remarks(self, step: int, sentences: Sequence[str]) -> None:
        """What a validation found going wrong, each as a warning."""
        for sentence in sentences:
            self._writer.add_text("warning", sentence, step)
            self._console.print(f"warning at step {step}: {sentence}", highlight=False, markup=False, soft_wrap=True)

    def clips(self, step: int, clips: Sequence[Clip]) -> None:
        """The same clips every time: output always, input and truth once, as sound and spectrogram."""
        for clip in clips:
            signals = {"output": clip.output}
            if step == 0:
                signals |= {"input": clip.input} | ({"truth": clip.truth} if clip.truth is not None else {})
            for part, signal in signals.items():
                tag = f"{clip.name}/{part}"
                self._writer.add_audio(tag, np.clip(signal, -1, 1)[None], step, clip.sample_rate)
                picture = spectrogram_picture(signal)
                self._writer.add_image(tag, picture, step, dataformats="HWC")
                self._keep(step, clip, part, signal, picture)

    def _keep(
        self, step: int, clip: Clip, part: str, signal: npt.NDArray[np.float32], picture: npt.NDArray[np.uint8]
    ) -> None:
        import soundfile
        from PIL import Image

        self._clips.mkdir(exist_ok=True)
        name = f"{re.sub(r'[^A-Za-z0-9_-]+', '_', clip.name)}-{part}-{step}"
        soundfile.write(self._clips / f"{name}.flac", np.clip(signal, -1, 1), clip.sample_rate, subtype="PCM_16")
        Image.fromarray(picture).save(self._clips / f"{name}.png")
        line = {
            "step": step, "clip": clip.name, "part": part, "sound": f"{name}.flac", "picture": f"{name}.png",
            "seconds": round(len(signal) / clip.sample_rate, 3),
        }  # fmt: skip
        with (self._clips / "index.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _record(self, kind: str, step: int, numbers: Mapping[str, float]) -> None:
        seconds = round(time.monotonic() - self._began, 1)
        line = {"kind": kind, "step": step, "seconds": seconds, **{k: float(f"{v:.6g}") for k, v in numbers.items()}}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in numbers.items():
            self._writer.add_scalar(f"{name}/{kind}", value, step)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a metrics.jsonl; none when it does not exist."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def spectrogram_picture(signal: npt.NDArray[np.float32], n_fft: int = 1024, height: int = 256) -> npt.NDArray[np.uint8]:
    """An RGB picture (height, frames, 3) of the log magnitude, 80 dB deep, low frequencies at the bottom."""
    hop = n_fft // 4
    padded = np.pad(signal, (n_fft // 2, n_fft))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(n_fft), axis=1)).T[:height]
    decibels = 20 * np.log10(np.maximum(magnitude, 1e-7))
    level = np.clip((decibels - decibels.max() + 80) / 80, 0, 1)[::-1]
    # A dark-to-light ramp through purple and orange that needs no plotting library at training time.
    knots = np.array([[0, 0, 8], [60, 15, 110], [180, 50, 90], [245, 130, 30], [252, 250, 190]], dtype=np.float64)
    positions = np.linspace(0, 1, len(knots))
    return np.stack([np.interp(level, positions, knots[:, c]) for c in range(3)], axis=-1).astype(np.uint8)


def _drop_after(path: Path, step: int) -> None:
    """Forget the records after the checkpoint that a run resumes from: those steps are done again."""
    if not path.parent.is_dir():
        return
    records = [r for r in read_metrics(path) if r["step"] <= step] if step else []
    beside = path.with_suffix(".tmp")
    beside.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    beside.replace(path)


def _hear_threads(told: threading.ExceptHookArgs) -> None:
    """Leave out the trace of TensorBoard's own thread: what ended it (a full disk) is raised at the next report."""
    if not (isinstance(told.exc_value, OSError) and type(told.thread).__module__.startswith("tensorboard")):
        threading.__excepthook__(told)


def _numbers(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
