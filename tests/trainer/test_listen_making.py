from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.audio_file import read_audio, write_audio
from realtime.errors import ConfigError, DataError
from tests.trainer.listen_material import RATE, SHORT, make, tone, write_source
from trainer.listening import plan
from trainer.listening.anchors import anchor, loudness_lufs
from trainer.listening.making import make_study
from trainer.listening.source import read_source
from trainer.listening.study import Section, Stimulus, read_study, sound_path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of a plain folder, with levels, formats and channels that tell the systems apart before it is made."""
    folder = tmp_path_factory.mktemp("made")
    source = write_source(folder / "Two systems")
    write_audio(source / "unet" / "piece 0.wav", np.stack([tone(7, level=0.9)] * 2), RATE)
    (source / "flow" / "piece 1.wav").unlink()
    write_audio(source / "flow" / "piece 1.flac", tone(8, level=0.02), 2 * RATE // 2)
    make_study(read_source(source), folder / "study")
    return folder / "study"


def spectrum_above(signal: np.ndarray[tuple[int, ...], np.dtype[np.float32]], rate: int, hz: float) -> float:
    """The part of the energy above a frequency."""
    power = np.abs(np.fft.rfft(signal[0])) ** 2
    return float(power[np.fft.rfftfreq(signal.shape[1], 1 / rate) > hz].sum() / power.sum())


def test_a_plain_folder_becomes_two_sections(folder: Path) -> None:
    """A folder stands for a section on content and one on style, each with every system, reference and anchor."""
    study = read_study(folder)
    assert study.title == "Two systems"
    assert [one.ask for one in study.sections] == ["content", "style"]
    for section in study.sections:
        cells = Counter((one.clip, one.condition) for one in section.stimuli)
        assert set(cells.values()) == {1} and len(cells) == 2 * 4
        assert section.conditions == ("flow", "unet", "reference", "anchor")
        assert set(section.originals) == {"piece 0", "piece 1"}
    assert study.sections[0].examples == {} and set(study.sections[1].examples) == {"piece 0", "piece 1"}


def test_nothing_but_the_sound_tells_systems_apart(folder: Path) -> None:
    """Every sound has the same rate, channels, resolution and loudness, no clipped peak, and a random name."""
    names = {path.stem for path in (folder / "clips").iterdir()}
    assert names == read_study(folder).sounds
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in names)
    kinds, loudness = set(), []
    for name in names:
        with soundfile.SoundFile(sound_path(folder, name)) as file:
            kinds.add((file.samplerate, file.channels, file.subtype, tuple(file.copy_metadata().values())))
        sound = read_audio(sound_path(folder, name))
        loudness.append(loudness_lufs(sound.signal, sound.sample_rate))
        assert np.abs(sound.signal).max() < 10 ** (-1 / 20) + 1e-3
    assert kinds == {(48_000, 2, "PCM_16", ())}
    assert max(loudness) - min(loudness) < 0.1


def test_the_hidden_reference_is_what_is_compared_with(folder: Path) -> None:
    """The hidden reference of the content section is the original, that of the style section the wanted sound."""
    study = read_study(folder)
    for section, shown in ((study.sections[0], "originals"), (study.sections[1], "examples")):
        for clip, identity in getattr(section, shown).items():
            (hidden,) = (one for one in section.stimuli if (one.clip, one.condition) == (clip, "reference"))
            assert hidden.identity != identity
            sounds = [read_audio(sound_path(folder, name)).signal for name in (hidden.identity, identity)]
            np.testing.assert_array_equal(sounds[0], sounds[1])


def test_anchors_are_bad_in_what_is_asked() -> None:
    """Anchors hold nothing above 3.5 kHz; the one of style keeps the order of the notes, that of content does not."""
    rate = 48_000
    time = np.arange(3 * rate) / rate
    sweep = (0.3 * np.sin(2 * np.pi * (300 + 150 * time) * time) + 0.1 * np.sin(2 * np.pi * 6000 * time)).astype(
        np.float32
    )
    style, content = (anchor(sweep[None], rate, ask, 0) for ask in ("style", "content"))
    for made in (style, content):
        assert made.shape == (1, len(sweep))
        assert spectrum_above(made, rate, 3600) < 1e-4
    assert np.corrcoef(style[0], sweep)[0, 1] > 0.9
    assert abs(np.corrcoef(content[0], sweep)[0, 1]) < 0.3


def test_an_anchor_of_ones_own_is_used(tmp_path: Path) -> None:
    """Sounds in anchor/ are used as they are, and none is made."""
    source = write_source(tmp_path / "source")
    for clip in (0, 1):
        write_audio(source / "anchor" / f"piece {clip}.wav", tone(900 + clip), RATE)
    made = make_study(read_source(source), tmp_path / "study")
    assert not [sentence for sentence in made.remarks if "anchors were made" in sentence]
    assert "anchor" not in made.study.sections[0].systems


def test_what_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Every unfit or missing file is named in a sentence before the error, and no study is begun."""
    source = write_source(tmp_path / "source")
    (source / "unet" / "piece 1.wav").unlink()
    write_audio(source / "flow" / "piece 0.wav", np.zeros(RATE * 2, np.float32), RATE)
    write_audio(source / "target" / "piece 0.wav", tone(1, seconds=31), RATE)
    (source / "reference" / "piece 1.wav").write_bytes(b"no sound")
    said: list[str] = []
    with pytest.raises(DataError, match="4 things must be put right"):
        make_study(read_source(source), tmp_path / "study", told=said.append)
    for part in ("unet lacks piece 1", "piece 0.wav is silent", "lasts 31.0 s", "cannot be read as sound"):
        assert [sentence for sentence in said if part in sentence], part
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("spoilt", "sentence"),
    [
        ("target", "style is judged against one"),
        ("reference", "put the recordings that were converted there"),
        ("systems", "has no folder of a system"),
    ],
)
def test_a_missing_folder_is_said(tmp_path: Path, spoilt: str, sentence: str) -> None:
    """A folder without originals, without the wanted sound or without systems is refused with what to put where."""
    source = write_source(tmp_path / "source")
    for name in ("flow", "unet") if spoilt == "systems" else (spoilt,):
        (source / name).rename(tmp_path / name)
    with pytest.raises(DataError, match=sentence):
        make_study(read_source(source), tmp_path / "study")


