from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gui.convert.find_sounds import duration_s, find_sounds
from gui.convert.job import Job, Request, arguments, batch_of, label_of, place, result_path, suffix_of
from gui.convert.overview import BANDS, band_edges, read_overview
from gui.convert.time_left import clock, in_words, overall_part, seconds_left
from realtime.errors import AudioFileError

RATE = 48_000


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    return Request(out=tmp_path / "out", model="voice", target="violin", label="violin")


def waiting(request: Request, name: str, seconds: float | None) -> Job:
    return Job(Path("in") / name, seconds=seconds, state="waiting", request=request)


def test_a_request_becomes_the_words_of_the_command_line(request_: Request) -> None:
    """Everything that can be set is on the command line, and what is not asked for is left out."""
    full = replace(
        request_, mix=0.5, gain_db=-3, transpose=-12, octave=False, match_loudness=False, griffin_lim=True,
        midi_source="oscillator", format_name="ogg",
    )  # fmt: skip
    told = arguments(full, [Path("a.wav"), Path("b.mid")], Path("staging"))
    assert told == [
        "convert", "a.wav", "b.mid", "--out", "staging", "--json", "--jobs", "1", "--model", "voice", "--mix", "0.5",
        "--gain", "-3", "--transpose", "-12", "--octave", "off", "--source", "oscillator", "--no-match-loudness",
        "--target", "violin", "--griffin-lim", "--format", "ogg",
    ]  # fmt: skip
    plain = arguments(replace(request_, target=""), [Path("a.wav")], Path("staging"))
    assert not {"--target", "--griffin-lim", "--format", "--overwrite"} & set(plain)


def test_a_batch_is_about_a_minute_of_files_that_are_alike(request_: Request) -> None:
    """One process takes short files together, long ones alone, and never two requests or two of a name."""
    short = [waiting(request_, f"{number}.wav", 10.0) for number in range(9)]
    assert batch_of(short) == short[:6]
    long = waiting(request_, "long.wav", 600.0)
    assert batch_of([long, *short]) == [long]
    other = waiting(replace(request_, mix=0.5), "other.wav", 1.0)
    assert batch_of([short[0], other, short[1]]) == [short[0]]
    twin = waiting(request_, "0.flac", 1.0)
    assert batch_of([short[0], twin]) == [short[0]]


def test_a_result_is_called_after_its_target(request_: Request) -> None:
    """The name says what the sound became, and the tree of a dropped folder is kept."""
    job = Job(Path("in/take.flac"), Path("songs/one"))
    assert result_path(job, request_, suffix_of(job, request_)) == request_.out / "songs/one/take (violin).flac"
    assert suffix_of(Job(Path("in/a.mid")), request_) == ".wav"
    assert suffix_of(job, replace(request_, format_name="mp3")) == ".mp3"
    assert label_of("violin=0.700,cello=0.300", "voice") == "violin 70 cello 30"
    assert label_of("", "a/b:c") == "a_b_c"


@pytest.mark.parametrize("links", [True, False])
def test_nothing_is_ever_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """A result beside another of its name is numbered, also where the file system has no links."""
    if not links:
        monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(PermissionError("no links here")))
    wanted = tmp_path / "out" / "a (violin).wav"
    for number in range(3):
        made = tmp_path / f"made {number}.wav"
        made.write_text(str(number))
        found = place(made, wanted, replace=False)
        assert found.read_text() == str(number)
        assert not made.exists()
    assert sorted(path.name for path in wanted.parent.iterdir()) == [
        "a (violin) 2.wav",
        "a (violin) 3.wav",
        "a (violin).wav",
    ]
    made = tmp_path / "new.wav"
    made.write_text("new")
    assert place(made, wanted, replace=True) == wanted
    assert wanted.read_text() == "new"


