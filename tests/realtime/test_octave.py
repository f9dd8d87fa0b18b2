from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.octave import OctaveChooser, blended_range

RATE = 375.0


def play(chooser: OctaveChooser, pitches_hz: list[float], seconds: float, rest: float = 0.0) -> list[int]:
    """Notes of that length, with rests after them; the octaves added in every voiced frame."""
    octaves = []
    for pitch in pitches_hz:
        octaves += [chooser.push(pitch, 0.95, -20.0) for _ in range(round(seconds * RATE))]
        for _ in range(round(rest * RATE)):
            chooser.push(pitch, 0.0, -90.0)
    return octaves


def chooser_for(low_hz: float, high_hz: float, transpose: float = 0.0) -> OctaveChooser:
    """A chooser that aims at a range."""
    chooser = OctaveChooser(RATE)
    chooser.aim(low_hz, high_hz, transpose)
    return chooser


@given(pitch=st.floats(30.0, 4000.0), low=st.floats(60.0, 800.0), width=st.floats(1.0, 4.0))
def test_first_note_lands_in_a_range_that_holds_an_octave(pitch: float, low: float, width: float) -> None:
    """From the first frame on, a note sounds in the target's range if any octave of it does, or as near as can be."""
    high = low * 2.0**width
    octaves = play(chooser_for(low, high), [pitch], 0.2)
    assert len(set(octaves)) == 1
    reach = range(-4, 5)
    if any(low <= pitch * 2.0**k <= high for k in reach):
        assert low * 0.999 <= pitch * 2.0 ** octaves[0] <= high * 1.001
    shorter = [k for k in reach if low <= pitch * 2.0**k <= high and abs(k) < abs(octaves[0])]
    assert not shorter


def test_a_melody_across_the_border_keeps_its_octave() -> None:
    """Notes to both sides of the range's lower end, with rests between them, all get the same octaves."""
    melody = [260.0, 290.0, 240.0, 330.0, 220.0, 300.0, 250.0] * 6
    assert set(play(chooser_for(261.0, 2000.0), melody, 0.15, 0.1)) in ({0}, {1})


def test_phrases_around_the_border_keep_their_octave() -> None:
    """Whole phrases a little below and a little above the range's end, longer than the memory, change nothing."""
    chooser = chooser_for(261.0, 2000.0)
    octaves = [octave for _ in range(3) for octave in play(chooser, [270.0, 250.0], 4.0, 0.5)]
    assert set(octaves) == {0}


def test_changes_only_at_rest() -> None:
    """A leap of two octaves without a rest changes nothing; after a rest and enough of the new register, it does."""
    chooser = chooser_for(200.0, 500.0)
    assert set(play(chooser, [300.0], 1.0)) == {0}
    assert set(play(chooser, [1200.0], 5.0)) == {0}
    play(chooser, [1200.0], 0.0, 0.1)
    assert set(play(chooser, [1200.0], 0.5)) == {-2}


def test_a_short_gap_is_no_rest() -> None:
    """Ten milliseconds without pitch, as between legato notes, are not a moment to change."""
    chooser = chooser_for(200.0, 500.0)
    play(chooser, [300.0], 1.0)
    octaves = play(chooser, [1200.0] * 40, 0.2, 0.01)
    assert set(octaves) == {0}


def test_a_wrong_first_frame_is_forgotten() -> None:
    """While almost nothing has been heard, the choice follows the pitch: a false start does not fix the octave."""
    chooser = chooser_for(200.0, 500.0)
    play(chooser, [75.0], 0.01)
    assert play(chooser, [300.0], 0.2)[-1] == 0


def test_without_a_range_nothing_moves() -> None:
    """No range, no octaves; silence and noise are not pitch."""
    chooser = OctaveChooser(RATE)
    assert set(play(chooser, [30.0, 3000.0], 0.2)) == {0}
    chooser.aim(200.0, 500.0, 0.0)
    assert chooser.push(3000.0, 0.1, -20.0) == chooser.push(3000.0, 0.9, -95.0) == 0


def test_transposition_counts() -> None:
    """The range is reached by the pitch after transposing."""
    assert set(play(chooser_for(200.0, 500.0, transpose=12.0), [300.0], 0.2)) == {-1}


def test_reset_forgets() -> None:
    """After a reset the next note decides alone."""
    chooser = chooser_for(200.0, 500.0)
    play(chooser, [1200.0], 2.0)
    chooser.reset()
    assert chooser.octaves == 0
    assert set(play(chooser, [300.0], 0.1)) == {0}


def test_blended_range_lies_between() -> None:
    """Half of two ranges is their middle in semitones; targets without a range do not count; none gives none."""
    low, high = blended_range([(100.0, 400.0), (400.0, 1600.0), (None, None)], [0.25, 0.25, 0.5])
    assert low == pytest.approx(200.0)
    assert high == pytest.approx(800.0)
    assert blended_range([(None, None)], [1.0]) == (None, None)
    assert blended_range([(100.0, 200.0), (None, None)], [0.0, 1.0]) == (None, None)
    low, high = blended_range([(100.0, 200.0), (300.0, 500.0)], [1.0, 0.0])
    assert low == pytest.approx(100.0)
    assert high == pytest.approx(200.0)
