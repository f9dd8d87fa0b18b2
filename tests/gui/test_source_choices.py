"""What the Source panel offers and advises, as pure values: devices, latency, MIDI, the level."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gui.source import midi_wishes, offers
from gui.source.level_advice import LevelWatch
from gui.source.sound_file import clock, example_words
from realtime.audio_io import Device
from realtime.messages import MidiSettings, StreamSettings
from realtime.midi.midi_map import Binding, MidiMap
from realtime.midi.source import SourceSettings

JACK = "JACK Audio Connection Kit"


def device(name: str, api: str = "ALSA", inputs: int = 2, outputs: int = 2, *, default: bool = False) -> Device:
    """A sound card that runs at 48 kHz and takes 3 ms in and 5 ms out."""
    return Device(name, api, inputs, outputs, 48_000, 3.0, 5.0, default, default, 0)


CARDS = [device("system", JACK, default=True), device("Scarlett 2i2"), device("Built-in", default=True)]
WANTED = StreamSettings("voice", host_api="ALSA", input="Scarlett", output="Volt 1")


def test_a_device_that_is_gone_stays_in_the_list() -> None:
    """A wanted device that is not there is offered as not connected, and one that is there is not."""
    outputs = offers.device_offers(CARDS, WANTED, None, "output")
    gone = [offer for offer in outputs if not offer.connected]
    assert [(offer.words, offer.value) for offer in gone] == [("Volt 1 (not connected)", "Volt 1")]
    assert all(offer.connected for offer in offers.device_offers(CARDS, WANTED, None, "input"))
    assert offers.missing(CARDS, WANTED, None) == ["Volt 1"]
    assert all(offer.connected for offer in offers.device_offers([], WANTED, None, "output", known=False))
    assert offers.chosen_value(CARDS, WANTED, "input", "ALSA") == "Scarlett 2i2"


def test_devices_come_from_the_chosen_host_api_alone() -> None:
    """One stream runs on one host API, so only its devices are offered; the default is named."""
    found = offers.device_offers(CARDS, WANTED, None, "input")
    assert [offer.value for offer in found] == [None, "Scarlett 2i2", "Built-in"]
    assert "Built-in" in found[0].words


def test_every_block_says_how_long_it_is() -> None:
    """A block's duration is its samples over the rate."""
    words = {offer.value: offer.words for offer in offers.block_offers(WANTED, 48_000)}
    assert "2.7 ms" in words[128]
    assert "43 ms" in words[2048]
    assert 100 in [offer.value for offer in offers.block_offers(replace(WANTED, block=100), 48_000)]


def test_a_long_block_is_advised_against() -> None:
    """The latency of the card is named, with what would make it shorter."""
    settings = replace(WANTED, output="Scarlett 2i2", block=1024)
    told = offers.latency_words(settings, CARDS[1], CARDS[1], None)
    assert "26 ms" in told
    assert "128" in told
    assert "period" in offers.latency_words(settings, CARDS[0], CARDS[0], None)


def test_a_channel_that_the_device_lacks_is_said() -> None:
    """A wanted channel beyond those of the device is offered as not there."""
    found = offers.channel_offers(CARDS[1], "input", 4)
    assert [offer.value for offer in found] == [1, 2, 4]
    assert not found[-1].connected


@pytest.mark.parametrize("chosen", [("keyboard", ""), ("port", "Keys"), ("virtual", "Retimbre"), ("file", "a.mid")])
def test_midi_comes_from_one_place(chosen: midi_wishes.Chosen) -> None:
    """Whatever was the input before, the chosen one alone is it afterwards, and notes play what they did."""
    before = MidiSettings(port="Old", source=SourceSettings("oscillator"), map=MidiMap())
    after = midi_wishes.with_input(before, chosen, loop=True)
    assert midi_wishes.input_of(after) == chosen
    assert after.source == before.source
    assert after.loop == (chosen[0] == "file")


def test_knobs_outlive_the_notes() -> None:
    """With the sound card as input a port still turns knobs, but the on-screen keyboard has nothing to do."""
    bindings = MidiMap({(None, 7): Binding.over("mix")})
    port = MidiSettings(port="Keys", source=SourceSettings(), mixed=True, map=bindings)
    silent = midi_wishes.without_notes(port)
    assert silent == MidiSettings(port="Keys", map=bindings)
    assert midi_wishes.without_notes(MidiSettings(keyboard=True, source=SourceSettings())) is None


def test_a_port_that_is_gone_stays_in_the_list() -> None:
    """A wanted port that is not plugged in is offered as not connected; a part of a name finds the port."""
    wanted = MidiSettings(port="Keystation")
    gone = midi_wishes.input_offers(["nanoKONTROL2"], wanted)
    assert [offer.value for offer in gone if not offer.connected] == [("port", "Keystation")]
    there = midi_wishes.input_offers(["Keystation 49 MK3"], wanted)
    assert all(offer.connected for offer in there)
    assert ("port", "Keystation") in [offer.value for offer in there]


def test_a_binding_reads_as_words() -> None:
    """The table names control, channel, controller and range."""
    bindings = MidiMap(
        {(3, 20): Binding("input_gain_db", -6.0, 6.0, takeover=True), (None, 7): Binding.over("bypass", flip=True)}
    )
    rows = midi_wishes.binding_rows(bindings)
    assert rows[0] == ("bypass", "Bypass", "any", "CC 7", "flips")
    assert rows[1] == ("input_gain_db", "Input gain", "3", "CC 20", "−6 to 6, picks up")


@pytest.mark.parametrize(
    ("peaks", "verdict"),
    [([0.0] * 90, "silent"), ([0.005] * 90, "quiet"), ([0.3] * 3, "good"), ([0.3, 1.0, 0.3], "clipping")],
)
def test_the_level_is_judged(peaks: list[float], verdict: str) -> None:
    """Silence and quiet are said once they last, good and too loud at once, each fault with a step to take."""
    watch = LevelWatch()
    for place, peak in enumerate(peaks):
        watch.push(peak, 100.0 + place / 30)
    advice = watch.advice("card")
    assert advice.verdict == verdict
    assert bool(advice.text) == (verdict != "good")


def test_silence_is_not_said_too_early() -> None:
    """A player who has just opened the panel is not told at once that nothing arrives."""
    watch = LevelWatch()
    watch.push(0.0, 5.0)
    assert watch.advice().verdict == "waiting"


def test_names_and_times_of_files_read_well() -> None:
    """An example's file name becomes a title, seconds become a clock."""
    assert example_words(Path("greensleeves-oboe.flac")) == "Greensleeves (oboe)"
    assert clock(75.9) == "1:15"
