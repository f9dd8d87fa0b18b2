"""The definition of the features: what is accepted, what is refused, and that compression and bands invert."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import ConfigError, PackageError
from realtime.features import (
    Bands,
    Features,
    PitchLoudnessFeatures,
    SamplesFeatures,
    SpectrumFeatures,
    compress,
    expand,
    from_json,
    hop_of,
    mel_matrix,
    to_json,
    unit_scale,
    window,
)

EVERY_KIND: list[Features] = [
    SpectrumFeatures(1024, 256, 512, compression="log1p", scale=unit_scale(1024)),
    SpectrumFeatures(2048, 256, 80, bands="mel", compression="none"),
    SamplesFeatures(),
    PitchLoudnessFeatures(hop=240, delay_samples=480, f0_min_hz=60.0, f0_max_hz=1400.0),
]
COMPRESSIONS = ["none", "log1p", "log_unit"]


def spectrum_features(**changes: object) -> SpectrumFeatures:
    """Ordinary features with some fields changed."""
    return from_json({"kind": "spectrum", "n_fft": 1024, "hop": 256, "bins": 513, **changes}, "a test")  # type: ignore[return-value]


@pytest.mark.parametrize("features", EVERY_KIND, ids=str)
def test_features_survive_json(features: Features) -> None:
    """Features written to JSON text and read again are equal to the first."""
    assert from_json(json.loads(json.dumps(to_json(features))), "a test") == features


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], ["list", "object"]),
        ({}, ["None", "spectrum, samples, pitch_loudness"]),
        ({"kind": ["spectrum"]}, ["kind"]),
        ({"kind": "cqt"}, ["cqt"]),
        ({"kind": "samples", "hop": 3, "gain": 1}, ["'hop', 'gain'", "samples"]),
        ({"kind": "spectrum", "n_fft": 1024}, ["hop, bins"]),
        ({"kind": "spectrum", "n_fft": 1023, "hop": 256, "bins": 5}, ["n_fft", "1023", "even"]),
        ({"kind": "spectrum", "n_fft": 1024.0, "hop": 256, "bins": 5}, ["n_fft", "1024.0", "whole"]),
        ({"kind": "spectrum", "n_fft": 1 << 40, "hop": 256, "bins": 5}, ["n_fft", "65536"]),
        ({"kind": "spectrum", "n_fft": 1024, "hop": 300, "bins": 5}, ["hop", "300", "divide"]),
        ({"kind": "spectrum", "n_fft": 1024, "hop": 1024, "bins": 5}, ["hop", "twice"]),
        ({"kind": "spectrum", "n_fft": 1024, "hop": True, "bins": 5}, ["hop", "True"]),
        ({"kind": "spectrum", "n_fft": 1024, "hop": 256, "bins": 514}, ["bins", "514", "513"]),
        ({"kind": "spectrum", "n_fft": 1024, "hop": 256, "bins": 5, "bands": "bark"}, ["bark", "linear, mel"]),
        ({"kind": "spectrum", "n_fft": 1024, "hop": 256, "bins": 5, "compression": []}, ["compression"]),
        ({"kind": "spectrum", "n_fft": 1024, "hop": 256, "bins": 5, "scale": float("nan")}, ["scale", "nan"]),
        ({"kind": "spectrum", "n_fft": 1024, "hop": 256, "bins": 5, "scale": 0}, ["scale", "above 0"]),
        (
            {"kind": "pitch_loudness", "hop": 240, "delay_samples": 0, "f0_min_hz": 900.0, "f0_max_hz": 60.0},
            ["900.0 to 60.0", "rise"],
        ),
    ],
)
def test_wrong_features_are_refused_by_name(data: object, words: list[str]) -> None:
    """Each wrong field gets one sentence that names the place, the field and what was expected."""
    with pytest.raises(PackageError) as refusal:
        from_json(data, "input of manifest.json")
    sentence = str(refusal.value)
    for word in ["input of manifest.json", *words]:
        assert word in sentence
    assert sentence.endswith(".")


@given(
    data=st.dictionaries(
        st.sampled_from(["kind", "n_fft", "hop", "bins", "bands", "compression", "scale", "f0_min_hz", "other"]),
        st.one_of(
            st.sampled_from(["spectrum", "samples", "pitch_loudness", "mel"]), st.integers(), st.floats(), st.none()
        ),
    )
)
def test_any_json_gives_features_or_a_sentence(data: dict[str, object]) -> None:
    """Whatever stands in a manifest, reading gives valid features or a PackageError, nothing else."""
    try:
        features = from_json(data, "input")
    except PackageError:
        return
    assert from_json(to_json(features), "input") == features


def test_hop_counts_samples() -> None:
    """A frame is a hop long; plain samples are frames of one sample."""
    assert [hop_of(features) for features in EVERY_KIND] == [256, 256, 1, 240]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("scale", [1.0, unit_scale(1024)])
def test_expansion_inverts_compression(compression: str, scale: float) -> None:
    """Magnitudes from the smallest step of 16-bit sound to full scale come back to a thousandth of a decibel or so."""
    features = spectrum_features(compression=compression, scale=scale)
    magnitude = (np.geomspace(2.0**-16, 1.0, 500) / scale).astype(np.float32)
    back = expand(compress(magnitude, features), features)
    np.testing.assert_allclose(back, magnitude, rtol=2e-2 if compression == "log1p" else 1e-4)
    assert expand(compress(np.zeros(3, np.float32), features), features).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_compression_works_in_place(compression: str) -> None:
    """Writing over the argument gives the same values as a new array."""
    features = spectrum_features(compression=compression)
    magnitude = np.linspace(0, 3, 50, dtype=np.float32)
    fresh = compress(magnitude, features)
    inside = magnitude.copy()
    assert compress(inside, features, out=inside) is inside
    np.testing.assert_array_equal(inside, fresh)
    np.testing.assert_array_equal(expand(inside, features, out=inside), expand(fresh, features))


def test_log_unit_is_document_p() -> None:
    """log_unit spans −1 at silence to +1 at magnitude 1, by the formula of the document that it comes from."""
    features = spectrum_features(compression="log_unit")
    magnitude = np.array([0.0, 2.0**-16, 0.01, 1.0], np.float32)
    amin = 1 / 2**16
    expected = 2 * (20 * np.log1p(magnitude / amin)) / (20 * np.log1p(1 / amin)) - 1
    np.testing.assert_allclose(compress(magnitude, features), expected, atol=1e-6)
    np.testing.assert_allclose(compress(magnitude, features)[[0, -1]], [-1.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_wild_network_output_stays_finite(compression: str) -> None:
    """Values far outside the network's range expand to finite magnitudes that are not negative, without a warning."""
    features = spectrum_features(compression=compression)
    magnitude = expand(np.array([-1e30, -3, 50, 1e30], np.float32), features)
    assert np.isfinite(magnitude).all()
    assert (magnitude >= 0).all()


