from __future__ import annotations

import multiprocessing
import platform
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.plugins.bell import Bell
from realtime.plugins.plugin import Parameter, PluginInfo
from realtime.plugins.rack_node import MOST_FAULTS, Node, is_doubled, spread, width_after
from realtime.plugins.wet_dry import WetDry
from tests.realtime.plugin_parts import FloatArray, delayed, noise

FADE = 50


def tone(channels: int, frames: int) -> FloatArray:
    """A slow sine, whose samples differ by 0.02 at most."""
    one = np.sin(0.02 * np.arange(frames, dtype=np.float32)).astype(np.float32)
    return np.tile(one, (channels, 1))


def test_wet_alone_and_dry_alone_pass_unchanged() -> None:
    """What has settled is bit-equal to the one sound that is heard."""
    wet, dry, out = noise(2, 300), tone(2, 300), np.zeros((2, 300), np.float32)
    mix = WetDry(2, FADE, 300)
    mix.mix(wet, dry, out)
    np.testing.assert_array_equal(out, wet)
    mix.mix(wet, dry, out, want_wet=False)
    mix.mix(wet, dry, out, want_wet=False)
    np.testing.assert_array_equal(out, dry)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 130), st.sampled_from(["wet", "dry", "lost"])), min_size=2, max_size=25))
def test_no_order_of_losses_and_returns_clicks(blocks: list[tuple[int, str]]) -> None:
    """Between neighbouring samples the output never jumps by more than its two sounds and the walk allow."""
    total = sum(frames for frames, _ in blocks)
    dry, wet = tone(1, total), (0.8 - tone(1, total)).astype(np.float32)
    mix, out, begin = WetDry(1, FADE, 130), np.zeros((1, total), np.float32), 0
    for frames, what in blocks:
        part = slice(begin, begin + frames)
        mix.mix(None if what == "lost" else wet[:, part], dry[:, part], out[:, part], want_wet=what != "dry")
        begin += frames
    first = blocks[0][0] if blocks[0][1] == "lost" else 0  # before the first block there was nothing to go on from
    # Both sounds move by 0.02 a sample, and the walk crosses the 2.8 between them in FADE samples.
    assert np.abs(np.diff(out[0, first:])).max(initial=0.0) <= 0.04 + 2.8 / FADE


@pytest.mark.parametrize("block", [16, 64, 500])
def test_a_wet_sound_that_is_lost_gives_way_to_the_dry_and_comes_back(block: int) -> None:
    """After one walk the dry sound is heard bit-equal, and after the return and one walk the wet."""
    wet, dry, out = noise(1, 3000), tone(1, 3000), np.zeros((1, 3000), np.float32)
    mix = WetDry(1, FADE, block)
    for begin in range(0, 3000, block):
        part = slice(begin, begin + block)
        lost = 1000 <= begin < 2000
        mix.mix(None if lost else wet[:, part], dry[:, part], out[:, part])
    np.testing.assert_array_equal(out[:, :1000], wet[:, :1000])
    np.testing.assert_array_equal(out[:, 1500 + FADE : 2000], dry[:, 1500 + FADE : 2000])
    np.testing.assert_array_equal(out[:, 2500 + 2 * FADE :], wet[:, 2500 + 2 * FADE :])


class Times:
    """A plugin that multiplies by its knob, later by `latency_samples`, or gives what is no number."""

    def __init__(self, inputs: int, outputs: int, latency: int = 0) -> None:
        knob = Parameter("gain", "Gain", 0.0, 2.0, 1.0)
        self.info = PluginInfo("test:times", "Times", "test", inputs=inputs, outputs=outputs, parameters=(knob,))
        self.latency_samples = latency
        self.gain, self.broken, self.resets = 1.0, False, 0
        self.past = np.zeros((outputs, latency), np.float32)

    def values(self) -> list[float]:
        """Its only knob."""
        return [self.gain]

    def set_value(self, place: int, value: float) -> None:
        """Turn it."""
        self.gain = value

    def run(self, inputs: FloatArray, outputs: FloatArray) -> None:
        """Multiply."""
        made = np.zeros_like(outputs)
        spread(inputs, made) if self.info.inputs >= self.info.outputs else np.copyto(made, inputs)
        whole = np.concatenate((self.past, made * np.float32(np.nan if self.broken else self.gain)), axis=1)
        outputs[:] = whole[:, : outputs.shape[1]]
        self.past = whole[:, outputs.shape[1] :]

    def reset(self) -> None:
        """Count that it was told to forget."""
        self.resets += 1
        self.past[:] = 0.0

    def close(self) -> None:
        """Fail: its maker closes it."""
        raise AssertionError("a node does not own its plugins")


def node(plugins: list[Times], width: int, widest: int, latency: int = 0, *, bypass: bool = False) -> Node:
    """A node as a rack makes it."""
    after = width_after(width, widest, plugins[0].info.outputs)
    return Node(plugins, widths=(width, after), latency_samples=latency, rate_hz=48000, longest=4096, bypass=bypass)


def ignore(_running: bool) -> None:
    """Nobody asks who runs."""


