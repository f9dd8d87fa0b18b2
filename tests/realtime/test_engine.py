from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from realtime import meters
from realtime.controls import Controls
from realtime.deadline import choose_place, warm_up
from realtime.errors import AudioFileError, EngineError
from realtime.host import Host
from realtime.lane import Lane
from realtime.latency import buffering_samples
from realtime.meters import Histogram, Meters, Times, level_db
from realtime.player import Player
from realtime.recorder import Recorder
from tests.realtime.live_parts import FloatArray

RATE = 48000


class Delay:
    """A stepper that gives back its input, doubled; it can be told to fail, to be slow or to give NaN."""

    def __init__(self, step: int = 64) -> None:
        """step: samples."""
        self.step_samples, self.sample_rate = step, RATE
        self.wrong: str | None = None
        self.resets = 0

    def process(self, block: FloatArray, out: FloatArray) -> None:
        """Twice the input, or what is wrong."""
        if self.wrong == "raise":
            raise ValueError("no")
        if self.wrong == "slow":
            time.sleep(0.03)
        np.multiply(block, np.nan if self.wrong == "nan" else 2.0, out=out)

    def reset(self) -> None:
        """Counted."""
        self.resets += 1


def lane(stepper: Delay, shown: Meters, *, block: int = 128, slack_samples: int = 0) -> Lane:
    delay = buffering_samples(block, stepper.step_samples) + slack_samples
    return Lane(stepper, shown.model, rate_hz=RATE, block=block, delay_samples=delay, slack_samples=slack_samples)


def player(stepper: Delay, shown: Meters, *, block: int = 128, slack_samples: int = 0, **more: Any) -> Player:
    return Player(lane(stepper, shown, block=block, slack_samples=slack_samples), shown, rate_hz=RATE, **more)


def play(one: Player, sound: FloatArray, block: int, flags: int = 0, pause_s: float = 0.0) -> FloatArray:
    out = np.zeros((sound.size, 2), np.float32)
    for begin in range(0, sound.size, block):
        one.callback(sound[begin : begin + block, None], out[begin : begin + block], block, flags)
        if pause_s:
            time.sleep(pause_s)
    return out[:, 0]


def ramp(samples: int) -> FloatArray:
    return (np.arange(1, samples + 1) / (4 * samples)).astype(np.float32)


@pytest.mark.parametrize(("block", "step"), [(64, 64), (128, 64), (128, 256), (96, 64), (480, 512), (1024, 256)])
def test_the_player_delays_by_the_law(block: int, step: int) -> None:
    """In the callback the output is the model's, later by step − gcd(block, step) and nothing else."""
    sound = ramp(block * 40)
    heard = play(player(Delay(step), Meters(), block=block), sound, block)
    delay = buffering_samples(block, step)
    assert np.array_equal(heard[delay:], 2 * sound[: sound.size - delay])
    assert not heard[:delay].any()


def test_the_worker_delays_by_its_slack_more() -> None:
    """In a worker the output is the same, later by the slack."""
    sound, shown = ramp(128 * 60), Meters()
    one = player(Delay(), shown, slack_samples=256)
    heard = play(one, sound, 128, pause_s=0.003)
    one.close()
    assert shown.snapshot().late_model_calls == 0
    assert np.array_equal(heard[256:], 2 * sound[:-256])


def test_a_slow_worker_is_counted_and_the_input_is_heard() -> None:
    """A block that the worker has not made is the aligned input, counted as missed; the callback does not wait."""
    sound, shown, stepper = ramp(128 * 60), Meters(), Delay()
    one = player(stepper, shown, slack_samples=128)
    play(one, sound[:1280], 128, pause_s=0.003)
    stepper.wrong = "slow"
    began = time.perf_counter()
    heard = play(one, sound[1280:2560], 128)
    assert time.perf_counter() - began < 0.1
    one.close()
    assert shown.snapshot().late_model_calls >= 8
    assert np.array_equal(heard[256:1280], sound[1280 + 128 : 2560 - 128])


@pytest.mark.parametrize("wrong", ["raise", "nan"])
@pytest.mark.parametrize("slack", [0, 512])
def test_a_failing_model_leaves_the_input_and_comes_back(wrong: str, slack: int) -> None:
    """A model that raises or gives NaN is replaced by the aligned input, counted, and played again when it is well."""
    sound, shown, stepper = ramp(128 * 90), Meters(), Delay()
    one = player(stepper, shown, slack_samples=slack)
    pause = 0.008 if slack else 0.0  # room for the worker of a busy machine
    play(one, sound[: 128 * 20], 128, pause_s=pause)
    stepper.wrong = wrong
    failing = play(one, sound[128 * 20 : 128 * 40], 128, pause_s=pause)
    stepper.wrong = None
    again = play(one, sound[128 * 40 :], 128, pause_s=pause)
    one.close()
    delay = slack
    assert np.isfinite(failing).all() and np.isfinite(again).all()
    assert np.array_equal(failing[1024:], sound[128 * 20 + 1024 - delay : 128 * 40 - delay])
    assert np.array_equal(again[2048:], 2 * sound[128 * 40 + 2048 - delay : sound.size - delay])
    assert shown.snapshot().faults >= 15
    assert stepper.resets >= 15


