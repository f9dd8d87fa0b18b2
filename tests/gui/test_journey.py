"""The main journey, by real keys and a real mouse on a real screen, with a real JACK server and the shipped model.

First start, an input is chosen, the voice is heard, blended, recorded; a dropped folder is converted; after the next
start everything is as it was left.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.audio_file import read_audio
from realtime.bench import melody
from realtime.controls import Controls
from realtime.convert import convert_signal
from realtime.demo import pitch_kept
from realtime.features import mel_matrix
from realtime.package import resolve
from tests.gui.desk import Desk

pytestmark = [pytest.mark.xdist_group("real time"), pytest.mark.timeout(480)]
RATE = 48000
FloatArray = NDArray[np.float32]


@pytest.fixture
def desk(jack_server: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A screen beside a JACK server with a sound card called stagebox, into which somebody plays."""
    assert shutil.which("Xvfb"), "Xvfb is missing: run scripts/test, which installs it"
    assert shutil.which("xdotool"), "xdotool is missing: run scripts/test, which installs it"
    jack_server(period=256)
    monkeypatch.setenv("XDG_MUSIC_DIR", str(tmp_path / "music"))
    desk = Desk(tmp_path, dict(os.environ))
    try:
        yield desk
    finally:
        desk.close()


def plays(desk: Desk, sound: FloatArray) -> Any:
    """Somebody plays `sound` into the stagebox again and again."""
    np.save(desk.folder / "melody.npy", sound)
    box: Any = desk.start("stage_box.py", desk.folder / "melody.npy")
    assert box.stdout.readline() == "ready\n", desk.said("stage_box.py")
    return box


def heard(desk: Desk, box: Any, seconds: float = 6.0) -> tuple[FloatArray, FloatArray]:
    """What went into the app and what came out in the same moments, (samples,) each."""
    path = desk.folder / "heard.npz"
    box.stdin.write(f"keep {seconds} {path}\n")
    box.stdin.flush()
    assert box.stdout.readline() == "kept\n", desk.said("stage_box.py")
    with np.load(path) as kept:
        return kept["played"], kept["heard"]


def heard_whole(desk: Desk, box: Any) -> tuple[FloatArray, FloatArray]:
    """What was heard in a stretch without a drop-out, where one of six has none: a busy machine's are not the app's."""
    for _ in range(6):
        before, sound = state(desk), heard(desk, box)
        after = state(desk)
        if all(before[name] == after[name] for name in ("late", "xruns", "latency")):
            break
    return sound


def state(desk: Desk) -> dict[str, Any]:
    """The live stream, as the app knows it."""
    found: dict[str, Any] = desk.ask(state=True)
    return found