def test_full_scale_sine_is_one() -> None:
    """With unit_scale the peak bin of a full-scale sine on a bin has magnitude 1."""
    sine = np.sin(2 * np.pi * 32 * np.arange(1024) / 1024)
    magnitude = np.abs(np.fft.rfft(sine * window(1024))) * unit_scale(1024)
    assert magnitude.max() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("n_fft", "sample_rate", "bands"), [(1024, 16000, 40), (2048, 48000, 128), (4096, 44100, 229)])
def test_mel_bands_are_librosas(n_fft: int, sample_rate: int, bands: int) -> None:
    """The mel matrix is librosa's with the HTK scale and no normalisation."""
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=bands, htk=True, norm=None)
    np.testing.assert_allclose(mel_matrix(n_fft, sample_rate, bands), expected, atol=2e-6)


def test_linear_bands_drop_the_top() -> None:
    """Folding keeps the first bins as they are; unfolding puts zeros above them."""
    bands = Bands(spectrum_features(bins=500), 48000)
    magnitude = np.arange(513, dtype=np.float32)
    folded = bands.fold(magnitude)
    np.testing.assert_array_equal(folded, magnitude[:500])
    back = bands.unfold(folded)
    np.testing.assert_array_equal(back[:500], magnitude[:500])
    assert not back[500:].any()


def test_mel_bands_return_what_they_hold() -> None:
    """Unfolded mel bands are magnitudes, never negative, that fold to nearly the same bands again."""
    bands = Bands(spectrum_features(bands="mel", bins=40), 16000)
    magnitude = np.abs(np.random.default_rng(0).standard_normal((513, 7))).astype(np.float32)
    folded = bands.fold(magnitude)
    assert folded.shape == (40, 7)
    back = bands.unfold(folded)
    assert (back >= 0).all()
    assert np.linalg.norm(bands.fold(back) - folded) < 0.05 * np.linalg.norm(folded)
    np.testing.assert_allclose(bands.fold(magnitude[:, 3], out=np.empty(40, np.float32)), folded[:, 3], rtol=1e-5)


def test_empty_mel_bands_are_refused() -> None:
    """Mel bands too narrow to hold a bin are refused with their number."""
    with pytest.raises(ConfigError, match=r"\d+ of 200 mel bands are narrower than a bin of n_fft 1024 at 48000 Hz"):
        Bands(spectrum_features(bands="mel", bins=200), 48000)