def test_names_that_a_spreadsheet_would_compute_are_refused(tmp_path: Path) -> None:
    """A clip whose name begins like a formula is refused."""
    source = write_source(tmp_path / "source")
    for name in ("reference", "target", "flow", "unet"):
        (source / name / "piece 0.wav").rename(source / name / "=1+1.wav")
    with pytest.raises(DataError, match="is no name for a clip"):
        make_study(read_source(source), tmp_path / "study")


def test_too_many_systems_for_the_clips_are_refused(tmp_path: Path) -> None:
    """Where a participant could not hear every system on one clip, the sentence says how many clips are needed."""
    source = write_source(tmp_path / "source", systems=("a", "b", "c"))
    (source / "study.toml").write_text(SHORT, encoding="utf-8")
    with pytest.raises(DataError, match="set clips to 5 or more"):
        make_study(read_source(source), tmp_path / "study")


def test_a_study_is_never_written_over(tmp_path: Path) -> None:
    """A folder that holds anything is refused, whatever it holds."""
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "answers.sqlite").touch()
    with pytest.raises(ConfigError, match="never written over"):
        make_study(read_source(write_source(tmp_path / "source")), tmp_path / "study")


def test_a_file_says_sections_and_is_read_strictly(tmp_path: Path) -> None:
    """A TOML file names sections and words; a misspelt setting is refused with the one that is near."""
    study = read_study(make(tmp_path, SHORT))
    assert (study.title, [(one.title, one.ask, one.trials) for one in study.sections]) == (
        "A short one",
        [("Notes", "content", 4), ("Sound", "style", 4)],
    )
    (tmp_path / "wrong.toml").write_text(SHORT.replace("title =", "titel =", 1), encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean title"):
        read_source(tmp_path / "wrong.toml")


def table(clips: int, systems: int, trials: int) -> Section:
    """A section whose stimuli are names only."""
    conditions = [*(f"system {number}" for number in range(systems)), "reference", "anchor"]
    stimuli = (Stimulus(f"{clip} {name}", f"clip {clip}", name) for clip in range(clips) for name in conditions)
    return Section("A", "content", trials, tuple(stimuli), {}, {})


@pytest.mark.parametrize(("clips", "systems"), [(6, 3), (8, 1), (4, 5), (40, 14)])
def test_everyone_hears_sixteen_and_whole_rows(clips: int, systems: int) -> None:
    """Each participant rates 16 stimuli, as many clips as fit under every condition, and all cells come round."""
    section, everyone = table(clips, systems, 16), 12 * clips
    heard: Counter[str] = Counter()
    for participant in range(everyone):
        chosen = plan.trials(section, participant, seed=0)
        assert len(chosen) == len({one.identity for one in chosen}) == 16
        rows = Counter(one.clip for one in chosen)
        assert sum(count == systems + 2 for count in rows.values()) >= 16 // (systems + 2)
        heard.update(one.identity for one in chosen)
    share = everyone * 16 / len(section.stimuli)
    assert len(heard) == len(section.stimuli)
    assert max(heard.values()) < 2 * share and min(heard.values()) > share / 2


def test_the_order_is_random_and_each_persons_own() -> None:
    """Participants hear the same stimuli in different orders, the same one always in the same order."""
    section = table(4, 2, 16)
    orders = [tuple(one.identity for one in plan.trials(section, number, seed=0)) for number in range(20)]
    assert len(set(orders)) == 20 and len({frozenset(order) for order in orders}) == 1
    assert orders[3] == tuple(one.identity for one in plan.trials(section, 3, seed=0))
    firsts = Counter(
        section.stimuli.index(next(s for s in section.stimuli if s.identity == order[0])) for order in orders
    )
    assert len(firsts) > 5
