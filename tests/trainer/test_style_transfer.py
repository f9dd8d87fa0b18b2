from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from realtime.audio_file import AudioFile
from realtime.errors import AudioFileError
from realtime.methods import Opening, checked
from trainer.methods import RANDOM_CNN
from trainer.style_transfer import StyleTransfer, TransferSettings, gram

Audio = NDArray[np.float32]
RATE = 8000
SMALL = TransferSettings(iterations=10, filters=24, width=3, rate=RATE, clip_seconds=4.0)


def tone(f0_hz: float, tilt: float, seconds: float = 1.0, rate: int = RATE) -> Audio:
    """A harmonic tone whose k-th harmonic has the amplitude k^-tilt, with an attack after 0.2 s."""
    t = np.arange(round(seconds * rate)) / rate
    waves = [np.sin(2 * np.pi * f0_hz * k * t) * k**-tilt for k in range(1, 8)]
    signal: Audio = (0.1 * np.sum(waves, axis=0) * (t > 0.2)).astype(np.float32)
    return signal


@pytest.fixture(scope="module")
def bright() -> StyleTransfer:
    return StyleTransfer(tone(300, 0.2), RATE, SMALL)


def test_the_style_comes_nearer_than_it_costs(bright: StyleTransfer) -> None:
    """Optimising takes more than half of the style's distance away and lowers the loss; magnitudes stay positive."""
    content = bright._spectrum(tone(200, 3.0))
    before, made = bright.losses(content, content), bright.optimise(content)
    after = bright.losses(made, content)
    assert before.content == 0.0
    assert after.style < 0.5 * before.style
    assert after.content + SMALL.style_weight * after.style < 0.8 * SMALL.style_weight * before.style
    assert float(made.min()) >= 0.0


def test_more_weight_brings_the_style_nearer() -> None:
    """Weight 0 gives the content itself; each larger weight ends nearer to the style and farther from the content."""
    found = []
    for weight in (0.0, 1.0, 100.0):
        transfer = StyleTransfer(tone(300, 0.2), RATE, TransferSettings(weight, 10, 24, 3, RATE))
        content = transfer._spectrum(tone(200, 3.0))
        made = transfer.optimise(content)
        found.append(transfer.losses(made, content))
        if weight == 0.0:
            assert torch.allclose(made, content, atol=1e-5)
    assert found[0].style > found[1].style > found[2].style
    assert found[0].content < found[1].content < found[2].content


def test_gram_is_the_mean_product_of_filters() -> None:
    """G[i, j] is the mean over frames of filter i times filter j, whatever the length."""
    features = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    assert torch.equal(gram(features), torch.tensor([[2.5, 3.0], [3.0, 4.5]]))
    assert torch.allclose(gram(features.repeat(1, 5)), gram(features))


def test_the_result_lies_on_the_input(bright: StyleTransfer) -> None:
    """At another rate the result is as long as the input, its attack within 10 ms, and progress ends at 1."""
    signal, heard = tone(200, 3.0, 1.2, 11_025), list[float]()
    made = bright(signal, 11_025, heard.append)
    assert made.shape == signal.shape and made.dtype == np.float32
    power = np.convolve(made**2, np.ones(110) / 110, "same")
    attack = int(np.argmax(power > 0.25 * np.median(power[5000:]))) / 11_025
    assert attack == pytest.approx(0.2, abs=0.05)  # a frame of 2048 samples at 8 kHz is 0.26 s long
    assert sum(heard) == pytest.approx(0.9 * 1.2, rel=1e-3)
    again = bright(signal, 11_025)
    assert np.array_equal(made, again)


def test_silence_stays_silence_and_has_no_style(bright: StyleTransfer) -> None:
    """A silent file comes out silent; a silent style is refused with a sentence."""
    assert not bright(np.zeros(900, np.float32), RATE).any()
    with pytest.raises(AudioFileError, match="The style is silent"):
        StyleTransfer(np.zeros(900, np.float32), RATE, SMALL)


def test_long_clips_are_optimised_in_overlapping_pieces(bright: StyleTransfer) -> None:
    """Pieces cover every frame, none is longer than a clip may be, and neighbours share frames to crossfade."""
    longest = round(SMALL.clip_seconds * RATE / 512)
    for frames in (1, longest, longest + 1, 5 * longest):
        pieces = bright._pieces(frames)
        assert pieces[0][0] == 0 and pieces[-1][1] == frames
        assert all(last - first <= longest for first, last in pieces)
        assert all(a[1] - b[0] == 16 for a, b in itertools.pairwise(pieces))


def test_pieces_of_a_sound_are_joined_without_a_seam() -> None:
    """With no style, a sound in five pieces is the sound in one."""
    settings = TransferSettings(0.0, 1, 4, 3, RATE, clip_seconds=2.1)
    transfer = StyleTransfer(tone(300, 0.2), RATE, settings)
    signal = tone(200, 1.0, 3.5)
    assert len(transfer._pieces(transfer._spectrum(signal).shape[1])) > 1
    whole = StyleTransfer(tone(300, 0.2), RATE, TransferSettings(0.0, 1, 4, 3, RATE, clip_seconds=60.0))
    assert transfer(signal, RATE) == pytest.approx(whole(signal, RATE), abs=1e-3)


def test_convert_offers_it_with_settings_in_their_ranges() -> None:
    """The method opens with small settings, its defaults lie in their ranges, and naming it imports no torch."""
    defaults = {option.name: option.default for option in RANDOM_CNN.options}
    assert checked("random-cnn", RANDOM_CNN.options, defaults) == defaults
    small = {**defaults, "iterations": 1.0, "filters": 4.0, "rate": 8000.0, "width": 3.0}
    effect = RANDOM_CNN.open(Opening(small, style=AudioFile(tone(300, 0.2)[None], RATE)))
    assert effect(tone(200, 1.0), RATE, lambda _: None).shape == (RATE,)
    told = subprocess.run(
        [sys.executable, "-c", "import sys, trainer.methods; print('torch' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == "False"