@pytest.mark.parametrize(
    ("width", "widest", "inputs", "outputs", "wanted"),
    [
        (1, 1, 1, 1, [[1.0, 0.0]]),
        (1, 1, 2, 2, [[0.5, 0.0], [0.5, 0.0]]),
        (1, 1, 1, 2, [[0.5, 0.0], [0.5, 0.0]]),
        (1, 1, 2, 1, [[0.5, 0.0], [0.5, 0.0]]),
        (1, 2, 1, 1, [[1.0, 0.0]]),
        (1, 2, 2, 2, [[1.0, 0.0], [1.0, 0.0]]),
        (1, 2, 1, 2, [[1.0, 0.0], [1.0, 0.0]]),
        (2, 2, 2, 2, [[1.0, 0.0], [0.0, 1.0]]),
        (2, 2, 1, 2, [[0.5, 0.5], [0.5, 0.5]]),
        (2, 2, 2, 1, [[0.5, 0.5], [0.5, 0.5]]),
        (2, 2, 4, 4, [[1.0, 0.0], [0.0, 1.0]]),
    ],
)
def test_any_plugin_fits_any_width(width: int, widest: int, inputs: int, outputs: int, wanted: FloatArray) -> None:
    """What each channel of the rack gives to each behind a plugin is a table of weights."""
    sound = noise(width, 100)
    made = node([Times(inputs, outputs)], width, widest).process(sound, ignore)
    weights = np.asarray(wanted, np.float32)[:, :width]
    expected = weights @ sound if weights.shape[0] == made.shape[0] else weights[:1] @ sound * 2
    np.testing.assert_allclose(made, expected if width == 2 or widest == 2 else sound, atol=1e-6)


def test_a_mono_plugin_runs_once_a_side_in_stereo() -> None:
    """Two instances keep the sides apart, and a knob moves both."""
    assert is_doubled(2, 1, 1)
    assert not is_doubled(1, 1, 1)
    pair = [Times(1, 1), Times(1, 1)]
    place = node(pair, 2, 2)
    place.aim(np.array([0.5]))
    sound = noise(2, 4096)
    made = place.process(sound, ignore)
    np.testing.assert_array_equal(made[:, 2000:], 0.5 * sound[:, 2000:])
    assert pair[0].gain == pair[1].gain == 0.5


def test_a_knob_walks_and_arrives() -> None:
    """A number reaches its goal within 20 ms in small steps, whatever the block size."""
    for block in (1, 64, 100, 2000):
        place = node([Times(1, 1)], 1, 1)
        ones = np.ones((1, 2000), np.float32)
        place.process(ones[:, :block], ignore)
        place.aim(np.array([0.0]))
        out = np.concatenate([place.process(ones[:, :block], ignore).copy() for _ in range(2000 // block)], axis=1)[0]
        assert (out[960:] == 0.0).all()
        assert np.abs(np.diff(out)).max() < 0.15


def test_bypass_is_compensated_and_does_not_click() -> None:
    """By-passed, the sound comes as late as through the plugin, and the change jumps by nothing to speak of."""
    place = node([Times(1, 1, latency=100)], 1, 1, latency=100)
    place.aim(np.array([0.0]))
    sound = tone(1, 6000)
    parts = []
    for begin in range(0, 6000, 60):
        place.bypass = 2000 <= begin < 4000
        parts.append(place.process(sound[:, begin : begin + 60], ignore).copy())
    out = np.concatenate(parts, axis=1)
    late = delayed(sound, 100)
    assert (out[:, 1100:1980] == 0.0).all()
    np.testing.assert_array_equal(out[:, 3000:3960], late[:, 3000:3960])
    assert (out[:, 5000:] == 0.0).all()
    assert np.abs(np.diff(out[0, 1100:])).max() < 0.05


def test_what_is_no_number_never_leaves_the_place() -> None:
    """A block of NaN is replaced by the input and the plugin made to forget; after three the place stays dry."""
    plugin = Times(1, 1)
    place = node([plugin], 1, 1)
    sound = tone(1, 2000)
    for times in range(1, 6):
        plugin.broken = True
        made = place.process(sound, ignore).copy()
        assert np.isfinite(made).all()
        plugin.broken = False
        assert place.faults == plugin.resets == min(times, MOST_FAULTS)
        place.process(sound, ignore)
    plugin.gain = 0.0
    np.testing.assert_array_equal(place.process(sound, ignore), sound)


def test_a_bell_waits_no_longer_than_told_and_knows_when_nobody_holds_it() -> None:
    """A ring is heard, silence ends the wait, and the end of the other side is noticed from both ends."""
    ear, hand = (Bell(end) for end in multiprocessing.get_context("spawn").Pipe(duplex=False))
    assert not ear.wait(0.01)
    for _ in range(100_000):  # more than a pipe holds: ringing never blocks
        hand.ring()
    assert ear.wait(0.0)
    while ear.wait(0.0):
        pass
    seen = [ear.held]
    hand.close()
    began = time.monotonic()
    assert not ear.wait(60.0)
    assert time.monotonic() - began < 30.0
    assert [*seen, ear.held] == [True, False]
    ear, hand = (Bell(end) for end in multiprocessing.get_context("spawn").Pipe(duplex=False))
    ear.close()
    hand.ring()
    assert not hand.held


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="only these registers are known")
def test_tiny_numbers_become_zero_where_the_processor_is_told() -> None:
    """After `flush_denormals` a product too small for a normal number is 0, which it was not before."""
    code = (
        "import numpy as np\n"
        "from realtime.plugins.rack_process import flush_denormals\n"
        "small = np.full(8, 1e-38, np.float32)\n"
        "before = bool((small * np.float32(0.1)).max() > 0)\n"
        "print(flush_denormals(), before, (small * np.float32(0.1)).max())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["True", "True", "0.0"]