def test_a_dropped_folder_gives_its_sounds_and_keeps_its_tree(tmp_path: Path) -> None:
    """Sounds and MIDI files are found at any depth, hidden and other files are not, and nothing twice."""
    folder = tmp_path / "Takes"
    for name in ("b.wav", "A.FLAC", "sub/c.mid", "notes.txt", ".hidden.wav", ".git/d.wav"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = find_sounds([folder, folder / "b.wav"])
    assert [(one.path.name, one.folder) for one in found.sounds] == [
        ("A.FLAC", Path("Takes")),
        ("b.wav", Path("Takes")),
        ("c.mid", Path("Takes/sub")),
    ]
    assert not found.problems


def test_what_is_no_sound_is_named_with_a_next_step(tmp_path: Path) -> None:
    """A file of another kind, one that is gone and a folder without sounds have a sentence each."""
    (tmp_path / "song.m4a").touch()
    (tmp_path / "empty").mkdir()
    found = find_sounds([tmp_path / "song.m4a", tmp_path / "gone.wav"])
    assert not found.sounds
    assert found.problems[0].startswith("song.m4a is of the kind m4a, but wav, flac, ogg, mp3, aiff and MIDI files")
    assert found.problems[1] == "gone.wav is not there any more; choose it again."
    assert "no sound or MIDI files in empty" in find_sounds([tmp_path / "empty"]).problems[0]


def test_time_left_waits_until_it_is_no_guess() -> None:
    """Progress is weighed by seconds of sound, and its time is told once enough of it is done."""
    jobs = [
        Job(Path("a"), seconds=30.0, state="done"),
        Job(Path("b"), seconds=90.0, state="running", part=0.5),
        Job(Path("c"), seconds=1000.0, state="failed"),
    ]
    assert overall_part(jobs) == pytest.approx(75 / 120)
    assert overall_part([]) == 0.0
    assert seconds_left(0.5, 1.0) is None
    assert seconds_left(0.25, 30.0) == pytest.approx(90.0)
    assert [in_words(left) for left in (None, 2, 22, 200, 7200)] == [
        "", "a few seconds left", "about 20 s left", "about 3 min left", "about 2.0 h left",
    ]  # fmt: skip
    assert (clock(187.9), clock(3787)) == ("3:07", "1:03:07")


@pytest.fixture
def two_tones(tmp_path: Path) -> Path:
    """A second of 440 Hz on the left, then one of 3520 Hz, quieter, on the right; 44.1 kHz."""
    time = np.arange(44_100) / 44_100
    first = np.stack((0.8 * np.sin(2 * np.pi * 440 * time), 0 * time), axis=1)
    second = np.stack((0 * time, 0.2 * np.sin(2 * np.pi * 3520 * time)), axis=1)
    soundfile.write(tmp_path / "tones.wav", np.concatenate((first, second)), 44_100, subtype="FLOAT")
    return tmp_path / "tones.wav"


def test_an_overview_has_the_peaks_of_every_column(two_tones: Path) -> None:
    """Peaks equal those of the samples, whole and zoomed in, and are zero where there is no sound any more."""
    samples, rate = soundfile.read(two_tones, dtype="float32")
    whole = read_overview(two_tones, 100)
    expected = samples.reshape(100, -1, 2)
    assert whole.seconds == 2.0
    np.testing.assert_array_equal(whole.peaks[:, 0], expected.min(axis=(1, 2)))
    np.testing.assert_array_equal(whole.peaks[:, 1], expected.max(axis=(1, 2)))
    near = read_overview(two_tones, 10, 0.5, 0.6)
    np.testing.assert_array_equal(near.peaks[:, 1], samples[rate // 2 :][:4410].reshape(10, -1, 2).max(axis=(1, 2)))
    beyond = read_overview(two_tones, 10, 1.0, 3.0)
    assert beyond.peaks[:5, 1].min() > 0.1
    assert not beyond.peaks[5:].any()


def test_an_overview_shows_the_pitch_of_every_moment(two_tones: Path) -> None:
    """The brightest band holds the tone that sounds, in both halves, and colours keep their meaning when zoomed in."""
    whole = read_overview(two_tones, 100)
    edges = band_edges()
    assert whole.levels.shape == (BANDS, 100)
    for columns, tone in ((slice(5, 45), 440.0), (slice(55, 95), 3520.0)):
        brightest = whole.levels[:, columns].argmax(axis=0)
        assert np.abs(np.log2(np.sqrt(edges[brightest] * edges[brightest + 1]) / tone)).max() < 0.1
    assert whole.levels[:, 10].max() > whole.levels[:, 70].max()
    near = read_overview(two_tones, 50, 1.2, 1.6, whole.loudest_db)
    assert abs(int(near.levels.max()) - int(whole.levels[:, 70].max())) <= 4


def test_an_overview_of_no_sound_is_refused(tmp_path: Path) -> None:
    """A file that cannot be read has a sentence, and no length."""
    (tmp_path / "broken.wav").write_bytes(b"RIFFnothing")
    with pytest.raises(AudioFileError, match=r"broken\.wav cannot be shown"):
        read_overview(tmp_path / "broken.wav", 10)
    assert duration_s(tmp_path / "broken.wav") is None
    assert duration_s(tmp_path / "notes.mid") is None
