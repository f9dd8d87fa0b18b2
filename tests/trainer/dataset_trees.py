"""Small trees laid out exactly as the public sets are: what the tests of `trainer.datasets` read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

Audio = np.ndarray[Any, np.dtype[np.float32]]


def tone(midi: float = 69.0, seconds: float = 0.6, rate: int = 16000, level: float = 0.2) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * time)).astype(np.float32)


def save(path: Path, samples: Audio, rate: int = 16000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, format="AIFF" if path.suffix.startswith(".aif") else None)


def nsynth(root: Path, notes: int = 2) -> Path:
    """Train: ten instruments; valid and test share six others, as the published ones do."""
    sets = {"train": range(10), "valid": range(10, 16), "test": range(10, 16)}
    for split, instruments in sets.items():
        examples: dict[str, dict[str, Any]] = {}
        for number in instruments:
            family = "guitar" if number % 2 else "keyboard"
            instrument = f"{family}_acoustic_{number:03d}"
            for note in range(notes):
                pitch, velocity = 50 + note, 127 if split == "valid" else 100
                name = f"{instrument}-{pitch:03d}-{velocity:03d}"
                examples[name] = {
                    "note": len(examples), "note_str": name, "instrument": number, "instrument_str": instrument,
                    "pitch": pitch, "velocity": velocity, "sample_rate": 16000, "qualities": [0] * 10,
                    "qualities_str": ["dark"], "instrument_family": 4, "instrument_family_str": family,
                    "instrument_source": 0, "instrument_source_str": "acoustic",
                }  # fmt: skip
                save(root / f"nsynth-{split}" / "audio" / f"{name}.wav", tone(pitch))
        (root / f"nsynth-{split}" / "examples.json").write_text(json.dumps(examples, indent=4))
    return root


def maestro(root: Path, version: int = 3, *, as_json: bool = False, seconds: float = 0.6) -> Path:
    """Three competitions; version 3's json has columns, those before it rows."""
    folder = root / f"maestro-v{version}.0.0"
    rows = []
    for number, split in enumerate(("train", "train", "validation", "test")):
        year = (2018, 2018, 2017, 2006)[number]
        audio = f"{year}/MIDI-Unprocessed_Chamber{number}_MID--AUDIO_10_R3_{year}_wav--1.wav"
        save(folder / audio, np.stack([tone(60 + number, seconds)] * 2, axis=1))
        rows.append({
            "canonical_composer": "Alban Berg", "canonical_title": f"Sonata Op. {number}", "split": split,
            "year": year, "midi_filename": audio.replace(".wav", ".midi"), "audio_filename": audio, "duration": seconds,
        })  # fmt: skip
    if as_json:
        columns = {name: {str(k): row[name] for k, row in enumerate(rows)} for name in rows[0]}
        (folder / f"maestro-v{version}.0.0.json").write_text(json.dumps(columns if version == 3 else rows))
    else:
        with (folder / f"maestro-v{version}.0.0.csv").open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    return root


def guitarset(root: Path) -> Path:
    """Six players, two excerpts each, the solo a fifth above the accompaniment, in all four recordings."""
    folders = {
        "mic": "audio_mono-mic", "mix": "audio_mono-pickup_mix", "hex": "audio_hex-pickup_original",
        "hex_cln": "audio_hex-pickup_debleeded",
    }  # fmt: skip
    for player in range(6):
        for piece in ("BN1-129-Eb", "Jazz2-187-F#"):
            for part, midi in (("comp", 57.0), ("solo", 64.0)):
                excerpt = f"{player:02d}_{piece}_{part}"
                for how, folder in folders.items():
                    sound = tone(midi, 0.6 if part == "comp" else 0.5, level=0.15)
                    if how.startswith("hex"):
                        sound = np.stack([sound] + [0 * sound] * 5, axis=1)
                    save(root / folder / f"{excerpt}_{how}.wav", sound)
                annotation = root / "annotation" / f"{excerpt}.jams"
                annotation.parent.mkdir(exist_ok=True)
                annotation.write_text('{"annotations": [], "file_metadata": {"duration": 0.6}}')
    return root


def irmas(root: Path) -> Path:
    """Two instruments of ten recordings with two excerpts, and a test part with one, two and no clear labels."""
    for instrument, genre, first in (("cel", "[cla]", 1), ("gac", "[nod][jaz_blu]", 501)):
        for number in range(first, first + 10):
            for excerpt in (1, 2):
                prefix = "008__" if instrument == "gac" else ""
                name = f"{prefix}[{instrument}]{genre}{number:04d}__{excerpt}.wav"
                save(root / "IRMAS-TrainingData" / instrument / name, tone(50 + number % 20))
    save(root / "IRMAS-TrainingData" / "gac" / "009__[gac][dru][pop_roc]0900__1.wav", tone(40))
    part = root / "IRMAS-TestingData-Part1" / "Part1"
    for title, labels in (
        ("(02) dont kill the whale-1", "gac\t\n"),
        ("Cello Suite-7", "cel\n"),
        ("Duo-1", "cel\ngac\n"),
    ):
        save(part / f"{title}.wav", tone(45))
        (part / f"{title}.txt").write_text(labels)
    return root


