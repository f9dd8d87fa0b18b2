"""The voice's parts: oscillators, noise, room, melodies, and what its losses tell apart."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from realtime.features import PitchLoudnessFeatures
from trainer import melodies
from trainer.models.voice import VoiceModel, VoiceNetwork, harmonic_distance
from trainer.spectral import SpectralDiscriminator, SpectralLoss
from trainer.synthesis import NoiseBank, Room, harmonic_waves, oscillate
from trainer.voice_step import NoiseStep, OscillatorStep, RoomStep, VoiceStep, initial_states

RATE, HOP = 48_000, 128


def onnx_session(module: nn.Module, *example: Tensor, optimised: Path | None = None) -> ort.InferenceSession:
    """The module in onnxruntime, as the export and the engine make it; the graph it runs is saved as `optimised`."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, example, cast("Any", buffer), opset_version=17, dynamo=False)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    return ort.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])


def cycles_apart(one: float, other: float) -> float:
    """How far two phases in cycles lie apart."""
    return abs((one - other + 0.5) % 1 - 0.5)


def plucked(midi: float, seconds: float = 1.0) -> melodies.Note:
    """A decaying note of six harmonics."""
    n = np.arange(int(seconds * RATE))
    f0 = 440 * 2 ** ((midi - 69) / 12)
    sound = sum(np.sin(2 * np.pi * k * f0 * n / RATE) / k for k in range(1, 7)) * np.exp(-n / (0.4 * RATE))
    return melodies.Note(np.asarray(0.2 * sound, np.float32), midi)


def test_oscillators_at_a_steady_pitch_are_sines() -> None:
    """At a steady pitch and amplitude the oscillators give sin(2πkft), to 1e-4 over a second."""
    frames = RATE // HOP
    f0 = torch.full((1, frames), 441.0)
    waves, _ = harmonic_waves(f0, f0[:, :1], torch.zeros(1, 1), 3, HOP, RATE)
    amplitudes = torch.tensor([0.5, 0.0, 0.25]).expand(1, frames, 3)
    sound = oscillate(amplitudes, amplitudes[:, 0], waves).flatten().double()
    time = torch.arange(1, frames * HOP + 1, dtype=torch.float64) / RATE
    wanted = 0.5 * torch.sin(2 * math.pi * 441 * time) + 0.25 * torch.sin(2 * math.pi * 3 * 441 * time)
    assert (sound - wanted).abs().max() < 1e-4


def test_oscillators_have_no_jump_at_frame_borders() -> None:
    """A gliding pitch and a moving amplitude make no step larger than the wave's own slope."""
    f0 = torch.linspace(200, 400, 60)[None]
    waves, _ = harmonic_waves(f0, f0[:, :1], torch.zeros(1, 1), 1, HOP, RATE)
    sound = oscillate(torch.rand(1, 60, 1), torch.zeros(1, 1), waves).flatten()
    assert sound.diff().abs().max() < 2 * math.pi * 400 / RATE + 1 / HOP