def dry_part(played: FloatArray, out: FloatArray) -> float:
    """The share of `out`'s energy that is `played`, at whatever delay it fits best."""
    size = 2 * played.size
    spectrum = np.fft.rfft(out, size) * np.conj(np.fft.rfft(played, size))
    match = np.fft.irfft(spectrum, size)[: RATE // 10]
    return float(np.abs(match).max() ** 2 / (np.dot(played, played) * np.dot(out, out)))


def timbre(sound: FloatArray) -> NDArray[np.float64]:
    """The mean spectrum in 40 mel bands, in dB over 50 dB under its loudest, which an xrun of a busy machine hides."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, 2048)[::1024] * np.hanning(2048).astype(np.float32)
    bands = mel_matrix(2048, RATE, 40) @ (np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0)
    return np.asarray(10.0 * np.log10(bands / bands.max() + 1e-5))


def test_a_musician_gets_from_the_first_start_to_a_converted_folder_and_back(desk: Desk, tmp_path: Path) -> None:
    """First start, guide, hear, blend, record, convert, quit and start again all do what they say."""
    sound = melody(8.0, RATE)
    box = plays(desk, sound)
    memory = tmp_path / "memory.json"
    desk.open_app(memory)

    # The guide: an input, a note that arrives, a model, its sound.
    desk.choose("Input device", "stagebox")
    desk.click("My microphone cannot hear my speakers", at=(0.03, 0.5))
    desk.click("Next")
    desk.until(lambda: state(desk)["power"] == "on", "the power", 120.0)
    desk.until(lambda: desk.ask(says="Sound arrives"), "a note that arrives")
    desk.click("I see it")
    desk.click("Voice")
    desk.click("Next")
    desk.click("Done")
    now = state(desk)
    assert (now["model"], now["input"], now["muted"]) == ("voice", "stagebox", False)

    # Hear it on the stagebox's own output.
    desk.key("ctrl+2")
    desk.choose("Output device", "stagebox")
    desk.until(
        lambda: (s := state(desk))["power"] == "on" and s["running"]["output"] == "stagebox", "the output", 120.0
    )
    before = state(desk)["samples"]
    desk.until(lambda: state(desk)["samples"] > before + 2 * RATE, "two seconds of sound")
    played, out = heard_whole(desk, box)
    delay = round(state(desk)["latency"])
    kept, octaves = pitch_kept(played[: -delay or None], out[delay:], RATE)
    assert kept is not None
    assert kept > 0.9
    assert dry_part(played, out) < 0.2, "the target is much louder than the dry sound"
    same = Controls(octave="off", transpose_semitones=12.0 * octaves)
    violin = convert_signal(played, RATE, resolve("voice"), same, match_loudness=False, learn_level=False)
    to_violin, to_dry = (float(np.abs(timbre(out) - timbre(one)).mean()) for one in (violin, played))
    assert to_violin < 0.5 * to_dry, f"{to_violin:.1f} dB from the violin, {to_dry:.1f} dB from the dry sound"

    # Blend: a click into the middle of the circle is all in equal parts; keys lead on from there, towards the first.
    desk.key("ctrl+1")
    desk.click("Blend of targets")
    desk.until(lambda: min(state(desk)["controls"]["target"] or (0.0,)) > 0.1, "all targets in like parts")
    desk.key("Up", "Up", "Up")
    desk.until(lambda: state(desk)["controls"]["target"][0] > 0.2, "more of the first target")
    blend = state(desk)["controls"]["target"]
    assert min(blend) > 0.05
    assert max(blend) == blend[0]
    blended = heard(desk, box)[1]
    assert float(np.abs(timbre(blended) - timbre(violin)).mean()) > to_violin

    # Record, and stop.
    desk.key("r")
    desk.until(lambda: state(desk)["recording"], "a take")
    begun = state(desk)
    desk.until(lambda: state(desk)["samples"] > begun["samples"] + 3 * RATE, "three seconds of the take")
    desk.key("r")
    desk.until(lambda: state(desk)["recording"] is None, "the end of the take")
    take = read_audio(begun["recording"])
    assert (take.sample_rate, take.signal.shape[0]) == (RATE, 2)
    assert take.seconds > 2.5
    assert np.abs(take.signal).max(axis=1).min() > 0.01
    desk.click(Path(begun["recording"]).stem)
    assert not any(kind == "QLineEdit" for kind, _ in desk.ask(names=True)), "a click on a new take renames it"

    # Convert a folder that is dropped from a file manager.
    folder = tmp_path / "songs"
    folder.mkdir()
    shutil.copy(Path(__file__).parents[2] / "realtime" / "examples" / "greensleeves-oboe.flac", folder)
    desk.key("ctrl+4")
    there = desk.place("Choose files…")
    desk.drop(folder, (there["x"], there["y"] - 60), lambda: desk.ask(where="Convert 1 file"))
    desk.click("Convert 1 file")
    results = tmp_path / "music"
    desk.until(lambda: list(results.glob("**/greensleeves-oboe*")), "the result", 120.0)

    # Quit, and start again.
    desk.key("ctrl+1", "ctrl+q")
    assert desk.app is not None
    assert desk.app.wait(90.0) == 0
    desk.open_app(memory)
    again = desk.until(lambda: (s := state(desk))["panel"] == "play" and s, "the panel that was shown last")
    assert again["controls"]["target"] == pytest.approx(blend)
    assert (again["model"], again["input"], again["output"]) == ("voice", "stagebox", "stagebox")
    desk.key("ctrl+p")
    desk.until(lambda: state(desk)["power"] == "on", "the power", 120.0)
    assert state(desk)["running"]["output"] == "stagebox"
    assert "Traceback" not in desk.said("driven_app.py")
