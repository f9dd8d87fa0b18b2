"""Sound files read for the player: what is refused, what is kept, and what plays meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime import file_deck
from realtime.errors import AudioFileError
from realtime.file_deck import FileDeck, read_sound
from realtime.messages import Event, PlayedFile
from realtime.playback import Playback, Voice

RATE = 48000


def tone(path: Path, seconds: float = 0.5, rate: int = RATE, channels: int = 1, level: float = 0.25) -> Path:
    sound = level * np.sin(2 * np.pi * 480 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, np.stack([sound] * channels, axis=1), rate)
    return path


@pytest.fixture
def deck() -> FileDeck:
    """A deck that plays into a playback."""
    one = FileDeck()
    one.join(Playback(), RATE)
    return one


def playback(deck: FileDeck) -> Playback:
    assert deck._playback is not None
    return deck._playback


def until_read(deck: FileDeck) -> list[Event]:
    told: list[Event] = []
    deadline = time.monotonic() + 20
    while (deck._wanted is not None or deck._loading is not None) and time.monotonic() < deadline:
        told += deck.tick()
        time.sleep(0.002)
    assert deck._wanted is None and deck._loading is None
    return told


def heard(deck: FileDeck) -> Voice:
    voice = playback(deck).asked
    assert voice is not None
    return voice


@pytest.mark.parametrize(("name", "rate", "channels"), [("a.wav", 44100, 2), ("a.flac", 96000, 1), ("a.mp3", 44100, 2)])
def test_a_file_is_read_at_the_devices_rate(tmp_path: Path, name: str, rate: int, channels: int) -> None:
    """Whatever its rate, a file's sound lies at the device's rate in its place, with its channels."""
    _, sound = read_sound(tone(tmp_path / name, 1.0, rate, channels), RATE)
    assert sound.samples.shape[0] == channels
    expected = 0.25 * np.sin(2 * np.pi * 480 * np.arange(RATE) / RATE)
    middle = slice(RATE // 4, 3 * RATE // 4)
    assert sound.samples.shape[1] == pytest.approx(RATE, abs=0.06 * RATE)  # an mp3's encoder adds its delay
    if name != "a.mp3":
        np.testing.assert_allclose(sound.samples[0, middle], expected[middle], atol=1e-3)
    assert np.abs(sound.samples[0, middle]).max() == pytest.approx(0.25, abs=0.02)


def test_what_cannot_be_read_is_told_and_the_other_plays_on(deck: FileDeck, tmp_path: Path) -> None:
    """A file that is missing or no sound is refused with its sentence, and what played before is not touched."""
    deck.play(PlayedFile(tone(tmp_path / "a.wav"), loop=True))
    assert until_read(deck) == []
    before = heard(deck)
    (tmp_path / "b.wav").write_text("no sound")
    for name, words in (("b.wav", "cannot be read as sound"), ("c.wav", "does not exist")):
        deck.play(PlayedFile(tmp_path / name))
        told = until_read(deck)
        assert [(event.kind, event.value) for event in told] == [("refused", "file")]
        assert words in told[0].sentence
        assert heard(deck) is before


def test_a_file_that_is_too_long_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would not fit into memory is refused with its length and the limit, before it is decoded."""
    path = tone(tmp_path / "a.wav", 2.0, channels=2)
    monkeypatch.setattr(file_deck, "LARGEST_BYTES", 8 * RATE)
    monkeypatch.setattr(file_deck, "read_audio", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(AudioFileError, match=r"lasts 0 minutes with 2 channels, but at most 0 of those fit"):
        read_sound(path, RATE)


def test_switching_back_needs_no_reading(deck: FileDeck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was heard a moment ago plays again at once; one that has changed since is read anew."""
    first, second = tone(tmp_path / "a.wav"), tone(tmp_path / "b.wav")
    for path in (first, second):
        deck.play(PlayedFile(path))
        until_read(deck)
    sound = heard(deck).sound
    deck.play(PlayedFile(first))
    deck.tick()
    assert heard(deck).sound.path == first and deck._loading is None
    deck.play(PlayedFile(second))
    deck.tick()
    assert heard(deck).sound is sound
    tone(second, 1.0)
    deck.play(PlayedFile(second))
    until_read(deck)
    assert heard(deck).sound.length == RATE


def test_what_is_kept_is_bounded_and_forgotten(deck: FileDeck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were heard stay in memory up to the limit only, and not for long after nothing plays."""
    monkeypatch.setattr(file_deck, "LARGEST_BYTES", 4 * RATE + 1000)
    for name in ("a.wav", "b.wav", "c.wav"):
        deck.play(PlayedFile(tone(tmp_path / name)))
        until_read(deck)
    assert [key[0].name for key in deck._shelf] == ["b.wav", "c.wav"]
    deck.play(None)
    monkeypatch.setattr(file_deck, "_KEPT_S", 0.0)
    deck.tick()
    assert not deck._shelf


def test_of_many_wishes_the_last_counts(deck: FileDeck, tmp_path: Path) -> None:
    """A wish that comes while another file is read replaces it, and an end asked for meanwhile is an end."""
    first, second = tone(tmp_path / "a.wav", 20.0), tone(tmp_path / "b.wav")
    deck.play(PlayedFile(first))
    deck.tick()
    deck.play(PlayedFile(second))
    until_read(deck)
    assert heard(deck).sound.path == second
    deck.play(PlayedFile(tone(tmp_path / "c.wav", 20.0)))
    deck.tick()
    deck.play(None)
    assert until_read(deck) == []
    assert playback(deck).asked is None


def test_an_end_is_told_once(deck: FileDeck, tmp_path: Path) -> None:
    """A file that has come to its end is told with its path, and not when another was asked for meanwhile."""
    path = tone(tmp_path / "a.wav", 0.1)
    outs = np.zeros((2, 4096), np.float32)

    def play_out() -> None:
        for _ in range(4):
            playback(deck).begin()
            playback(deck).to_output(outs, 1, 2)
            playback(deck).end()

    deck.play(PlayedFile(path, "output"))
    until_read(deck)
    play_out()
    assert [(event.kind, event.value) for event in deck.tick()] == [("file", path)]
    assert deck.tick() == []
    deck.play(PlayedFile(path, "output"))
    until_read(deck)
    play_out()
    deck.play(PlayedFile(path, "output"))
    assert deck.tick() == []


def test_another_file_at_the_same_place_is_meant_in_step(deck: FileDeck, tmp_path: Path) -> None:
    """Asked for near where another plays, a file begins exactly there; elsewhere, and itself, where it is told."""
    first, second = tone(tmp_path / "a.wav", 3.0), tone(tmp_path / "b.wav", 3.0)
    deck.play(PlayedFile(first, "output", from_s=1.0))
    until_read(deck)
    playback(deck).begin()
    for path, from_s, place_s in ((second, 1.1, 1.0), (first, 2.0, 2.0), (first, 2.1, 2.1)):
        deck.play(PlayedFile(path, "output", from_s=from_s))
        until_read(deck)
        while playback(deck).heard is not playback(deck).asked:
            playback(deck).to_output(np.zeros((2, 0), np.float32), 1, 2)
            leaving = playback(deck)._leaving
            if leaving is not None:
                leaving.gain.jump(0.0)
            playback(deck).end()
            playback(deck).begin()
        assert heard(deck).place == round(place_s * RATE)
