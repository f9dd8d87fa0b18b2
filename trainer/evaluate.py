"""Evaluation of a package: does it keep the playing, does it become the target, how fast. Behind `retimbre evaluate`.

    clips (recordings index, folder, paired index) × targets ─▶ realtime.convert (the users' engine) ─▶ metrics ─▶ means

Per conversion: pitch kept, onsets kept, loudness contour, the judge's verdict, and with an aligned truth the log-mel
distance against the unconverted input's. Beside it stand the judge's ceiling (the real instruments) and its floor (the
unconverted inputs), so that a share of recognised clips can be read. Pools are over frames for pitch, over clips else.

Over 300 lines because what is measured and how it is pooled must be read together.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.audio_file import read_audio
from realtime.controls import Controls
from realtime.convert import convert
from realtime.errors import DataError
from realtime.features import PitchLoudnessFeatures
from realtime.manifest import Manifest, Target
from realtime.octave import OctaveChooser
from realtime.package import Package
from realtime.pitch import PitchLoudnessTracker
from realtime.resample import resample_signal
from trainer import metrics
from trainer.judge import SAMPLE_RATE, Judge, class_of

Audio = NDArray[np.float32]
SHORTEST_S = 1.0
FEWEST_VOICED = 0.25  # share of confident frames below which a clip is not monophonic enough to ask about its pitch


@dataclass(frozen=True, slots=True)
class Clip:
    """One input; `truths` are the same playing on other instruments, aligned, by domain."""

    name: str
    domain: str
    signal: Audio
    sample_rate: int
    truths: dict[str, Audio] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """One clip converted to one target."""

    clip: str
    origin: str
    target: str
    seconds: float
    speed: float
    faults: int
    voiced: int
    kept: int
    octave_errors: int
    lost_voicing: int
    octaves: float
    onset_f: float | None
    contour: float | None
    named: str | None
    confidence: float | None
    distance_db: float | None
    input_distance_db: float | None
    distance_to: str | None = None


@dataclass(slots=True)
class Report:
    """Everything that was measured, ready for JSON."""

    package: str
    latency_ms: float
    sample_rate: int
    targets: list[dict[str, Any]] = field(default_factory=list)
    overall: dict[str, Any] = field(default_factory=dict)
    judge: dict[str, Any] = field(default_factory=dict)
    measured: list[Measured] = field(default_factory=list)


# -- what is listened to -------------------------------------------------------------------------------------------


def read_index(path: Path) -> dict[str, Any]:
    """An index.json of `retimbre prepare`; DataError when it is none."""
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({error}): give the index.json that `retimbre prepare` wrote."
        ) from error
    if "sample_rate" not in index or not ("recordings" in index or "pairs" in index):
        raise DataError(
            f"{path} is no index of recordings or pairs: give the index.json that `retimbre prepare` wrote."
        )
    return index


def clips_of_recordings(
    path: Path, splits: Collection[str], domains: Collection[str] = (), limit: int | None = None
) -> list[Clip]:
    """Recordings of `splits` that are phrases (no single notes), at most `limit` of each domain."""
    index, counts, clips = read_index(path), Counter[str](), []
    for row in index["recordings"]:
        domain = str(row["domain"])
        if row["split"] not in splits or row.get("midi") is not None or row["seconds"] < SHORTEST_S:
            continue
        if domains and domain not in domains:
            continue
        counts[domain] += 1
        if limit is None or counts[domain] <= limit:
            clips.append(_read(path.parent / row["file"], Path(row["file"]).stem, domain))
    return clips


def clips_of_folder(folder: Path) -> list[Clip]:
    """Every sound file below `folder`; the domain is the folder that it lies in."""
    suffixes = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"}
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if not files:
        raise DataError(f"{folder} holds no sound files (wav, flac, ogg, mp3, aiff): give a folder of clips.")
    return [_read(path, path.relative_to(folder).as_posix(), path.parent.name) for path in files]


def clips_of_pairs(
    path: Path, origins: Collection[str], targets: Collection[str], splits: Collection[str], limit: int | None = None
) -> list[Clip]:
    """Pairs of `splits` that hold one of `origins` (none given: any but the targets), with the truths."""
    index, clips = read_index(path), []
    chosen = [pair for pair in index["pairs"] if pair["split"] in splits]
    for pair in chosen if limit is None else chosen[:limit]:
        files: dict[str, str] = pair["files"]
        truths = {name: _read(path.parent / files[name], name, name).signal for name in files if name in targets}
        for origin, file in files.items():
            if origin in origins or (not origins and origin not in targets):
                clip = _read(path.parent / file, f"{pair['id']}/{origin}", origin)
                others = {name: signal for name, signal in truths.items() if name != origin}
                clips.append(Clip(clip.name, clip.domain, clip.signal, clip.sample_rate, others))
    return clips


def _read(path: Path, name: str, domain: str) -> Clip:
    audio = read_audio(path)
    return Clip(name, domain, np.ascontiguousarray(audio.signal.mean(axis=0), np.float32), audio.sample_rate)


# -- one conversion ------------------------------------------------------------------------------------------------


def asked_shift(signal: Audio, sample_rate: int, manifest: Manifest, target: Target | None, controls: Controls) -> Any:
    """Semitones that the engine adds to each frame of the reference tracker: the transposition and its octaves.

    The engine's octave is a function of its own pitch frames, so it is computed as the chain does; 0 for packages
    that do not take pitch. Returns (times_s, semitones), both (frames,).
    """
    features = manifest.input
    if not isinstance(features, PitchLoudnessFeatures):
        return np.zeros(1), np.zeros(1)
    audio = resample_signal(np.atleast_2d(signal), sample_rate, manifest.sample_rate)[0]
    frames = PitchLoudnessTracker(manifest.sample_rate, features).track(audio)
    chooser = OctaveChooser(manifest.sample_rate / features.hop)
    if target is not None and controls.octave == "auto":
        chooser.aim(target.low_hz, target.high_hz, controls.transpose_semitones)
    octaves = [chooser.push(float(f0), float(periodicity), float(level)) for f0, level, periodicity in frames.T]
    times = (np.arange(len(octaves)) + 1) * features.hop / manifest.sample_rate
    times -= features.delay_samples / manifest.sample_rate
    return times, 12.0 * np.asarray(octaves, np.float64) + controls.transpose_semitones


def measure(
    package: Package,
    clip: Clip,
    target: Target | None,
    judge: Judge | None,
    *,
    octave: str = "auto",
    provider: str = "cpu",
) -> tuple[Measured, Audio]:
    """Convert `clip` to `target` (None: what it makes has no name) and measure; also returns the converted signal."""
    manifest = package.manifest
    weights = tuple(float(one.name == target.name) for one in manifest.targets) if target and manifest.targets else None
    controls = Controls().with_changes(target=weights, octave=octave)
    began = time.perf_counter()
    conversion = convert(clip.signal, clip.sample_rate, package, controls, provider=provider)  # type: ignore[arg-type]
    taken = time.perf_counter() - began
    made, rate = conversion.signal, clip.sample_rate
    given_track, made_track = metrics.track_pitch(clip.signal, rate), metrics.track_pitch(made, rate)
    times, semitones = asked_shift(clip.signal, rate, manifest, target, controls)
    shift = semitones[np.clip(np.searchsorted(times, given_track.times_s), 0, len(semitones) - 1)]
    confident = float(np.mean(given_track.confidence >= metrics.CONFIDENT)) if len(given_track.confidence) else 0.0
    agreement = metrics.PitchAgreement(0, 0, 0, 0)
    if confident >= FEWEST_VOICED:
        agreement = metrics.pitch_kept(given_track, made_track, shift)
    named = confidence = None
    if judge is not None:
        likely = judge.probabilities(made, rate)
        named, confidence = judge.classes[int(np.argmax(likely))], None
        if target is not None and class_of(target.name) in judge.classes:
            confidence = float(likely[judge.classes.index(class_of(target.name))])
    distance = input_distance = truth_name = None
    truth_name = target.name if target is not None else next(iter(clip.truths), None)
    if truth_name is not None and truth_name in clip.truths:
        truth = clip.truths[truth_name]
        distance = metrics.log_mel_distance_db(made, truth, rate)
        input_distance = metrics.log_mel_distance_db(clip.signal, truth, rate)
    else:
        truth_name = None
    given_onsets, made_onsets = metrics.onset_times(clip.signal, rate), metrics.onset_times(made, rate)
    seconds = len(clip.signal) / rate
    return Measured(
        clip=clip.name,
        origin=clip.domain,
        target="" if target is None else target.name,
        seconds=round(seconds, 3),
        speed=seconds / taken,
        faults=conversion.faults,
        voiced=agreement.voiced,
        kept=agreement.kept,
        octave_errors=agreement.octave_errors,
        lost_voicing=agreement.unvoiced,
        octaves=float(np.median(shift)) / 12.0,
        onset_f=metrics.onset_f_measure(given_onsets, made_onsets),
        contour=metrics.contour_correlation(clip.signal, made, rate),
        named=named,
        confidence=confidence,
        distance_db=distance,
        input_distance_db=input_distance,
        distance_to=truth_name,
    ), made


# -- many ----------------------------------------------------------------------------------------------------------


def evaluate(
    package: Package,
    clips: Sequence[Clip],
    judge: Judge | None,
    *,
    targets: Collection[str] = (),
    told: Callable[[Measured, Clip, Audio], None] | None = None,
) -> Report:
    """Convert every clip to every target (`targets`: only these) and sum up; `told` hears of each conversion.

    A package without targets makes one sound; `targets` may name it, for its truths and for the judge.
    Clips with truths are converted at their written pitch (octave off), because the truth is at that pitch. Raises
    DataError for a target that the package lacks, or when no clip is of another instrument than the targets.
    """
    manifest = package.manifest
    known = [target.name for target in manifest.targets]
    for name in targets:
        if known and name not in known:
            raise DataError(f"{package.name} has no target {name!r}: choose from {', '.join(known)}.")
    if not known and len(targets) > 1:
        raise DataError(f"{package.name} makes one sound, but {len(targets)} targets are named: name that one.")
    makes = manifest.targets or tuple(Target(name, name) for name in targets)
    chosen: list[Target | None] = [t for t in makes if not targets or t.name in targets] or [None]
    report = Report(package.name, 1000.0 * manifest.latency_samples / manifest.sample_rate, manifest.sample_rate)
    for target in chosen:
        for clip in clips:
            # A violin to a violin says nothing about a conversion of timbre, and a truth needs its partner.
            if target is not None and (class_of(clip.domain) == class_of(target.name)):
                continue
            if clip.truths and target is not None and target.name not in clip.truths:
                continue
            found, made = measure(package, clip, target, judge, octave="off" if clip.truths else "auto")
            report.measured.append(found)
            if told is not None:
                told(found, clip, made)
    if not report.measured:
        heard, made_of = sorted({clip.domain for clip in clips}), [t.name for t in chosen if t is not None]
        raise DataError(
            f"There are clips of {', '.join(heard)} alone, and {package.name} makes {', '.join(made_of)}: there is "
            "nothing to convert; give clips of other instruments with --clips, --recordings or --paired (which needs a "
            "truth for every target)."
        )
    for target in chosen:
        name = "" if target is None else target.name
        rows = [row for row in report.measured if row.target == name]
        report.targets.append({"target": name, **summary(rows, judge)})
    report.overall = summary(report.measured, judge)
    shares = [row["recognised"] for row in report.targets if row["recognised"] is not None]
    report.overall["recognised_worst"] = min(shares, default=None)
    if judge is not None:
        report.judge["accuracy_by_card"] = judge.accuracy
        report.judge["floor"] = floor(clips, [t.name for t in chosen if t is not None], judge)
    return report


def summary(rows: Sequence[Measured], judge: Judge | None) -> dict[str, Any]:
    """Means over conversions: pitch over pooled frames, all else over clips; None where nothing was measurable."""
    voiced = sum(row.voiced for row in rows)
    counted = [
        row for row in rows if judge is not None and class_of(row.target) in judge.classes and row.named is not None
    ]
    pairs = [row for row in rows if row.distance_db is not None and row.input_distance_db is not None]
    distance = _mean(row.distance_db for row in pairs)
    input_distance = _mean(row.input_distance_db for row in pairs)
    return {
        "clips": len(rows),
        "seconds": round(sum(row.seconds for row in rows), 1),
        "voiced_frames": voiced,
        "pitch_kept": sum(row.kept for row in rows) / voiced if voiced else None,
        "octave_errors": sum(row.octave_errors for row in rows) / voiced if voiced else None,
        "lost_voicing": sum(row.lost_voicing for row in rows) / voiced if voiced else None,
        "transposed_clips": sum(abs(row.octaves) >= 1 for row in rows),
        "onset_f": _mean(row.onset_f for row in rows),
        "loudness_correlation": _mean(row.contour for row in rows),
        "recognised": _mean(float(row.named == class_of(row.target)) for row in counted),
        "probability": _mean(row.confidence for row in counted),
        "named": dict(Counter(row.named for row in counted).most_common()),
        "distance_db": distance,
        "input_distance_db": input_distance,
        "distance_reduction": 1.0 - distance / input_distance if distance is not None and input_distance else None,
        "speed": _mean(row.speed for row in rows),
        "faults": sum(row.faults for row in rows),
    }


def floor(clips: Sequence[Clip], targets: Sequence[str], judge: Judge) -> dict[str, Any]:
    """How the judge names the unconverted inputs: right (its accuracy on them), and as each target (chance)."""
    named = [(class_of(clip.domain), judge.name(clip.signal, clip.sample_rate)) for clip in clips]
    judged = [(origin, name) for origin, name in named if origin in judge.classes]
    share = {
        target: _mean(float(name == class_of(target)) for origin, name in named if origin != class_of(target))
        for target in targets
    }
    return {
        "inputs_named_right": _mean(float(origin == name) for origin, name in judged),
        "inputs_named_as_target": share,
    }


def ceiling(path: Path, targets: Iterable[str], judge: Judge) -> dict[str, Any]:
    """How the judge names the real targets: phrases it never heard, and single notes sequenced into melodies.

    Notes are of the validation sources, or of the training sources where a target has no others.
    """
    from trainer.excerpts import excerpt, load_bank

    result: dict[str, Any] = {}
    unheard = [split for split in ("validation", "test") if split not in judge.splits]
    for target in targets:
        wanted = class_of(target)
        phrases = [c for c in clips_of_recordings(path, unheard) if class_of(c.domain) == wanted]
        named = [judge.name(clip.signal, clip.sample_rate) == wanted for clip in phrases]
        bank = load_bank([path], ("validation",), (wanted,))
        seen = wanted not in bank.sounds
        if seen:
            bank = load_bank([path], ("train",), (wanted,))
        melodies = [excerpt(bank, wanted, 6.0, np.random.default_rng([7, number])) for number in range(12)]
        result[target] = {
            "phrases": len(phrases),
            "phrases_recognised": _mean(map(float, named)),
            "melodies_recognised": _mean(float(judge.name(one, SAMPLE_RATE) == wanted) for one in melodies),
            "melodies_seen_by_judge": seen or "validation" in judge.splits,
        }
    return result


def to_json(report: Report) -> str:
    """The report as JSON text."""
    return json.dumps(asdict(report), indent=1, default=float) + "\n"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
