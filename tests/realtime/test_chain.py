from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from realtime.chain import Chain
from realtime.controls import Controls
from realtime.errors import ConfigError, PackageError
from realtime.package import Package
from realtime.ring import FloatArray
from tests.realtime.small_packages import (
    OSCILLATOR_LEVEL_DB,
    RATE,
    blend_package,
    delay_package,
    fragile_package,
    gain_package,
    noise,
    one_pole_package,
    oscillator_package,
    sine,
    spectrum_package,
)

MAKERS: dict[str, Callable[[Path], Package]] = {
    "gain": gain_package,
    "unity": lambda folder: gain_package(folder, gain=1.0),
    "delay": delay_package,
    "one pole": one_pole_package,
    "spectrum": spectrum_package,
    "look-ahead": lambda folder: spectrum_package(folder, lookahead=3, step=2),
    "gradient": lambda folder: spectrum_package(folder, phase="gradient"),
    "blend": blend_package,
    "oscillator": oscillator_package,
    "fragile": fragile_package,
    "loud": lambda folder: fragile_package(folder, bad=1e4),
}
IDENTITIES = ["unity", "delay", "spectrum", "look-ahead"]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Package]:
    """One package of each kind."""
    return {name: make(tmp_path_factory.mktemp("packages")) for name, make in MAKERS.items()}