def test_noise_has_the_level_of_its_bands() -> None:
    """Unit bands make noise of half unit power (as a sine of amplitude 1) within 1 dB; only the asked band sounds."""
    bank = NoiseBank(16, HOP, RATE)
    clock, tail = torch.zeros(1, 2), torch.zeros(1, HOP)
    sound, _, _ = bank(torch.ones(1, 800, 16), clock, tail)
    assert 10 * math.log10(float(sound.flatten().square().mean())) == pytest.approx(-3.0, abs=1.0)
    low = torch.zeros(1, 800, 16)
    low[..., 1] = 1.0
    spectrum = torch.fft.rfft(bank(low, clock, tail)[0].flatten()).abs().square()
    assert spectrum[: len(spectrum) // 8].sum() / spectrum.sum() > 0.99


def test_noise_does_not_repeat_within_a_minute() -> None:
    """A minute of noise frames holds no two that are alike."""
    bank = NoiseBank(4, 16, RATE)
    sound, _, _ = bank(torch.ones(1, 60 * RATE // HOP, 4), torch.zeros(1, 2), torch.zeros(1, 16))
    assert len(torch.unique((sound[0] * 1e5).round(), dim=0)) == sound.shape[1]


def test_room_is_the_same_short_and_long() -> None:
    """The exported convolution and the training one give the same sound, whatever the block."""
    torch.manual_seed(0)
    room = Room(2, 32)
    dry, weights = torch.randn(1, 1024), torch.tensor([[0.3, 0.7]])
    whole, _ = room(dry, weights, torch.zeros(1, 32))
    past, parts = torch.zeros(1, 32), []
    for block in dry.split(64, 1):
        wet, past = room(block, weights, past)
        parts.append(wet)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-5)


def test_no_harmonic_folds_back() -> None:
    """Harmonics over 47 % of the sample rate are silent."""
    network = VoiceNetwork(VoiceModel(hidden=8, harmonics=96), 1, RATE)
    amplitudes = network.audible(torch.zeros(1, 1, 96), torch.tensor([[1000.0]]))
    frequencies = 1000.0 * torch.arange(1, 97)
    assert (amplitudes[0, 0, frequencies > 0.47 * RATE] == 0).all()
    assert (amplitudes[0, 0, frequencies < 0.44 * RATE] == 1).all()


def test_spectral_loss_is_zero_for_equals_and_grows_with_difference() -> None:
    """The loss is zero for equal sound and larger for an octave than for a decibel."""
    time = torch.arange(8192) / RATE
    tone = 0.3 * torch.sin(2 * math.pi * 440 * time)[None]
    octave = 0.3 * torch.sin(2 * math.pi * 880 * time)[None]
    loss = SpectralLoss(RATE)
    assert float(loss(tone, tone)) == 0
    assert 0 < float(loss(tone * 1.1, tone)) < float(loss(octave, tone))


def test_discriminator_hears_the_wanted_target() -> None:
    """The same sound is scored differently for different targets."""
    torch.manual_seed(0)
    judge = SpectralDiscriminator(2, 4)
    sound = torch.randn(1, 8192)
    one, two = (judge(sound, torch.eye(2)[k : k + 1])[0][0] for k in (0, 1))
    assert not torch.equal(one, two)


def test_measured_harmonics_are_those_played() -> None:
    """The analysis of a tone finds its harmonics' levels within 1 dB, where the sound belongs."""
    n = np.arange(RATE)
    audio = sum(a * np.sin(2 * np.pi * 300 * k * n / RATE) for k, a in ((1, 0.1), (2, 0.05), (3, 0.02)))
    levels = melodies.harmonic_levels(np.asarray(audio, np.float32), np.full(RATE // HOP, 300.0), RATE, HOP, 3)
    for index, amplitude in enumerate((0.1, 0.05, 0.02)):
        assert np.median(levels[:, index]) == pytest.approx(20 * math.log10(amplitude), abs=1.5)


def test_harmonic_distance_ignores_unclear_frames() -> None:
    """Frames without a clear pitch do not count, clear ones do."""
    real, made = torch.full((1, 4, 2), -20.0), torch.full((1, 4, 2), -30.0)
    clear, unclear = torch.zeros(1, 3, 4), torch.zeros(1, 3, 4)
    clear[:, 2] = 1.0
    assert float(harmonic_distance(made, real, unclear)) == 0
    assert float(harmonic_distance(made, real, clear)) > 5


def test_a_melody_is_a_function_of_its_generator() -> None:
    """The same generator plays the same melody, another one another, with the pitches of the notes."""
    notes = [plucked(m) for m in (60, 64, 67)]
    first = melodies.melody(notes, 3.0, RATE, np.random.default_rng(1), 2.0)
    np.testing.assert_array_equal(first, melodies.melody(notes, 3.0, RATE, np.random.default_rng(1), 2.0))
    assert not np.array_equal(first, melodies.melody(notes, 3.0, RATE, np.random.default_rng(2), 2.0))
    assert np.isfinite(first).all()
    assert np.abs(first).max() > 0.05


def test_a_passage_is_late_by_the_declared_delay_and_at_the_declared_level() -> None:
    """The passage's audio lies `delay_samples` after its frames' input, with its forte at the level asked for."""
    features = PitchLoudnessFeatures(HOP, 256, 55.0, 2000.0)
    note = plucked(69, 2.0)
    made = melodies.passage(note.audio, RATE, features, 4, -20.0, 0.0)
    assert made is not None
    lag = int(np.argmax(np.correlate(made.audio[:4096], note.audio[:2048], "valid")))
    assert lag == 256
    assert np.quantile(made.frames[1][made.frames[1] > -40], melodies.LOUD_QUANTILE) == pytest.approx(0.0, abs=0.5)


def test_silence_is_no_passage() -> None:
    """Silence teaches nothing and is left out."""
    features = PitchLoudnessFeatures(HOP, 256, 55.0, 2000.0)
    assert melodies.passage(np.zeros(RATE, np.float32), RATE, features, 4, -20.0, 0.0) is None


@pytest.mark.parametrize("harmonics", [1, 7, 8, 96])
def test_oscillators_of_one_frame_are_those_of_many(harmonics: int) -> None:
    """Frame by frame, from few sines, the oscillators give the same sound and phase as all at once."""
    generator = torch.Generator().manual_seed(harmonics)
    f0 = 200 + 600 * torch.rand(1, 40, generator=generator)
    amplitudes = torch.rand(1, 40, harmonics, generator=generator) / torch.arange(1, harmonics + 1) ** 2
    waves, end = harmonic_waves(f0, f0[:, :1], torch.zeros(1, 1), harmonics, HOP, RATE)
    whole = oscillate(amplitudes, torch.zeros(1, harmonics), waves)
    step, phase, last = OscillatorStep(harmonics, HOP, RATE), torch.zeros(1, 1), f0[:, :1]
    before, frames = torch.zeros(1, harmonics), []
    for now, level in zip(f0.split(1, 1), amplitudes[0].split(1), strict=True):
        parts, phase = step(before, level, phase, last, now)
        last, before = now, level
        frames.append(parts.sum(0))
    torch.testing.assert_close(torch.stack(frames), whole[0], atol=3e-5, rtol=0)
    assert cycles_apart(float(phase), float(end)) < 1e-5


def test_a_steady_pitch_is_exact_in_onnxruntime() -> None:
    """After ten seconds the exported oscillators' phase is that of the frequency asked for, to 1e-4 of a cycle."""
    nothing, f0 = torch.zeros(1, 2), torch.tensor([[437.3]])
    session = onnx_session(OscillatorStep(2, HOP, RATE), nothing, nothing, torch.zeros(1, 1), f0, f0)
    names = [tensor.name for tensor in session.get_inputs()]
    phase, frames = np.zeros((1, 1), np.float32), 10 * RATE // HOP
    for _ in range(frames):
        given = (nothing.numpy(), nothing.numpy(), phase, f0.numpy(), f0.numpy())
        phase = session.run(None, dict(zip(names, given, strict=True)))[1]
    assert cycles_apart(float(phase[0, 0]), float(f0) * frames * HOP / RATE) < 1e-4


def test_a_frame_takes_few_operations(tmp_path: Path) -> None:
    """The graph of a frame, as onnxruntime runs it, has at most 71 operations: on one frame each costs its own time."""
    network = VoiceNetwork(VoiceModel(hidden=16, harmonics=12, noise_bands=8, room_taps=64), 3, RATE).eval()
    x, target = torch.tensor([[[440.0], [-10.0], [0.9]]]), torch.eye(1, 3)
    onnx_session(VoiceStep(network).eval(), x, target, *initial_states(network), optimised=tmp_path / "frame.onnx")
    assert len(onnx.load(tmp_path / "frame.onnx").graph.node) <= 71


def test_noise_of_one_frame_is_that_of_many() -> None:
    """Frame by frame the noise is the same as all at once, past the end of both of its tables."""
    torch.manual_seed(0)
    bank = NoiseBank(5, 16, RATE)
    bands = torch.rand(1, 600, 5)
    whole, clock_after, tail_after = bank(bands, torch.zeros(1, 2), torch.zeros(1, 16))
    step, clock, tail, frames = NoiseStep(bank), torch.zeros(1, 2), torch.zeros(1, 16), []
    for levels in bands[0].split(1):
        now, clock, after = step(levels, clock)
        frames.append(now + tail)
        tail = after
    torch.testing.assert_close(torch.cat(frames), whole[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(tail, tail_after, atol=1e-5, rtol=0)
    assert torch.equal(clock, clock_after)


@pytest.mark.parametrize(("taps", "hop"), [(32, 16), (1024, 128), (20, 30), (33, 64)])
def test_the_room_of_one_frame_is_that_of_many(taps: int, hop: int) -> None:
    """Frame by frame the room sounds the same as all at once, whatever its length and the hop."""
    torch.manual_seed(0)
    room = Room(3, taps)
    with torch.no_grad():
        room.impulse.normal_()
    dry, weights = torch.randn(1, 12 * hop), torch.tensor([[0.2, 0.5, 0.3]])
    whole, past_after = room(dry, weights, torch.zeros(1, taps))
    step, past, frames = RoomStep(room, hop), torch.zeros(1, taps), []
    for block in dry.split(hop, 1):
        wet, past = step(block, weights, past)
        frames.append(wet[0])
    torch.testing.assert_close(torch.cat(frames, 1), whole, atol=2e-4, rtol=0)
    assert torch.equal(past, past_after)


def test_the_voice_of_one_frame_is_the_voice() -> None:
    """What is exported plays, frame by frame and from any state, what the trained network plays at once."""
    torch.manual_seed(0)
    network = VoiceNetwork(VoiceModel(hidden=16, harmonics=12, noise_bands=8, room_taps=64), 3, RATE).eval()
    with torch.no_grad():
        network.room.impulse.normal_(std=0.1)
    step, target, frames = VoiceStep(network).eval(), torch.tensor([[0.2, 0.5, 0.3]]), 60
    time = torch.arange(frames)
    # Beyond what it clamps on either side, too.
    f0 = 500 * 2 ** (5 * torch.sin(time / 9))
    x = torch.stack([f0, 70 * torch.sin(time / 4) - 40, 0.5 + 0.7 * torch.sin(time / 3)])[None]
    with torch.no_grad():
        whole, *after = step(x, target, *initial_states(network))
        levels_db, _, _ = network.levels(x, target, torch.zeros(1, 16))
        states, pieces, amplitudes = initial_states(network), [], []
        for frame in x.split(1, 2):
            y, *rest = step(frame, target, *states)
            states = tuple(rest)
            pieces.append(y)
            amplitudes.append(states[3])
    assert whole.abs().max() > 0.01
    torch.testing.assert_close(torch.cat(pieces, 2), whole, atol=1e-4 * float(whole.abs().max()), rtol=0)
    wanted = network.audible(levels_db, x[:, 0].clamp(20, 8000))
    torch.testing.assert_close(torch.stack(amplitudes, 1), wanted, atol=0, rtol=1e-4)
    assert cycles_apart(float(states[1]), float(after[1])) < 1e-4
    for one, many in zip(states[2:], after[2:], strict=True):
        torch.testing.assert_close(one, many, atol=1e-3, rtol=1e-4)
