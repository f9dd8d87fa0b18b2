from __future__ import annotations

import csv
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from realtime.errors import ConfigError, DataError
from tests.trainer import dataset_trees as trees
from trainer import prepare_report, prepare_work
from trainer.commands import prepare, prepare_sets
from trainer.data import Recordings, Slices, Unpaired
from trainer.datasets import DATASETS, cutting, division, fma, guitarset, iowa, irmas, maestro, musicnet, nsynth
from trainer.datasets.item import Item, NoOptions, Silence
from trainer.recordings import Found, RecordingSettings, SplitSettings, loudness_lufs, prepare_recordings
from trainer.splits import SplitRule

SPLITS = SplitSettings(validation=0.2, test=0.2)


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report's picture has its test elsewhere and takes most of a small set's time."""
    monkeypatch.setattr(prepare_report, "_recordings_picture", lambda *_: None)


def by_split(items: Iterable[Item]) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    for item in items:
        groups[item.split].add(item.group or item.inside)
    return groups


def no_overlap(groups: dict[str, set[str]]) -> bool:
    return all(groups.values()) and sum(map(len, groups.values())) == len(set().union(*groups.values()))


def run(*arguments: object) -> Any:
    app = typer.Typer()
    prepare.register(app)
    prepare_sets.register(app)
    return CliRunner().invoke(app, ["prepare", *(str(argument) for argument in arguments)], catch_exceptions=False)


def index_of(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((out / "index.json").read_text())["recordings"]
    return rows


def test_nsynth_tells_pitch_family_and_instrument(tmp_path: Path) -> None:
    """Every note of every examples.json is found with its pitch; domains are families, sources or instruments."""
    items = list(nsynth.find(trees.nsynth(tmp_path), nsynth.Options()))
    assert len(items) == 44 and all(item.path.is_file() for item in items)
    assert {item.domain for item in items} == {"guitar_acoustic", "keyboard_acoustic"}
    assert {item.midi for item in items} == {50.0, 51.0} and items[0].licence == "CC-BY-4.0"
    assert {item.domain for item in nsynth.find(tmp_path, nsynth.Options(by="family"))} == {"guitar", "keyboard"}
    assert len({item.domain for item in nsynth.find(tmp_path / "nsynth-test", nsynth.Options(by="instrument"))}) == 6


def test_the_instruments_that_nsynth_s_valid_and_test_share_are_divided(tmp_path: Path) -> None:
    """No instrument is in two splits, train is as published; with published=True the shared ones are kept."""
    items = list(nsynth.find(trees.nsynth(tmp_path), nsynth.Options()))
    divided = division.divide(items, SPLITS)
    assert no_overlap(by_split(divided)) and len(divided) == 44
    assert {i.group for i in divided if i.split == "train"} == {i.group for i in items if i.split == "train"}
    kept = by_split(division.divide(items, SPLITS, published=True))
    assert kept["validation"] == kept["test"] and len(kept["test"]) == 6


def test_examples_are_read_one_at_a_time(tmp_path: Path) -> None:
    """A list of four thousand notes needs no more memory than one of a thousand, and a cut one is told."""
    peaks = []
    for count in (1000, 4000):
        path = tmp_path / f"{count}.json"
        path.write_text(json.dumps({f"note{n}": {"pitch": n, "text": "x" * 90} for n in range(count)}, indent=4))
        tracemalloc.start()
        assert sum(value["pitch"] for _, value in nsynth.stream_object(path)) == count * (count - 1) // 2
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] and path.stat().st_size > 1.2 * peaks[1]
    path.write_text(path.read_text()[:1000])
    with pytest.raises(DataError, match="ends within a value"):
        list(nsynth.stream_object(path))


@pytest.mark.parametrize(("version", "as_json"), [(1, False), (1, True), (2, True), (3, False), (3, True)])
def test_maestro_s_tables_of_every_version_say_the_same(tmp_path: Path, version: int, as_json: bool) -> None:
    """Rows or columns, csv or json: four recordings of piano with the published splits."""
    items = list(maestro.find(trees.maestro(tmp_path, version, as_json=as_json), NoOptions()))
    assert [item.split for item in items] == ["train", "train", "validation", "test"]
    assert all(item.path.is_file() and item.domain == "piano" for item in items)
    assert items[0].source == "maestro_2018" and len({item.group for item in items}) == 4


def test_guitarset_mixes_a_solo_over_its_accompaniment(tmp_path: Path) -> None:
    """A mixed excerpt holds both pitches, as long as the longer; alone each has its own."""
    items = list(guitarset.find(trees.guitarset(tmp_path / "set"), guitarset.Options()))
    assert len(items) == 12 and {item.domain for item in items} == {"guitar"}
    found = [one for item in items[:1] for one in division.named(item, tmp_path / "set", [(0.0, None, None)])]
    written = prepare_recordings([found_as(found[0], "train")], tmp_path / "out", RecordingSettings(16000), workers=1)
    sound, rate = soundfile.read(tmp_path / "out" / written.entries[0]["file"])
    assert len(sound) / rate == pytest.approx(0.6, abs=0.01)
    spectrum = np.abs(np.fft.rfft(sound[:8000] * np.hanning(8000)))
    for hz in (220.0, 329.6):
        at = round(hz * 8000 / rate)
        assert spectrum[at - 3 : at + 4].max() > 0.5 * spectrum.max()
    solos = list(guitarset.find(tmp_path / "set", guitarset.Options(part="solo", recording="hex_cln")))
    assert len(solos) == 12 and all(item.path.name.endswith("_solo_hex_cln.wav") for item in solos)
    assert len(list(guitarset.find(tmp_path / "set", guitarset.Options(part="both", recording="hex")))) == 24


def found_as(found: Found, split: str) -> Found:
    import dataclasses

    return dataclasses.replace(found, split=split)


def test_no_guitarist_is_in_two_splits(tmp_path: Path) -> None:
    """Of six players at least one is in validation and one in test, whole."""
    items = list(guitarset.find(trees.guitarset(tmp_path), guitarset.Options(part="both")))
    for seed in range(5):
        groups = by_split(division.divide(items, SplitSettings(seed=seed)))
        assert no_overlap(groups) and len(groups["train"]) >= 3


def test_irmas_takes_folders_for_training_and_single_labels_for_test(tmp_path: Path) -> None:
    """Training instruments come from folders; test excerpts count where their text names one; drums can be left out."""
    items = list(irmas.find(trees.irmas(tmp_path), irmas.Options()))
    assert Counter(item.domain for item in items if item.split == "train") == {"cello": 20, "guitar_acoustic": 21}
    assert sorted(item.domain for item in items if item.split == "test") == ["cello", "guitar_acoustic"]
    assert len(list(irmas.find(tmp_path, irmas.Options(drums="without")))) == len(items) - 1


def test_excerpts_of_one_recording_stay_together(tmp_path: Path) -> None:
    """Validation, which IRMAS has not, is taken from training by whole recordings, and test stays as published."""
    divided = division.divide(irmas.find(trees.irmas(tmp_path), irmas.Options()), SPLITS)
    assert no_overlap(by_split(divided))
    assert sum(item.split == "test" for item in divided) == 2
    for domain in ("cello", "guitar_acoustic"):
        assert 2 <= sum(item.split == "validation" and item.domain == domain for item in divided) <= 6


@pytest.mark.parametrize("metadata", [True, False])
def test_musicnet_s_ensemble_comes_from_the_metadata_or_the_labels(tmp_path: Path, metadata: bool) -> None:
    """With the table or with the labels' programs alone: solo violin and solo flute, train and test as published."""
    items = list(musicnet.find(trees.musicnet(tmp_path, metadata=metadata), NoOptions()))
    assert Counter(item.domain for item in items) == {"solo_violin": 12, "solo_flute": 12}
    assert [item.path.stem for item in items if item.split == "test"] == ["1701"]