def play(chain: Chain, signal: FloatArray, changes: dict[int, Controls] | None = None) -> FloatArray:
    """`signal` through the chain in whole steps; `changes` are set before the step that holds their sample."""
    step = chain.step_samples
    heard = np.zeros(signal.size // step * step, np.float32)
    todo = dict(changes or {})
    for start in range(0, heard.size, step):
        for at in [at for at in todo if at < start + step]:
            chain.set_controls(todo.pop(at))
        chain.process(signal[start : start + step], heard[start : start + step])
    return heard


@pytest.mark.parametrize("name", IDENTITIES)
@pytest.mark.parametrize("mix", [0.0, 0.5, 1.0])
def test_mix_is_phase_true(packages: dict[str, Package], name: str, mix: float) -> None:
    """Any mix of an identity with its dry signal is the input, delayed by exactly the latency, to 1e-5."""
    chain = Chain(packages[name], Controls(mix=mix))
    signal = noise(24 * 512)
    heard = play(chain, signal)
    late = chain.latency_samples
    np.testing.assert_allclose(heard[late:], signal[: heard.size - late], atol=1e-5)
    assert float(np.abs(heard[:late]).max(initial=0.0)) < 1e-6


def test_states_carry_from_step_to_step(packages: dict[str, Package]) -> None:
    """A recursive filter of one sample a step rings as its formula says."""
    signal = np.zeros(64, np.float32)
    signal[0] = 0.5
    np.testing.assert_allclose(play(Chain(packages["one pole"]), signal), 0.5 * 0.9 ** np.arange(64), rtol=1e-5)


@pytest.mark.parametrize("name", ["gain", "delay", "look-ahead", "gradient", "oscillator"])
def test_reset_is_a_new_chain(packages: dict[str, Package], name: str) -> None:
    """After a reset a chain plays bit by bit what a new one plays."""
    signal = sine(330.0, 0.3)
    chain = Chain(packages[name], Controls(mix=0.7))
    first = play(chain, signal)
    chain.reset()
    assert np.array_equal(play(chain, signal), first)


@pytest.mark.parametrize(
    "after", [Controls(output_gain_db=-24.0), Controls(mix=0.0), Controls(input_gain_db=6.0), Controls(bypass=True)]
)
def test_turning_a_knob_does_not_click(packages: dict[str, Package], after: Controls) -> None:
    """Through a sudden change a low tone keeps its smoothness: nothing above 2 kHz beyond −80 dB."""
    tone = sine(100.0, 0.5, -9.0)
    heard = play(Chain(packages["gain"]), tone, {12000: after})
    spectrum = np.abs(np.fft.rfft(heard[8000:16192] * np.blackman(8192)))
    assert spectrum[int(2000 * 8192 / RATE) :].max() < 1e-4 * spectrum.max()
    # The same jump at once would be heard: the test can fail.
    jumped = tone.copy()
    jumped[12000 + 120 :] *= 0.5
    sudden = np.abs(np.fft.rfft(jumped[8000:16192] * np.blackman(8192)))
    assert sudden[int(2000 * 8192 / RATE) :].max() > 1e-4 * sudden.max()


def test_gains_do_what_they_say(packages: dict[str, Package]) -> None:
    """Gains in dB multiply; bypass ignores gains, mix and model."""
    tone = sine(100.0, 0.2)
    louder = play(Chain(packages["unity"], Controls(input_gain_db=6.0, output_gain_db=-12.0)), tone)
    np.testing.assert_allclose(louder, tone[: louder.size] * 10 ** (-6 / 20), rtol=1e-4, atol=1e-7)
    bypassed = play(Chain(packages["gain"], Controls(input_gain_db=6.0, output_gain_db=9.0, bypass=True)), tone)
    assert np.array_equal(bypassed, tone[: bypassed.size])


def test_blend_walks_to_its_weights(packages: dict[str, Package]) -> None:
    """A change of target passes through every mixture in 20 ms, without a jump, and ends exactly there."""
    steady = np.full(9600, 0.5, np.float32)
    heard = play(Chain(packages["blend"]), steady, {4800: Controls(target=(0.0, 1.0))})
    assert heard[4700] == 0.5
    assert heard[-1] == -0.5
    assert float(np.abs(np.diff(heard)).max()) < 0.08
    assert int(np.count_nonzero(np.abs(np.diff(heard)) > 1e-4)) >= 10
    half = play(Chain(packages["blend"], Controls(target=(3.0, 1.0))), steady)
    assert half[0] == half[-1] == 0.25


def test_refuses_weights_for_other_targets(packages: dict[str, Package]) -> None:
    """Weights must be as many as the package's targets; a refused change leaves the old controls."""
    with pytest.raises(ConfigError, match=r"3 target weights.*2 targets \(plus, minus\)"):
        Chain(packages["blend"], Controls(target=(1.0, 1.0, 1.0)))
    chain = Chain(packages["gain"])
    before = chain.controls
    with pytest.raises(ConfigError, match="none"):
        chain.set_controls(Controls(target=(1.0,)))
    assert chain.controls is before


@pytest.mark.parametrize("name", ["fragile", "loud"])
def test_a_broken_output_crosses_over_to_dry_and_back(packages: dict[str, Package], name: str) -> None:
    """NaN or an absurd level is never heard: the dry signal takes over, counted, and the model comes back after."""
    tone = sine(200.0, 1.0, -15.0)
    tone[12060] = 0.9  # where the tone is far from zero
    chain = Chain(packages[name])
    heard = play(chain, tone)
    assert np.isfinite(heard).all()
    assert float(np.abs(heard).max()) < 1.0
    assert chain.faults == 1
    assert chain.last_fault is not None
    assert "output" in chain.last_fault
    # y = x here, so that wet and dry are the same: away from the fault nothing is lost, and the model is back.
    np.testing.assert_allclose(heard[:11904], tone[:11904], atol=1e-6)
    np.testing.assert_allclose(heard[13000:], tone[13000 : 13000 + heard[13000:].size], atol=1e-6)
    after = np.delete(np.diff(heard), [12059, 12060])  # but for the spike that was played, nothing jumps
    assert float(np.abs(after).max()) < 0.02


def test_a_model_that_always_fails_leaves_the_dry_sound(
    packages: dict[str, Package], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the session itself dies, the sound goes on dry, on time, and every step is counted."""
    chain = Chain(packages["gain"])
    tone = sine(200.0, 0.5)

    def dead() -> None:
        raise PackageError("The session is gone.")

    monkeypatch.setattr(chain.session, "run", dead)
    monkeypatch.setattr(chain.session, "reset", dead)
    heard = play(chain, tone)
    assert chain.faults == heard.size // chain.step_samples
    assert chain.last_fault == "the model failed: The session is gone."
    np.testing.assert_allclose(heard[1000:], tone[1000 : heard.size], atol=1e-6)


def test_a_broken_input_is_silenced(packages: dict[str, Package]) -> None:
    """Not-a-number and infinity from a device count as silence and do not stay in any memory."""
    for name in ("unity", "spectrum", "oscillator"):
        chain = Chain(packages[name])
        signal = sine(300.0, 0.5)
        signal[5000:5003] = [np.nan, np.inf, -np.inf]
        heard = play(chain, signal)
        assert np.isfinite(heard).all()
        assert chain.input_faults == 1
        assert chain.faults == 0
        assert float(np.abs(heard[15000:]).max()) > 0.05


@pytest.mark.parametrize("name", ["gain", "look-ahead", "gradient", "oscillator", "blend"])
def test_process_keeps_no_memory(packages: dict[str, Package], name: str) -> None:
    """A thousand steps leave less than four kilobytes behind."""
    chain = Chain(packages[name])
    block, out = noise(chain.step_samples), np.zeros(chain.step_samples, np.float32)
    for _ in range(400):
        chain.process(block, out)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(1000):
        chain.process(block, out)
    growth = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert growth < 4096


def rms_db(signal: FloatArray) -> float:
    """Level in dBFS."""
    return 10.0 * float(np.log10(np.mean(np.square(signal, dtype=np.float64))))


def pitch_hz(signal: FloatArray) -> float:
    """The loudest frequency."""
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(signal.size), 8 * signal.size))
    return float(np.argmax(spectrum)) * RATE / (8 * signal.size)


@pytest.mark.parametrize("player_level_db", [-30.0, -20.0, -12.0])
@pytest.mark.parametrize("level_db", [-35.0, -20.0])
def test_loudness_follows_the_player(packages: dict[str, Package], player_level_db: float, level_db: float) -> None:
    """The model hears loudness above the player's forte, and what it plays there stands at the player's level again."""
    chain = Chain(packages["oscillator"], Controls(player_level_db=player_level_db))
    heard = play(chain, sine(500.0, 0.5, level_db))
    assert float(chain.session.x[0, 1, 0]) == pytest.approx(level_db - player_level_db, abs=0.2)
    assert chain.manifest.level_db == OSCILLATOR_LEVEL_DB
    assert rms_db(heard[12000:]) == pytest.approx(level_db, abs=0.2)


@pytest.mark.parametrize(
    ("played_hz", "transpose", "octave", "sounds_hz"),
    [
        (500.0, 0.0, "auto", 500.0),
        (125.0, 0.0, "auto", 500.0),
        (125.0, 0.0, "off", 125.0),
        (125.0, 7.0, "off", 125.0 * 2 ** (7 / 12)),
        (1200.0, 0.0, "auto", 600.0),
        (300.0, -12.0, "auto", 600.0),
    ],
)
def test_pitch_is_moved_into_the_range(
    packages: dict[str, Package], played_hz: float, transpose: float, octave: str, sounds_hz: float
) -> None:
    """Semitones move the pitch as they say; "auto" adds octaves until the target's 400 to 1000 Hz are reached."""
    controls = Controls().with_changes(transpose_semitones=transpose, octave=octave)
    heard = play(Chain(packages["oscillator"], controls), sine(played_hz, 0.6))
    assert pitch_hz(heard[14400:]) == pytest.approx(sounds_hz, rel=0.002)


def test_refuses_what_a_stream_cannot_do(packages: dict[str, Package]) -> None:
    """Griffin-Lim needs a whole file, and the input's phase whole frames of delay: such packages are refused."""
    package = packages["spectrum"]
    whole = dataclasses.replace(package, manifest=dataclasses.replace(package.manifest, phase="griffin_lim"))
    with pytest.raises(PackageError, match="griffin_lim"):
        Chain(whole)
    uneven = dataclasses.replace(package, manifest=dataclasses.replace(package.manifest, model_delay_samples=100))
    with pytest.raises(PackageError, match="whole frames of 256"):
        Chain(uneven)


def test_gradient_phase_keeps_the_pitch(packages: dict[str, Package]) -> None:
    """Without the input's phase a tone stays the same tone at the same level."""
    heard = play(Chain(packages["gradient"]), sine(440.0, 1.0))
    assert pitch_hz(heard[24000:]) == pytest.approx(440.0, rel=0.002)
    assert rms_db(heard[24000:]) == pytest.approx(-20.0, abs=0.5)