def musicnet(root: Path, *, metadata: bool = True) -> Path:
    """Six compositions of solo violin and of solo flute; a movement of the first is the published test."""
    rows = []
    for number in range(24):
        ensemble, program = ("Solo Violin", 41) if number % 2 else ("Solo Flute", 74)
        split, name = ("test" if number == 1 else "train"), str(1700 + number)
        save(root / "musicnet" / f"{split}_data" / f"{name}.wav", tone(60 + number))
        labels = root / "musicnet" / f"{split}_labels" / f"{name}.csv"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text(
            "start_time,end_time,instrument,note,start_beat,end_beat,note_value\n"
            f"9182,90078,{program},43,4.0,1.5,Dotted Quarter\n9182,33758,{program},65,4.0,0.5,Eighth\n"
        )
        rows.append(f"{name},Bach,Partita {number // 4},{number}. Allegro,{ensemble},European Archive,x,BWV,{9}")
    if metadata:
        head = "id,composer,composition,movement,ensemble,source,transcriber,catalog_name,seconds"
        (root / "musicnet_metadata.csv").write_text("\n".join([head, *rows]) + "\n")
    return root


def fma(root: Path) -> Path:
    """Twelve tracks in three splits, with the three header rows, a genre tree, and echonest's four header rows."""
    meta = root / "fma_metadata"
    meta.mkdir(parents=True)
    (meta / "genres.csv").write_text(
        "genre_id,#tracks,parent,title,top_level\n10,13845,0,Pop,10\n12,32923,0,Rock,12\n15,34413,0,Electronic,15\n"
        "45,4106,12,Loud-Rock,12\n182,1482,15,House,15\n286,1751,15,Trip-Hop,15\n311,440,13,Lounge,13\n"
        "400,823,182,Chill-out,15\n495,2061,15,Downtempo,15\n811,1192,21,Hip-Hop Beats,21\n"
    )
    columns = [
        ("album", "title"), ("artist", "id"), ("artist", "bio"), ("set", "split"), ("set", "subset"),
        ("track", "genre_top"), ("track", "genres"), ("track", "genres_all"), ("track", "license"), ("track", "title"),
    ]  # fmt: skip
    genres = [("Pop", [10]), ("Rock", [12, 45]), ("Electronic", [15, 182, 400]), ("", [15, 10, 495])]
    sound = np.concatenate([tone(57, 3.0), np.zeros(16000, np.float32), tone(60, 3.0)])
    with (meta / "tracks.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["", *(group for group, _ in columns)])
        writer.writerow(["", *(name for _, name in columns)])
        writer.writerow(["track_id", *[""] * len(columns)])
        for number in range(12):
            split = ("training", "validation", "test")[number // 4]
            top, all_genres = genres[number % 4]
            track = 2 + 1000 * number
            writer.writerow([
                track, "Album", number, "born,\nand so on" + "x" * 140_000, split, "small", top, [all_genres[0]],
                all_genres, "Attribution-NonCommercial", "Song",
            ])  # fmt: skip
            path = root / "fma_small" / f"{track // 1000:03d}" / f"{track:06d}.mp3"
            save(path, sound, 16000)
    features = ["acousticness", "instrumentalness"]
    lines = [",echonest,echonest", ",audio_features,audio_features", "," + ",".join(features), "track_id,,"]
    lines += [f"{2 + 1000 * number},0.5,{0.9 if number % 2 else 0.1}" for number in range(12)]
    (meta / "echonest.csv").write_text("\n".join(lines) + "\n")
    return root


def iowa(root: Path) -> Path:
    """A scale with rests between its notes, one whose count is wrong, a 1997 name with a space, notes of 2012."""
    rest = np.zeros(8000, np.float32)
    scale = np.concatenate([part for midi in (67, 68, 69, 70, 71) for part in (tone(midi), rest)])
    save(root / "violin" / "Violin.arco.ff.sulG.G4B4.aiff", scale)
    save(root / "trombone" / "TenorTrombone.mf. E2B2.aiff", np.concatenate([tone(40), rest, tone(41)]))
    save(root / "violin" / "Violin.pizz.mf.sulD.A4.stereo.aif", np.stack([tone(69)] * 2, axis=1))
    save(root / "Piano.pp.Bb0.aiff", tone(22))
    save(root / "sax" / "SopSax.NoVib.ff.C4.aif", tone(60))
    (root / "readme.aiff.txt").write_text("no sound")
    return root
