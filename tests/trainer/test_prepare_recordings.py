from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from realtime.errors import ConfigError, DataError
from trainer.commands.prepare import register
from trainer.prepare_report import recordings_report
from trainer.recording_checks import FULL_SCALE, Limits, problem, sounding_level_db
from trainer.recordings import RecordingSettings, SplitSettings, find_recordings, prepare_recordings
from trainer.splits import SplitRule, by_hash, read_split_file

RATE = 44100
PLAIN = RecordingSettings()


def tone(seconds: float = 1.0, level: float = 0.2, hz: float = 440.0, rate: int = RATE) -> np.ndarray[Any, Any]:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def save(path: Path, samples: np.ndarray[Any, Any], rate: int = RATE, subtype: str = "PCM_16") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(3):
        save(tmp_path / "mine" / "violin" / f"take{number}.wav", tone(level=0.1 * (number + 1)))
        save(tmp_path / "mine" / "flute" / f"take{number}.wav", tone(hz=880, rate=22050), 22050)
    return tmp_path / "mine"


def index_of(out: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((out / "index.json").read_text())
    return data


def fault(samples: np.ndarray[Any, Any], rate: int = RATE) -> str:
    return problem(samples.reshape(len(samples), -1), rate, Limits()) or ""


def test_prepared_files_have_one_rate_one_channel_and_one_level(root: Path, tmp_path: Path) -> None:
    """Whatever their rate and level, the written files are mono, at the asked rate, at -20 dBFS, as the index says."""
    out = tmp_path / "out"
    prepared = prepare_recordings(find_recordings([root], SplitSettings()), out, PLAIN, workers=1)
    assert len(prepared.entries) == 6
    for entry in index_of(out)["recordings"]:
        samples, rate = soundfile.read(out / entry["file"], always_2d=True)
        assert (rate, samples.shape[1]) == (48000, 1)
        assert entry["seconds"] == pytest.approx(1.0, abs=1e-3) == pytest.approx(len(samples) / rate, abs=1e-3)
        assert sounding_level_db(samples[:, 0].astype(np.float32), rate) == pytest.approx(-20.0, abs=0.1)
        assert entry["loudness_db"] == pytest.approx(-20.0, abs=0.1)


def test_the_gain_in_the_index_restores_the_original_level(root: Path, tmp_path: Path) -> None:
    """loudness_db - gain_db is the level as recorded: dynamics are moved to the index, not lost."""
    prepared = prepare_recordings(
        find_recordings([root], SplitSettings(), domains=["violin"]), tmp_path, PLAIN, workers=1
    )
    recorded = [entry["loudness_db"] - entry["gain_db"] for entry in prepared.entries]
    wanted = [20 * np.log10(0.1 * n / np.sqrt(2)) for n in (1, 2, 3)]
    assert recorded == pytest.approx(wanted, abs=0.1)


def test_a_folder_may_hold_links_to_files_elsewhere(root: Path, tmp_path: Path) -> None:
    """A linked recording belongs to the folder that the link is in, wherever the file is."""
    chosen = tmp_path / "chosen" / "violin"
    chosen.mkdir(parents=True)
    sound = next(root.rglob("*.wav"))
    (chosen / "mine.wav").symlink_to(sound.resolve())
    (found,) = find_recordings([tmp_path / "chosen"], SplitSettings())
    assert (found.domain, found.name) == ("violin", "chosen/violin/mine.wav")
    assert find_recordings([sound.parent], SplitSettings())[0].domain == sound.parent.name


def test_no_gain_lifts_a_peak_above_the_ceiling(tmp_path: Path) -> None:
    """A recording with one loud click stays below the peak ceiling and is quieter than -20 dBFS."""
    sound = tone(level=0.01)
    sound[RATE // 2] = 0.5
    save(tmp_path / "root" / "a" / "x.wav", sound)
    found = find_recordings([tmp_path / "root"], SplitSettings())
    prepared = prepare_recordings(found, tmp_path, PLAIN, workers=1)
    written, _ = soundfile.read(tmp_path / prepared.entries[0]["file"])
    assert 0.7 < np.abs(written).max() < 0.9
    assert prepared.entries[0]["loudness_db"] < -25


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda x: np.clip(x * 20, -1, 1), "clipped at 0.00 s"),
        (lambda x: np.concatenate((x, x, np.full(5, 1.0))), "clipped at 2.00 s"),
        (lambda x: x * 1e-4, "silent from 0.00 s to 1.00 s"),
        (lambda x: x[:2000], "lasts 0.05 s"),
        (lambda x: np.where(np.arange(len(x)) == RATE // 2, np.nan, x), "not a number at 0.50 s"),
        (lambda x: np.where(np.arange(len(x)) == RATE // 4, np.inf, x), "not a number at 0.25 s"),
    ],
)
def test_a_refusal_names_the_fault_and_its_second(damage: Any, sentence: str) -> None:
    """Clipping, silence, shortness and broken numbers are each refused with the second where they begin."""
    assert fault(tone()) == ""
    assert sentence in fault(damage(tone()).astype(np.float32))


def test_a_low_sample_rate_is_refused() -> None:
    """Telephone sound would teach a dull instrument: 8 kHz is refused with both rates named."""
    assert "8000 Hz" in fault(tone(rate=8000), 8000)


def test_a_peak_that_touches_full_scale_is_no_clipping() -> None:
    """Normalised recordings reach full scale in single samples: only runs are clipping, in either channel."""
    sound = tone(level=0.5)
    sound[1000:1003] = FULL_SCALE
    assert fault(sound) == ""
    sound[1003] = 1.0
    assert "clipped at 0.02 s (1 places" in fault(np.stack([tone(), sound], axis=1))


def test_rests_do_not_count_in_the_level() -> None:
    """A tone between two silences has the level of the tone."""
    rest = np.zeros(2 * RATE, np.float32)
    assert sounding_level_db(np.concatenate((rest, tone(2.0), rest)), RATE) == pytest.approx(-17.0, abs=0.2)


def test_channels_that_cancel_are_refused(tmp_path: Path) -> None:
    """Two channels in opposite phase are silent in mono: that is said, not written."""
    save(tmp_path / "root" / "a" / "x.wav", np.stack([tone(), -tone()], axis=1))
    prepared = prepare_recordings(find_recordings([tmp_path / "root"], SplitSettings()), tmp_path, PLAIN, workers=1)
    assert not prepared.entries and "once its channels are mixed" in str(prepared.refusals[0])


def test_the_number_of_processes_changes_no_byte(root: Path, tmp_path: Path) -> None:
    """One process and two write the same index and the same sound."""
    found = find_recordings([root], SplitSettings())
    for name, workers in (("one", 1), ("two", 2)):
        prepare_recordings(found, tmp_path / name, PLAIN, workers=workers)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*") if p.suffix != ".jsonl")
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_second_run_does_only_what_changed(root: Path, tmp_path: Path) -> None:
    """Files already prepared are kept untouched; a changed recording or setting is prepared again."""
    out = tmp_path / "out"
    found = find_recordings([root], SplitSettings())
    first = prepare_recordings(found, out, PLAIN, workers=1)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    save(root / "violin" / "take1.wav", tone(2.0))
    (out / first.entries[0]["file"]).unlink()
    second = prepare_recordings(found, out, PLAIN, workers=1)
    assert (first.kept, second.kept) == (0, 4)
    untouched = [path for path, time in times.items() if path.stat().st_mtime_ns == time]
    assert len(untouched) == 4
    assert prepare_recordings(found, out, RecordingSettings(level_db=-23.0), workers=1).kept == 0


def test_a_torn_progress_line_is_skipped(root: Path, tmp_path: Path) -> None:
    """A run that died while writing its log is resumed: the torn line costs one file, not the run."""
    found = find_recordings([root], SplitSettings())
    prepare_recordings(found, tmp_path, PLAIN, workers=1)
    log = tmp_path / "progress.jsonl"
    log.write_text(log.read_text()[:-40])
    assert prepare_recordings(found, tmp_path, PLAIN, workers=1).kept == 5
    assert not list(tmp_path.rglob("*.part"))


def test_metadata_gives_split_source_pitch_and_licence(root: Path, tmp_path: Path) -> None:
    """What metadata.csv says of a file stands in the index."""
    (root / "metadata.csv").write_text("file,split,source,pitch,licence\nviolin/take1.wav,test,shop,69,CC0-1.0\n")
    prepared = prepare_recordings(find_recordings([root], SplitSettings(test=0)), tmp_path, PLAIN, workers=1)
    entry = next(e for e in prepared.entries if e["original"].endswith("violin/take1.wav"))
    assert (entry["split"], entry["source"], entry["midi"], entry["licence"]) == ("test", "shop", 69.0, "CC0-1.0")


def test_rules_win_over_metadata_and_metadata_over_the_hash(root: Path) -> None:
    """The split file speaks first, then the folder's metadata, then chance; `leave` leaves out."""
    (root / "metadata.csv").write_text("file,split\nviolin/take0.wav,test\nviolin/take1.wav,test\n")
    rules = (SplitRule("validation", file="violin/take0*"), SplitRule("leave", domain="flute"))
    found = find_recordings([root], SplitSettings(rules=rules, validation=0, test=0))
    assert [item.split for item in found] == ["validation", "test", "train"]


def test_the_hash_split_is_by_recording_and_near_its_fractions() -> None:
    """Chance depends on the name and the seed alone and gives about the fractions asked for."""
    splits = [by_hash(f"r{n}", validation=0.2, test=0.1, seed=1) for n in range(2000)]
    assert splits == [by_hash(f"r{n}", validation=0.2, test=0.1, seed=1) for n in range(2000)]
    assert splits.count("validation") == pytest.approx(400, abs=60) and splits.count("test") == pytest.approx(
        200, abs=45
    )


def test_split_by_source_keeps_a_source_together(root: Path) -> None:
    """With by_source all recordings of one source of a domain are in one part."""
    rows = "".join(f"violin/take{n}.wav,s\n" for n in range(3))
    (root / "metadata.csv").write_text("file,source\n" + rows)
    for seed in range(8):
        found = find_recordings([root], SplitSettings(validation=0.5, test=0.2, seed=seed, by_source=True))
        assert len({item.split for item in found if item.domain == "violin"}) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [("domain,split\nviolin,trian\n", "Line 2"), ("domain,part\n", "columns domain, part"), ("split,x\n", "no others")],
)
def test_a_wrong_split_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """A misspelt split or column is named instead of being ignored."""
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_split_file(path)


def test_impossible_requests_get_their_own_sentence(root: Path, tmp_path: Path) -> None:
    """Missing folders, missing domains, wrong fractions and wrong metadata are each told apart."""
    with pytest.raises(DataError, match="no recordings of oboe"):
        find_recordings([root], SplitSettings(), domains=["oboe"])
    with pytest.raises(DataError, match="There is no folder"):
        find_recordings([tmp_path / "none"], SplitSettings())
    with pytest.raises(ConfigError, match="nothing to train on"):
        find_recordings([root], SplitSettings(validation=0.5, test=0.5))
    (root / "metadata.csv").write_text("file,midi\nviolin/take0.wav,A4\n")
    with pytest.raises(DataError, match="the pitch 'A4'"):
        find_recordings([root], SplitSettings())
    (root / "metadata.csv").write_text("file\nviolin/gone.wav\n")
    with pytest.raises(DataError, match=r"gone\.wav"):
        find_recordings([root], SplitSettings())


def test_the_command_keeps_the_good_reports_the_bad_and_fails(root: Path, tmp_path: Path) -> None:
    """The command prepares what is fit, names what is not, and exits with 1, or 0 with --skip-bad."""
    save(root / "violin" / "bad.wav", np.clip(tone() * 20, -1, 1))
    (root / "violin" / "noise.mp3").write_bytes(b"no sound at all")
    app = typer.Typer()
    register(app)
    arguments = ["prepare", "recordings", str(root), "-o", str(tmp_path / "out"), "--workers", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1, result.output
    assert "mine/violin/bad.wav is clipped at" in result.output
    assert "mine/violin/noise.mp3 cannot be read" in result.output
    again = CliRunner().invoke(app, [*arguments, "--skip-bad"])
    assert again.exit_code == 0, again.output
    assert "6 recordings (6 already done)" in again.output
    report = (tmp_path / "out" / "report.md").read_text()
    assert "| violin | 3 |" in report and "bad.wav" in report
    assert (tmp_path / "out" / "report.png").read_bytes()[:4] == b"\x89PNG"


def test_the_report_of_nothing_is_still_a_report(tmp_path: Path) -> None:
    """When every recording was refused the report says so instead of failing."""
    save(tmp_path / "root" / "a" / "x.wav", tone() * 0)
    prepared = prepare_recordings(find_recordings([tmp_path / "root"], SplitSettings()), tmp_path, PLAIN, workers=1)
    recordings_report(tmp_path, prepared, 48000)
    assert "0 recordings of 0 domains" in (tmp_path / "report.md").read_text()
