from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from realtime.chain import Chain
from realtime.controls import Controls
from realtime.convert import FloatArray, convert, convert_signal
from realtime.errors import AudioFileError, ConfigError
from realtime.latency import latency
from realtime.package import Package
from realtime.ring import BlockAdapter
from tests.realtime.small_packages import (
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

PLAIN: dict[str, Any] = {"match_loudness": False, "learn_level": False}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Package]:
    """One package of each kind."""
    folder = tmp_path_factory.mktemp("packages")
    return {
        "gain": gain_package(folder),
        "delay": delay_package(folder),
        "spectrum": spectrum_package(folder),
        "look-ahead": spectrum_package(folder / "far", lookahead=3, step=2),
        "22 kHz": spectrum_package(folder / "low", rate=22050),
        "blend": blend_package(folder),
        "fragile": fragile_package(folder),
        "one pole": one_pole_package(folder),
        "oscillator": oscillator_package(folder),
    }


def rms_db(signal: FloatArray) -> float:
    """Level in dBFS."""
    return 10.0 * float(np.log10(np.mean(np.square(signal, dtype=np.float64))))


@pytest.mark.parametrize("name", ["delay", "spectrum", "look-ahead"])
@pytest.mark.parametrize("samples", [1, 2, 255, 256, 257, 30_001])
@pytest.mark.parametrize("channels", [0, 1, 2])
def test_identity_returns_the_input(packages: dict[str, Package], name: str, samples: int, channels: int) -> None:
    """Through an identity every length and number of channels comes back, each sample in its place."""
    shape = (channels, samples) if channels else (samples,)
    signal = noise(max(1, channels) * samples).reshape(shape)
    made = convert_signal(signal, 48000, packages[name], **PLAIN)
    assert made.shape == shape
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, signal, atol=2e-6)
    np.testing.assert_allclose(convert_signal(signal, 48000, packages[name]), signal, atol=1e-4)


@pytest.mark.parametrize(("name", "rate"), [("spectrum", 44100), ("22 kHz", 48000), ("look-ahead", 96000)])
def test_other_rates_stay_aligned(packages: dict[str, Package], name: str, rate: int) -> None:
    """At another rate than the model's, what both rates can hold comes back in its place and length."""
    signal = sine(1000.0, 0.5, -12.0, rate)[:-3]
    made = convert_signal(signal, rate, packages[name], **PLAIN)
    assert made.shape == signal.shape
    np.testing.assert_allclose(made[2000:-2000], signal[2000:-2000], atol=1e-4)


