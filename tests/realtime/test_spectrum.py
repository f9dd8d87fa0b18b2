"""Analysis and synthesis: exact delay, perfect reconstruction, stream equal to whole file, librosa's frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import ConfigError
from realtime.features import FloatArray, SpectrumFeatures
from realtime.spectrum import SpectrumAnalyser, SpectrumSynthesiser, analyse, synthesise

GEOMETRIES = [(16, 8), (96, 32), (1024, 512), (1024, 256), (1024, 128), (2048, 256)]


def whole(n_fft: int, hop: int) -> SpectrumFeatures:
    """Features that keep every bin."""
    return SpectrumFeatures(n_fft, hop, n_fft // 2 + 1)


def phrase(samples: int, sample_rate: int = 48000) -> FloatArray:
    """Two plucked, slightly inharmonic notes over a little noise: like a guitar as far as a spectrum can tell."""
    time = np.arange(samples) / sample_rate
    random = np.random.default_rng(3)
    sound = 0.003 * random.standard_normal(samples)
    for start, pitch in ((0.02, 196.0), (0.25, 293.7)):
        since = np.maximum(0.0, time - start)
        for k in range(1, 20):
            tone = np.sin(2 * np.pi * pitch * k * np.sqrt(1 + 2e-4 * k * k) * since)
            sound += 0.2 / k * tone * np.exp(-since * (2 + 0.7 * k)) * (time >= start)
    return sound.astype(np.float32)


def stream(signal: FloatArray, features: SpectrumFeatures) -> tuple[FloatArray, np.ndarray]:
    """Every whole hop of `signal` through the streaming pair: its output, and the spectra on the way."""
    analyser, synthesiser = SpectrumAnalyser(features), SpectrumSynthesiser(features)
    hops = signal[: signal.size // features.hop * features.hop].reshape(-1, features.hop)
    spectra, out = [], []
    for hop in hops:
        spectrum = analyser.push(hop)
        spectra.append(spectrum.copy())
        out.append(synthesiser.push(spectrum).copy())
    return np.concatenate(out), np.stack(spectra, axis=1)


@pytest.mark.parametrize(("n_fft", "hop"), GEOMETRIES)
def test_stream_is_the_input_delayed(n_fft: int, hop: int) -> None:
    """Unchanged frames come back as the input, n_fft − hop samples late, exact from the very first sample."""
    signal = phrase(48000 // hop * hop)
    out, _ = stream(signal, whole(n_fft, hop))
    delay = n_fft - hop
    np.testing.assert_allclose(out[delay:], signal[:-delay], atol=1e-6)
    np.testing.assert_allclose(out[:delay], 0.0, atol=1e-6)


@pytest.mark.parametrize(("n_fft", "hop"), GEOMETRIES)
def test_stream_equals_whole_file(n_fft: int, hop: int) -> None:
    """Streamed spectra and samples are those of the whole-file functions, also when frames are altered on the way."""
    features = whole(n_fft, hop)
    signal = phrase(20 * n_fft + hop // 2)
    out, spectra = stream(signal, features)
    batch = analyse(signal, features)
    count = spectra.shape[1]
    assert batch.shape == (features.full_bins, count + 1)
    np.testing.assert_allclose(spectra, batch[:, :count], atol=1e-5)
    np.testing.assert_allclose(out, synthesise(batch[:, :count], features), atol=1e-6)
    altered = (batch * np.random.default_rng(0).random(batch.shape)).astype(np.complex64)
    synthesiser = SpectrumSynthesiser(features)
    streamed = np.concatenate([synthesiser.push(np.ascontiguousarray(frame)).copy() for frame in altered.T])
    np.testing.assert_allclose(streamed, synthesise(altered, features), atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    half=st.integers(1, 40),
    ratio=st.sampled_from([2, 3, 4, 8]),
    samples=st.integers(0, 2000),
    seed=st.integers(0, 2**16),
)
def test_any_file_is_rebuilt_whole(half: int, ratio: int, samples: int, seed: int) -> None:
    """For any hop, overlap and length, flushed analysis and aligned synthesis give every sample back in its place."""
    hop = 2 * half
    features = whole(hop * ratio, hop)
    signal = np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32)
    back = synthesise(analyse(signal, features, flush=True), features, aligned=True, samples=samples)
    assert back.dtype == np.float32
    assert back.shape == signal.shape
    np.testing.assert_allclose(back, signal, atol=3e-6)


@settings(max_examples=40, deadline=None)
@given(blocks=st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_blocks_do_not_matter(blocks: list[int]) -> None:
    """Sound that comes in blocks of any sizes, cut into hops, gives the delayed input sample for sample."""
    features = whole(256, 64)
    signal = phrase(sum(blocks))
    analyser, synthesiser = SpectrumAnalyser(features), SpectrumSynthesiser(features)
    waiting, out, place = np.zeros(0, np.float32), [np.zeros(0, np.float32)], 0
    for block in blocks:
        waiting = np.concatenate([waiting, signal[place : place + block]])
        place += block
        while waiting.size >= features.hop:
            out.append(synthesiser.push(analyser.push(waiting[: features.hop])).copy())
            waiting = waiting[features.hop :]
    result = np.concatenate(out)
    expected = np.concatenate([np.zeros(features.delay_samples, np.float32), signal])[: result.size]
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_reset_forgets() -> None:
    """After reset the streams answer as new ones do."""
    features = whole(1024, 256)
    analyser, synthesiser = SpectrumAnalyser(features), SpectrumSynthesiser(features)
    loud = np.ones(256, np.float32)
    first = synthesiser.push(analyser.push(loud)).copy()
    synthesiser.push(analyser.push(-loud))
    analyser.reset()
    synthesiser.reset()
    np.testing.assert_array_equal(synthesiser.push(analyser.push(loud)), first)


def test_streams_keep_their_memory() -> None:
    """Each push answers in the same single-precision memory, so that the live thread allocates no frames."""
    features = whole(1024, 256)
    analyser, synthesiser = SpectrumAnalyser(features), SpectrumSynthesiser(features)
    spectra = [analyser.push(phrase(256)) for _ in range(2)]
    hops = [synthesiser.push(spectra[0]) for _ in range(2)]
    assert spectra[0] is spectra[1]
    assert hops[0] is hops[1]
    assert spectra[0].dtype == np.complex64
    assert hops[0].dtype == np.float32


@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 256), (2048, 512)])
def test_frames_are_librosas(n_fft: int, hop: int) -> None:
    """Frames are librosa's uncentred ones of the signal with n_fft − hop zeros before it."""
    librosa = pytest.importorskip("librosa")
    signal = phrase(hop * 100)
    padded = np.concatenate([np.zeros(n_fft - hop, np.float32), signal])
    expected = librosa.stft(padded, n_fft=n_fft, hop_length=hop, window="hann", center=False)
    np.testing.assert_allclose(analyse(signal, whole(n_fft, hop)), expected, atol=1e-4)


def test_newest_frame_holds_the_newest_samples() -> None:
    """An impulse in the last sample of hop 5 is heard by frame 5 and not by frame 4: no frame sees the future."""
    features = whole(64, 16)
    signal = np.zeros(160, np.float32)
    signal[5 * 16 + 15 - 8] = 1.0
    level = np.abs(analyse(signal, features)).max(axis=0)
    assert not level[:5].any()
    assert level[5] > 0
    assert not level[9:].any()


def test_wrong_shapes_are_refused() -> None:
    """Stereo signals and folded spectra are refused with the shape that was found."""
    features = whole(1024, 256)
    with pytest.raises(ConfigError, match=r"\(2, 100\)"):
        analyse(np.zeros((2, 100), np.float32), features)
    with pytest.raises(ConfigError, match=r"\(80, 3\)"):
        synthesise(np.zeros((80, 3), np.complex64), features)