def test_movements_of_a_tested_composition_are_not_trained_on(tmp_path: Path) -> None:
    """The partita whose movement is the published test is left out of training; validation is another partita."""
    divided = division.divide(musicnet.find(trees.musicnet(tmp_path), NoOptions()), SPLITS)
    assert no_overlap(by_split(divided))
    assert [item.inside for item in divided if "Partita 0, Solo Violin" in item.group] == ["test_data/1701"]
    published = division.divide(musicnet.find(tmp_path, NoOptions()), SPLITS, published=True)
    assert sum(item.split == "train" for item in published) == 23


def test_fma_s_three_header_rows_tell_split_genre_artist_and_licence(tmp_path: Path) -> None:
    """Rows with long biographies are read, tracks without a top genre are left out, artists are the groups."""
    items = list(fma.find(trees.fma(tmp_path), fma.Options()))
    assert Counter(item.domain for item in items) == {"pop": 3, "rock": 3, "electronic": 3}
    assert Counter(item.split for item in items) == {"train": 3, "validation": 3, "test": 3}
    assert items[0].path == tmp_path / "fma_small" / "000" / "000002.mp3" and items[0].path.is_file()
    assert items[0].licence == "Attribution-NonCommercial" and items[1].group == "artist 1"
    assert {item.domain for item in fma.find(tmp_path, fma.Options(instrumental=0.5))} == {"rock"}
    assert fma.genre_numbers(tmp_path, ("chill out", "Lounge")) == {400, 311}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Violin.arco.ff.sulG.C4B4.aiff", ("violin", ("arco",), "ff", "sulG", 60, 71)),
        ("TenorTrombone.mf. E2B2.aiff", ("trombone", (), "mf", "", 40, 47)),
        ("Piano.pp.Bb0.aiff", ("piano", (), "pp", "", 22, None)),
        ("BbClarinet.ff.G4.stereo.aif", ("clarinet", (), "ff", "", 67, None)),
        ("Marimba.yarn.ff.C4.stereo.aif", ("marimba", ("yarn",), "ff", "", 60, None)),
        ("Guitar.ff.sulA.C4E4.mono.aif", ("guitar", (), "ff", "sulA", 60, 64)),
        ("SopSax.NoVib.ff.Gb4.aiff", ("saxophone_soprano", ("novib",), "ff", "", 66, None)),
        ("notes.txt", None),
        ("Violin.arco.ff.B4C4.aiff", None),
    ],
)
def test_iowa_s_names_are_read_by_their_grammar(name: str, wanted: tuple[Any, ...] | None) -> None:
    """Instrument, technique, dynamic, string and range, of 1997 and of 2012; a name of another kind is none."""
    named = iowa.parse(name)
    assert (
        None
        if named is None
        else (named.instrument, named.techniques, named.dynamic, named.string, named.first, named.last)
    ) == wanted


