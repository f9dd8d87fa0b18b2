from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.audio_file import FORMATS, read_audio, write_audio
from realtime.errors import AudioFileError
from tests.realtime.small_packages import noise, sine


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_comes_back(tmp_path: Path, suffix: str, channels: int) -> None:
    """What is written is read again: shape, rate, and the sound to the format's precision."""
    signal = np.stack([sine(440.0, 0.5, -12.0), sine(330.0, 0.5, -18.0)])[:channels]
    path = tmp_path / f"sound.{suffix}"
    assert write_audio(path, signal, 48000) == 0.0
    sound = read_audio(path)
    assert sound.sample_rate == 48000
    assert sound.signal.shape == signal.shape
    assert sound.seconds == 0.5
    tolerance = 2.0**-22 if suffix in {"wav", "flac", "aiff"} else 0.05
    np.testing.assert_allclose(sound.signal, signal, atol=tolerance)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_precision_of_the_source_is_kept(tmp_path: Path) -> None:
    """A 16-bit source gives 16 bits and a float source floats, above full scale too; others become 24 bits."""
    for subtype, expected in [("PCM_16", "PCM_16"), ("FLOAT", "FLOAT"), ("VORBIS", "PCM_24"), (None, "PCM_24")]:
        write_audio(tmp_path / "a.wav", 2.0 * np.ones(10, np.float32), 48000, subtype=subtype)
        sound = read_audio(tmp_path / "a.wav")
        assert sound.subtype == expected
        assert float(sound.signal.max()) == pytest.approx(2.0 if subtype == "FLOAT" else 1.0, abs=1e-4)


def test_nothing_clips(tmp_path: Path) -> None:
    """Too loud a sound is turned down whole, and by how much is told."""
    loud = 4.0 * sine(440.0, 0.2, -3.0)
    turned_down_db = write_audio(tmp_path / "a.flac", loud, 48000)
    assert turned_down_db == pytest.approx(20 * np.log10(np.abs(loud).max()), abs=0.01)
    np.testing.assert_allclose(read_audio(tmp_path / "a.flac").signal[0], loud / np.abs(loud).max(), atol=1e-6)


def cut(path: Path, part: float) -> None:
    """Keep the first part of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("part", [0.3, 0.71])
def test_a_file_cut_short_is_refused(tmp_path: Path, suffix: str, part: float) -> None:
    """The first part of a file is never taken for the whole."""
    path = tmp_path / f"a.{suffix}"
    write_audio(path, noise(200_000), 48000)
    read_audio(path)
    cut(path, part)
    with pytest.raises(AudioFileError, match=r"a\..*(cut short|cannot be read)"):
        read_audio(path)


def test_a_stream_without_a_length_is_read(tmp_path: Path) -> None:
    """A wav written to a pipe promises the largest length there is; that is no damage."""
    path = tmp_path / "a.wav"
    write_audio(path, noise(1000), 48000)
    data = bytearray(path.read_bytes())
    data[4:8] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert read_audio(path).signal.shape == (1, 1000)


def test_what_is_no_sound_has_its_own_sentence(tmp_path: Path) -> None:
    """Missing, a folder, empty, text, no samples, not-a-number: six sentences, each with the name."""
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.mp3").write_text("Dear diary")
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 48000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0] * 24000 + [np.nan], np.float32), 48000, subtype="FLOAT")
    for name, sentence in [
        ("missing.wav", "does not exist"),
        ("", "is a folder"),
        ("empty.wav", "0 bytes"),
        ("text.mp3", "cannot be read as sound"),
        ("none.wav", "no samples"),
        ("nan.wav", r"not finite numbers at 0\.50 s"),
    ]:
        with pytest.raises(AudioFileError, match=sentence) as caught:
            read_audio(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """A rate that the format cannot hold, an unknown suffix, a file in the way: a sentence, nothing half-written."""
    kept = tmp_path / "kept.wav"
    write_audio(kept, noise(10), 48000)
    before = kept.read_bytes()
    with pytest.raises(AudioFileError, match=r"cannot be written at 192000 Hz"):
        write_audio(tmp_path / "a.mp3", noise(1000), 192000)
    with pytest.raises(AudioFileError, match=r"'\.txt'"):
        write_audio(tmp_path / "a.txt", noise(10), 48000)
    with pytest.raises(AudioFileError, match="exists already"):
        write_audio(kept, noise(20), 48000, overwrite=False)
    with pytest.raises(AudioFileError, match="cannot be written"):
        write_audio(kept / "below.wav", noise(10), 48000)
    assert kept.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.wav"]