def test_muting_ramps_to_silence_and_back() -> None:
    """Muting walks to silence in 20 ms without a step, and unmuting walks back."""
    sound = np.full(RATE, 0.25, np.float32)
    one = player(Delay(), Meters())
    play(one, sound[:12800], 128)
    one.muted = True
    fading = play(one, sound[:12800], 128)
    one.muted = False
    rising = play(one, sound[:12800], 128)
    assert fading[0] > 0.49 and not fading[960:].any()
    assert np.abs(np.diff(fading)).max() < 0.001
    assert rising[-1] == 0.5 and np.abs(np.diff(rising)).max() < 0.001


def test_the_output_never_passes_full_scale() -> None:
    """What is louder than full scale is limited and counted."""
    shown = Meters()
    heard = play(player(Delay(), shown), np.full(1280, 0.9, np.float32), 128)
    assert 0.99 < heard.max() <= 1.0
    assert shown.snapshot().clipped_blocks == 10
    assert shown.snapshot().output_peak == heard.max()


def test_the_callback_raises_nothing() -> None:
    """Whatever is wrong with a block, PortAudio sees silence and a count instead of an exception."""
    shown = Meters()
    one = player(Delay(), shown)
    out = np.ones((128, 1), np.float32)
    one.callback(None, out, 128, 0)  # type: ignore[arg-type]
    assert not out.any()
    assert shown.snapshot().faults == 1


def test_xruns_and_levels_are_shown() -> None:
    """PortAudio's four flags count as xruns, priming does not; levels are of the latest sound."""
    shown = Meters()
    one = player(Delay(), shown)
    sound = 0.25 * np.sin(np.arange(RATE) * 0.1).astype(np.float32)
    play(one, sound, 128)
    for flags in (1, 2, 4, 8, 16):
        play(one, sound[:128], 128, flags=flags)
    now = shown.snapshot()
    assert now.xruns == 4
    assert now.callbacks == RATE // 128 + 5
    assert now.input_peak == pytest.approx(0.25, abs=0.01)
    assert now.input_rms == pytest.approx(0.25 / np.sqrt(2), rel=0.05)
    assert level_db(now.output_peak) == pytest.approx(-6.0, abs=0.2)
    assert now.seconds == pytest.approx(1.0, abs=0.02)


def test_a_callback_longer_than_its_period_is_late() -> None:
    """A block that takes 1.4 times its period counts as late and as load, a quick one as neither."""
    shown, stepper = Meters(), Delay(1024)
    one = player(stepper, shown, block=1024)
    play(one, ramp(1024 * 4), 1024)
    assert shown.snapshot().late_callbacks == 0
    assert shown.snapshot().load < 0.5
    stepper.wrong = "slow"
    play(one, ramp(1024 * 4), 1024)
    assert shown.snapshot().late_callbacks == 4
    assert shown.snapshot().callback.max_us > 1e6 * 1024 / RATE


def test_percentiles_are_true_to_two_per_cent() -> None:
    """Percentiles from the histogram lie within 2.1 % above those of the durations themselves."""
    rng = np.random.default_rng(3)
    durations = np.exp(rng.normal(np.log(300e-6), 0.5, 20000))
    histogram = Histogram()
    for duration in durations:
        histogram.add(float(duration))
    times = histogram.times()
    for found, part in ((times.p50_us, 50), (times.p99_us, 99), (times.p999_us, 99.9)):
        assert 0.999 <= found / (1e6 * np.percentile(durations, part, method="inverted_cdf")) <= 1.021
    assert times.max_us == pytest.approx(1e6 * durations.max())
    assert times.count == 20000


def test_times_are_counted_from_a_copy() -> None:
    """Meters tell what came after a copy of them was taken."""
    shown = Meters()
    shown.model.add(1e-3)
    before = shown.copy()
    for _ in range(9):
        shown.model.add(2e-3)
    _, model = shown.times_since(before)
    assert model.count == 9
    assert model.p50_us == pytest.approx(2000, rel=0.021)


def times(p50_us: float, p999_us: float) -> Times:
    return Times(1000, p50_us, p999_us, p999_us, p999_us)