def test_a_scale_becomes_notes_with_their_pitches(tmp_path: Path) -> None:
    """Five notes of a range of five get their pitches; where the count is wrong sounds are kept without a pitch."""
    items = {item.inside: item for item in iowa.find(trees.iowa(tmp_path / "mis"), NoOptions())}
    assert len(items) == 5 and items["violin/Violin.pizz.mf.sulD.A4.stereo.aif"].domain == "violin_pizz"
    scale = items["violin/Violin.arco.ff.sulG.G4B4.aiff"]
    good, bad = cutting.cut(list(items.values()), tmp_path / "out", 0.0, 1)
    spans = {item.inside: spans for item, spans in good}
    assert not bad and [pitch for *_, pitch in spans[scale.inside]] == [67, 68, 69, 70, 71]
    for number, (start, stop, _) in enumerate(spans[scale.inside]):
        assert (start, stop) == pytest.approx((1.1 * number, 1.1 * number + 0.6), abs=0.11)
    assert [pitch for *_, pitch in spans["trombone/TenorTrombone.mf. E2B2.aiff"]] == [None, None]
    assert spans["Piano.pp.Bb0.aiff"] == [(0.0, None, None)] and items["Piano.pp.Bb0.aiff"].midi == 22


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_help_says_where_how_large_and_under_which_licence(dataset: Any) -> None:
    """`prepare NAME --help` prints address, size, licence and layout; a folder of another kind has its sentence."""
    text = " ".join(run(dataset.name, "--help").output.replace("│", " ").split())
    for word in ("Download: http", "Size:", "Licence:", "Layout:"):
        assert word in text
    assert " ".join(dataset.size.split()) in text


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_a_folder_that_holds_something_else_is_told(dataset: Any, tmp_path: Path) -> None:
    """An empty folder and an absent one are refused with what is expected in them."""
    for folder, words in ((tmp_path, "is expected in it"), (tmp_path / "none", "There is no folder")):
        with pytest.raises(DataError, match=words):
            list(dataset.find(folder, dataset.Options()))