@pytest.mark.parametrize("name", ["gain", "delay", "look-ahead", "oscillator"])
@pytest.mark.parametrize("block", [64, 128, 441])
def test_a_file_equals_live_sample_for_sample(packages: dict[str, Package], name: str, block: int) -> None:
    """Conversion is what the live chain plays in any blocks, without the law's latency: equal bit by bit."""
    package, controls = packages[name], Controls(mix=0.8, transpose_semitones=3.0, output_gain_db=-3.0)
    signal = sine(200.0, 0.7, -18.0) + noise(33600, peak=0.01)
    file = convert_signal(signal, 48000, package, controls, **PLAIN)
    adapter = BlockAdapter(Chain(package, controls, provider="cpu"))
    late = int(latency(package.manifest, block=block).total)
    fed = np.concatenate([signal, np.zeros(late + 2 * block, np.float32)])
    fed = fed[: fed.size // block * block]
    live = np.zeros_like(fed)
    for start in range(0, fed.size, block):
        adapter.process(fed[start : start + block], live[start : start + block])
    assert np.array_equal(live[late : late + signal.size], file)


@pytest.mark.parametrize("name", ["gain", "spectrum", "oscillator"])
@pytest.mark.parametrize("level_db", [-45.0, -20.0, -6.0])
def test_loudness_is_kept(packages: dict[str, Package], name: str, level_db: float) -> None:
    """The result is as loud as the input within 1 dB, unless that is not asked for."""
    tone = sine(500.0, 1.0, level_db)
    made = convert(tone, 48000, packages[name])
    assert rms_db(made.signal) == pytest.approx(level_db, abs=1.0)
    assert float(np.abs(made.signal).max()) <= 1.0
    if name == "gain":
        assert made.match_gain_db == pytest.approx(6.02, abs=0.01)
        assert rms_db(convert_signal(tone, 48000, packages[name], **PLAIN)) == pytest.approx(level_db - 6.02, abs=0.01)


def test_peaks_hold_the_gain_back(packages: dict[str, Package]) -> None:
    """Where the matched sound would clip, it stays at full scale, and the report says by how much."""
    signal = np.concatenate([sine(500.0, 0.5, -3.1), np.zeros(24000, np.float32)])
    made = convert(signal + np.float32(0.2), 48000, packages["oscillator"], Controls(octave="off"))
    assert float(np.abs(made.signal).max()) <= 1.2
    quiet = convert(sine(500.0, 0.5, -40.0), 48000, packages["gain"], Controls(mix=1.0))
    assert quiet.limited_db == 0.0
    square = np.sign(sine(500.0, 0.5)).astype(np.float32) * 0.99
    limited = convert(square, 48000, packages["oscillator"])
    assert limited.limited_db == pytest.approx(2.9, abs=0.3)
    assert float(np.abs(limited.signal).max()) == pytest.approx(1.0, abs=1e-3)


def test_the_players_level_comes_from_the_file(packages: dict[str, Package]) -> None:
    """A soft and a loud recording of the same playing give the model the same loudness, unless a level is given."""
    swell = sine(500.0, 2.0, 0.0) * np.linspace(0.01, 0.1, 96000, dtype=np.float32)
    soft = convert(swell, 48000, packages["oscillator"])
    loud = convert(5.0 * swell, 48000, packages["oscillator"])
    assert loud.player_level_db - soft.player_level_db == pytest.approx(20 * np.log10(5.0), abs=0.1)
    assert soft.player_level_db == pytest.approx(rms_db(swell[-9600:]), abs=1.0)
    given = convert(swell, 48000, packages["oscillator"], Controls(player_level_db=-7.0), learn_level=False)
    assert given.player_level_db == -7.0


def test_stereo_keeps_its_balance(packages: dict[str, Package]) -> None:
    """A package of pitch and loudness hears the middle and plays on both sides, each as loud as it was."""
    tone = sine(500.0, 1.0, -20.0)
    made = convert_signal(np.stack([tone, 0.25 * tone]), 48000, packages["oscillator"])
    assert rms_db(made[0]) - rms_db(made[1]) == pytest.approx(12.04, abs=0.1)
    assert rms_db(made) == pytest.approx(rms_db(np.stack([tone, 0.25 * tone])), abs=1.0)
    opposed = convert_signal(np.stack([tone, -tone]), 48000, packages["oscillator"])
    assert rms_db(opposed) == pytest.approx(-20.0, abs=1.0)


def test_channels_do_not_hear_each_other(packages: dict[str, Package]) -> None:
    """Each channel of stereo is what it would be alone, also with a model whose memory outlasts the sound."""
    stereo = noise(2000).reshape(2, 1000)
    alone = [convert_signal(row, 48000, packages["one pole"], **PLAIN) for row in stereo]
    assert np.array_equal(convert_signal(stereo, 48000, packages["one pole"], **PLAIN), np.stack(alone))


def test_mix_matches_the_wet_part_alone(packages: dict[str, Package]) -> None:
    """Mix 0 is the input itself; half of an inverting model, matched in loudness, leaves silence."""
    signal = noise(20_000)
    assert np.array_equal(convert_signal(signal, 48000, packages["delay"], Controls(mix=0.0)), signal)
    inverting = Controls(mix=0.5, target=(0.0, 1.0))
    assert float(np.abs(convert_signal(signal, 48000, packages["blend"], inverting)).max()) < 1e-6
    gain = Controls(mix=0.0, output_gain_db=-6.0, input_gain_db=3.0)
    np.testing.assert_allclose(
        convert_signal(signal, 48000, packages["gain"], gain), signal * 10 ** (-3 / 20), rtol=1e-4
    )
    assert np.array_equal(convert_signal(signal, 48000, packages["gain"], Controls(bypass=True)), signal)


def test_silence_stays_silence(packages: dict[str, Package]) -> None:
    """Nothing is amplified out of silence."""
    for name in ("gain", "spectrum", "oscillator"):
        made = convert(np.zeros((2, 5000), np.float32), 48000, packages[name])
        assert float(np.abs(made.signal).max()) < 1e-4
        assert made.match_gain_db == 0.0


def test_faults_are_told(packages: dict[str, Package]) -> None:
    """Steps in which the model failed are counted in the report."""
    signal = sine(300.0, 0.3)
    signal[5000] = 0.9
    made = convert(signal, 48000, packages["fragile"])
    assert made.faults == 1
    assert made.last_fault is not None


def test_progress_adds_up(packages: dict[str, Package]) -> None:
    """The seconds told sum to the duration, for one channel and for two."""
    for channels in (1, 2):
        told: list[float] = []
        convert(np.zeros((channels, 144_100), np.float32), 48000, packages["gain"], progress=told.append)
        assert len(told) > 3
        assert sum(told) == pytest.approx(144_100 / 48000)


def test_refuses_what_is_no_sound(packages: dict[str, Package]) -> None:
    """Nothing, three channels and not-a-number each have their own sentence."""
    for signal, sentence in [
        (np.zeros(0, np.float32), "empty"),
        (np.zeros((2, 0), np.float32), "empty"),
        (np.zeros((3, 100), np.float32), "one or two channels"),
        (np.array([0.0, np.nan], np.float32), "not finite"),
    ]:
        with pytest.raises(AudioFileError, match=sentence):
            convert_signal(signal, 48000, packages["gain"])


def test_griffin_lim_finds_the_phase_of_a_whole_file(packages: dict[str, Package]) -> None:
    """Without the input's phase a file keeps its spectrum and its place; a model that gives sound has no use for it."""
    signal = np.concatenate([np.zeros(9600, np.float32), sine(440.0, 0.8)])
    made = convert(signal, 48000, packages["look-ahead"], match_loudness=False, phase="griffin_lim").signal
    windows = [np.lib.stride_tricks.sliding_window_view(x, 1024)[::256] * np.hanning(1024) for x in (signal, made)]
    wanted, found = (np.abs(np.fft.rfft(x)) for x in windows)
    assert np.linalg.norm(found - wanted) < 0.1 * np.linalg.norm(wanted)
    assert not np.array_equal(made, signal)
    stereo = convert(np.stack([signal, signal]), 48000, packages["look-ahead"], phase="griffin_lim").signal
    assert np.array_equal(stereo[0], stereo[1])
    with pytest.raises(ConfigError, match="needs no phase"):
        convert(signal, 48000, packages["gain"], phase="griffin_lim")