@pytest.mark.parametrize(
    ("p999_us", "block", "step", "where", "slack"),
    [
        (500, 128, 128, "auto", 0),  # 0.8 of 1.87 ms
        (1500, 128, 128, "auto", 1),  # 2.4 ms fit into one block of slack, not into the callback
        (500, 128, 64, "auto", 0),  # two steps a block: 1.6 ms
        (700, 128, 64, "auto", 1),
        (3000, 128, 512, "auto", 2),  # a long step needs two blocks, and there are four
        (3000, 128, 512, "callback", 0),
        (100, 128, 128, "worker", 1),
    ],
)
def test_the_models_place_follows_from_its_time(p999_us: float, block: int, step: int, where: Any, slack: int) -> None:
    """A model that leaves room runs in the callback, a slower one in a worker with as much slack as it needs."""
    chosen = choose_place(times(100, p999_us), block_s=block / RATE, step_s=step / RATE, where=where)
    assert chosen.slack == slack


def test_a_model_slower_than_sound_is_refused() -> None:
    """A model that needs more time than there is gets a sentence instead of a stream of gaps."""
    with pytest.raises(EngineError, match=r"needs 2\.0 times the real time"):
        choose_place(times(5333, 6000), block_s=0.00267, step_s=0.00267)


def test_warming_up_measures_and_forgets() -> None:
    """Warming up times single steps and leaves the chain as new."""
    stepper = Delay()
    measured = warm_up(stepper)
    assert measured.count == 250
    assert 0 < measured.p50_us <= measured.p99_us <= measured.p999_us <= measured.max_us
    assert stepper.resets == 1


def test_a_recording_is_what_was_pushed(tmp_path: Path) -> None:
    """Left and right come back bit by bit, also above full scale."""
    recorder = Recorder(tmp_path / "a.wav", RATE)
    dry, wet = ramp(48000), -3 * ramp(48000)
    for begin in range(0, 48000, 480):
        recorder.push(dry[begin : begin + 480], wet[None, begin : begin + 480])
    recorder.close()
    sound, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate == RATE and recorder.problem is None and recorder.lost_frames == 0
    assert np.array_equal(sound[:, 0], dry) and np.array_equal(sound[:, 1], wet)


def test_a_recording_that_cannot_keep_up_keeps_its_time(tmp_path: Path) -> None:
    """What finds no room in the ring is counted and becomes silence of the same length; pushing never waits."""
    recorder = Recorder(tmp_path / "a.wav", 100)
    block = np.ones(1024, np.float32)
    began = time.perf_counter()
    recorder.push(block, block[None])
    recorder.push(block, block[None])
    lost = recorder.lost_frames
    assert time.perf_counter() - began < 0.05
    time.sleep(0.3)
    recorder.push(block[:10], block[None, :10])
    recorder.close()
    sound, _ = soundfile.read(tmp_path / "a.wav")
    assert lost == 1024
    assert len(sound) == 2 * 1024 + 10
    assert not sound[1024:2048].any() and sound[2048:].all()


def test_a_full_disk_ends_the_recording_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When writing fails the header still names what is there, and the problem is told once."""
    recorder = Recorder(tmp_path / "a.wav", RATE)
    recorder.push(ramp(4800), ramp(4800)[None])
    time.sleep(0.25)

    def full(_data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder, "_write", full)
    recorder.push(ramp(4800), ramp(4800)[None])
    time.sleep(0.25)
    recorder.push(ramp(4800), ramp(4800)[None])
    recorder.close()
    assert (
        recorder.problem is not None and "No space left" in recorder.problem and "ended after 0.1 s" in recorder.problem
    )
    assert soundfile.info(tmp_path / "a.wav").frames == 4800


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("a.flac", "written as .wav"), ("no/such/folder/a.wav", "cannot be written"), ("there.wav", "already a file")],
)
def test_a_recording_that_cannot_be_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    """Another format, a missing folder and a file that exists are each refused with their sentence."""
    (tmp_path / "there.wav").touch()
    with pytest.raises(AudioFileError, match=sentence):
        Recorder(tmp_path / name, RATE)


def test_a_long_recording_goes_on_in_a_second_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a WAV file's size overflows, the recording continues in NAME-2.wav without losing a frame."""
    monkeypatch.setattr("realtime.recorder._LONGEST_BYTES", 8 * 1000)
    recorder = Recorder(tmp_path / "a.wav", RATE)
    for _ in range(3):
        recorder.push(ramp(600), ramp(600)[None])
        time.sleep(0.15)
    recorder.close()
    assert [soundfile.info(tmp_path / name).frames for name in ("a.wav", "a-2.wav", "a-3.wav")] == [600, 600, 600]


def test_a_host_without_a_stream_says_so() -> None:
    """Asking a host that has opened nothing is an error with a sentence; closing it is none."""
    host = Host()
    with pytest.raises(EngineError, match="open a stream first"):
        host.set_controls(Controls())
    assert not host.alive and host.snapshot().state == meters.CLOSED and host.events() == []
    host.close()