def test_what_a_list_names_and_is_not_there_is_counted(tmp_path: Path) -> None:
    """Years of MAESTRO that were not unpacked are left out and counted; when nothing is there that is an error."""
    root = trees.maestro(tmp_path)
    (root / "maestro-v3.0.0" / "2018").rename(root / "elsewhere")
    listed = division.present(maestro.find(root, NoOptions()), root)
    assert (len(listed.items), listed.missing) == (2, 2)
    for path in (root / "maestro-v3.0.0").glob("20*/*.wav"):
        path.unlink()
    with pytest.raises(DataError, match=r"none of the 4 files .* is there"):
        division.present(maestro.find(root, NoOptions()), root)


def test_rules_win_and_leave_leaves_out(tmp_path: Path) -> None:
    """A split file's rule decides before the set's own split; `leave` takes a domain out."""
    rules = (SplitRule("leave", domain="keyboard*"), SplitRule("test", source="guitar_acoustic_001"))
    divided = division.divide(nsynth.find(trees.nsynth(tmp_path), nsynth.Options()), SplitSettings(rules))
    assert {item.domain for item in divided} == {"guitar_acoustic"}
    assert {item.split for item in divided if item.group == "guitar_acoustic_001"} == {"test"}


def test_a_domain_of_few_recordings_is_for_training() -> None:
    """Two recordings are both for training; one player's twenty are divided by recording."""
    two = [Item(Path(name), name, "tuba", group="one player") for name in "ab"]
    assert {item.split for item in division.divide(two, SPLITS)} == {"train"}
    twenty = [Item(Path(str(n)), str(n), "tuba", group="one player") for n in range(20)]
    assert Counter(item.split for item in division.divide(twenty, SPLITS)) == {"train": 12, "validation": 4, "test": 4}


def test_at_most_keeps_the_shares_of_the_splits(tmp_path: Path) -> None:
    """Ten of the notes of each family are about ten, and still of all three splits."""
    items = division.divide(nsynth.find(trees.nsynth(tmp_path, notes=6), nsynth.Options()), SPLITS)
    few = division.at_most(items, 10, 0)
    for domain in ("guitar_acoustic", "keyboard_acoustic"):
        part = [item for item in few if item.domain == domain]
        assert 8 <= len(part) <= 12 and len({item.split for item in part}) == 3


@pytest.mark.parametrize("make", ["nsynth", "maestro", "guitarset", "irmas", "musicnet", "fma", "iowa"])
def test_every_set_is_prepared_for_every_run_file(make: str, tmp_path: Path) -> None:
    """The command writes the index that training reads: with sources, licences and slices that sound."""
    root, out = getattr(trees, make)(tmp_path / "set"), tmp_path / "out"
    result = run(make, root, "-o", out, "--rate", 16000, "--workers", 1, "--at-most", 4)
    assert result.exit_code == 0, result.output
    recordings = Recordings.read(out / "index.json")
    assert all((row.path.is_file(), row.licence, row.source) for row in recordings.rows)
    samples = Slices(recordings, recordings.domains(), 4000).batch(0, range(4))["samples"]
    assert float(samples.abs().max()) > 0.01


def test_jobs_are_drawn_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand jobs never more than a few for each process wait, and all of them are done once."""
    monkeypatch.setattr(prepare_work, "ProcessPoolExecutor", lambda workers, **_: ThreadPoolExecutor(workers))
    drawn, done, ahead = 0, [], 0

    def jobs() -> Iterator[tuple[int]]:
        nonlocal drawn
        for number in range(1000):
            drawn += 1
            yield (number,)

    for number, result in prepare_work.map_processes(lambda n: 2 * n, jobs(), 2):
        done.append((number, result))
        ahead = max(ahead, drawn - len(done))
    assert sorted(done) == [(n, 2 * n) for n in range(1000)] and ahead <= 8


def test_several_processes_write_the_same_index(tmp_path: Path) -> None:
    """Two processes, cut notes and all, give the bytes that one gives; running again finds all of it done."""
    root = trees.iowa(tmp_path / "set")
    for workers, out in ((1, "a"), (2, "b")):
        assert run("iowa", root, "-o", tmp_path / out, "--rate", 16000, "--workers", workers).exit_code == 0
    again = run("iowa", root, "-o", tmp_path / "a", "--rate", 16000, "--workers", 1)
    assert "10 recordings (10 already done)" in again.output
    assert (tmp_path / "a" / "index.json").read_bytes() == (tmp_path / "b" / "index.json").read_bytes()


def test_domains_are_chosen_and_renamed(tmp_path: Path) -> None:
    """`--rename` counts one domain as another, `--domains` keeps some, and an unknown one is refused."""
    root = trees.nsynth(tmp_path / "set")
    shared = ("nsynth", root, "--by", "family", "--rename", "keyboard=piano", "--rate", 16000, "--workers", 1)
    assert run(*shared, "-o", tmp_path / "a", "--domains", "piano").exit_code == 0
    assert {row["domain"] for row in index_of(tmp_path / "a")} == {"piano"}
    with pytest.raises(ConfigError, match="choose of guitar, piano"):
        run(*shared, "-o", tmp_path / "b", "--domains", "harp")
    with pytest.raises(ConfigError, match="expected one of family_source, family, instrument"):
        run("nsynth", root, "-o", tmp_path / "c", "--by", "maker")


def test_a_damaged_recording_is_refused_and_the_rest_prepared(tmp_path: Path) -> None:
    """A file that is no sound is named with a sentence, fails the run, and with --skip-bad does not."""
    root = trees.maestro(tmp_path / "set")
    bad = next((root / "maestro-v3.0.0" / "2006").glob("*.wav"))
    bad.write_bytes(b"no sound at all")
    arguments = ("maestro", root, "-o", tmp_path / "out", "--rate", 16000, "--workers", 1)
    result = run(*arguments)
    assert result.exit_code == 1 and "cannot be read as sound" in result.output
    assert len(index_of(tmp_path / "out")) == 3
    assert run(*arguments, "--skip-bad").exit_code == 0


def test_mastered_and_quiet_recordings_of_a_set_are_taken(tmp_path: Path) -> None:
    """What a set publishes at full scale for many samples, or at -60 dBFS, is prepared like the rest."""
    root = trees.maestro(tmp_path / "set")
    paths = sorted((root / "maestro-v3.0.0").glob("20*/*.wav"))
    trees.save(paths[0], np.clip(20 * trees.tone(), -1, 1))
    trees.save(paths[1], 0.005 * trees.tone())
    assert run("maestro", root, "-o", tmp_path / "out", "--rate", 16000, "--workers", 1).exit_code == 0
    assert len(index_of(tmp_path / "out")) == 4


def test_memory_does_not_grow_with_the_recordings(tmp_path: Path) -> None:
    """Eight times the piano, in pieces, needs no more memory to be prepared, and all of it comes out."""
    peaks = []
    for name, seconds in (("short", 12.0), ("long", 96.0)):
        root = trees.maestro(tmp_path / name, seconds=seconds)
        items = division.divide(maestro.find(root, NoOptions()), SPLITS)[:1]
        tracemalloc.start()
        good, _ = cutting.cut(items, tmp_path / f"{name}_out", 3.0, 1)
        found = [one for item, spans in good for one in division.named(item, root, spans)]
        settings = RecordingSettings(sample_rate=16000)
        prepared = prepare_recordings(found, tmp_path / f"{name}_out", settings, workers=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sum(entry["seconds"] for entry in prepared.entries) == pytest.approx(seconds, abs=0.01)
        assert len(prepared.entries) == seconds / 3
    whole = 96 * 16000 * 2 * 4
    assert peaks[1] < 1.2 * peaks[0] and peaks[1] < whole / 2


def test_what_sounds_is_found_between_silences(tmp_path: Path) -> None:
    """Rests shorter than the gap do not cut, clicks shorter than the shortest are left out, silence has nothing."""
    rate = 16000
    rest, short = np.zeros(rate, np.float32), np.zeros(rate // 5, np.float32)
    sound = np.concatenate(
        [rest, trees.tone(seconds=2.0), short, trees.tone(seconds=1.0), rest, trees.tone(seconds=0.2)]
    )
    trees.save(tmp_path / "x.wav", sound)
    silence = Silence(below_db=60.0, gap_s=0.5, shortest_s=0.5)
    assert cutting.sounding_intervals(tmp_path / "x.wav", silence) == [pytest.approx((0.95, 4.25), abs=0.06)]
    trees.save(tmp_path / "y.wav", 0 * sound)
    assert cutting.sounding_intervals(tmp_path / "y.wav", silence) == []


def stream(path: Path, parts: int, rate: int = 16000) -> None:
    gap = np.zeros(rate, np.float32)
    trees.save(
        path,
        np.concatenate([np.concatenate([trees.tone(50 + n, 3.0, level=0.02 * (n + 1)), gap]) for n in range(parts)]),
    )


def test_chill_is_two_domains_at_one_loudness(tmp_path: Path) -> None:
    """Pop and rock against chill genres and streams: cut at silences, all at -23 LUFS, a track of both in neither."""
    root = trees.fma(tmp_path / "archive")
    stream(tmp_path / "beats" / "night.wav", 10)
    arguments = ("chill", root, "--stream", tmp_path / "beats", "-o", tmp_path / "out", "--rate", 16000, "--workers", 1)
    assert run(*arguments).exit_code == 0
    rows = index_of(tmp_path / "out")
    counted = Counter((row["domain"], row["source"] == "night") for row in rows)
    assert counted == {("pop_rock", False): 12, ("chill", False): 6, ("chill", True): 10}
    for row in rows[::5]:
        samples, rate = soundfile.read(tmp_path / "out" / row["file"], dtype="float32")
        assert loudness_lufs(samples, rate) == pytest.approx(-23.0, abs=0.2)
        assert len(samples) / rate == pytest.approx(3.05, abs=0.12)


def test_few_streams_are_divided_by_time_and_many_by_stream(tmp_path: Path) -> None:
    """One stream gives its first part to training and its last to test; of four streams each is in one split."""
    stream(tmp_path / "one" / "a.wav", 10)
    assert run("chill", "--stream", tmp_path / "one", "-o", tmp_path / "x", "--workers", 1).exit_code == 0
    splits = [row["split"] for row in sorted(index_of(tmp_path / "x"), key=lambda row: row["file"])]
    assert splits == ["train"] * 8 + ["validation", "test"]
    for name in "abcd":
        stream(tmp_path / "four" / f"{name}.wav", 2)
    assert run("chill", "--stream", tmp_path / "four", "-o", tmp_path / "y", "--workers", 1).exit_code == 0
    of = {(row["source"], row["split"]) for row in index_of(tmp_path / "y")}
    assert len(of) == 4 and {split for _, split in of} == {"train", "validation", "test"}


def test_chill_of_nothing_and_of_unknown_genres_is_refused(tmp_path: Path) -> None:
    """Without a folder, with two of one name, and with a genre that genres.csv has not, there is a sentence."""
    with pytest.raises(ConfigError, match="nothing to prepare"):
        run("chill", "-o", tmp_path / "out")
    for place in ("x", "y"):
        stream(tmp_path / place / "beats" / "night.wav", 1)
    with pytest.raises(DataError, match="would both be written"):
        run("chill", "--stream", tmp_path / "x" / "beats", "--stream", tmp_path / "y" / "beats", "-o", tmp_path / "out")
    root = trees.fma(tmp_path / "archive")
    with pytest.raises(ConfigError, match=r"no genre Chillout: .* Chill-out"):
        run("chill", root, "-o", tmp_path / "out", "--chill", "Chillout")


def test_two_sets_become_the_domains_of_one_run(tmp_path: Path) -> None:
    """Piano and guitar prepared apart are zipped as unpaired domains; other rates and absent folders are refused."""
    for name, rate in (("maestro", 16000), ("guitarset", 16000), ("iowa", 22050)):
        root = getattr(trees, name)(tmp_path / "sets" / name)
        assert run(name, root, "-o", tmp_path / name, "--rate", rate, "--workers", 1).exit_code == 0
    result = run("join", tmp_path / "maestro", tmp_path / "guitarset", "-o", tmp_path / "pair" / "both")
    assert result.exit_code == 0 and "12 of guitar, 4 of piano" in result.output
    recordings = Recordings.read(tmp_path / "pair" / "both" / "index.json")
    assert recordings.domains() == ("guitar", "piano")
    batch = Unpaired(recordings, "piano", "guitar", 4000).batch(0, range(3))
    assert min(float(batch[side].abs().max()) for side in "ab") > 0.01
    for folders, words in ((("maestro", "iowa"), "several sample rates"), (("maestro", "none"), "cannot be read")):
        with pytest.raises(DataError, match=words):
            run("join", *(tmp_path / name for name in folders), "-o", tmp_path / "x")


def test_plain_recordings_are_cut_into_pieces_when_asked(tmp_path: Path) -> None:
    """`prepare recordings --piece` makes ten seconds into five pieces, which share one split."""
    trees.save(tmp_path / "mine" / "sea" / "long.wav", trees.tone(seconds=10.0))
    arguments = ("recordings", tmp_path / "mine", "-o", tmp_path / "out", "--workers", 1)
    assert run(*arguments, "--piece", 2).exit_code == 0
    rows = index_of(tmp_path / "out")
    assert [row["seconds"] for row in rows] == [pytest.approx(2.0, abs=0.01)] * 5
    assert len({row["split"] for row in rows}) == 1


def test_the_tables_of_the_trees_have_the_real_columns(tmp_path: Path) -> None:
    """The trees that these tests read have the published columns, so that the readers are tested on the real layout."""
    with (trees.maestro(tmp_path) / "maestro-v3.0.0" / "maestro-v3.0.0.csv").open(newline="") as handle:
        assert next(csv.reader(handle)) == [
            "canonical_composer", "canonical_title", "split", "year", "midi_filename", "audio_filename", "duration",
        ]  # fmt: skip
