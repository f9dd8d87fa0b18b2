"""`retimbre evaluate PACKAGE`: does a model keep the playing, become its target, and how fast, on unseen sound.

`retimbre evaluate RUN_FOLDER` of a classifier: its accuracy and confusion matrix (trainer.classifier_report).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from realtime.package import Package
    from trainer.evaluate import Clip, Measured
    from trainer.evaluation_report import Example

MOST_PICTURES = 6
PICTURES_IN_CARD = 4


def register(app: typer.Typer) -> None:
    """Add `evaluate`."""
    app.command("evaluate")(evaluate)


def evaluate(
    model: Annotated[str, typer.Argument(metavar="PACKAGE", help="A model's name or folder, or a classifier's run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for report.json, report.md and pictures.")],
    recordings: Annotated[
        Path | None, typer.Option(help="index.json of `prepare recordings`: its phrases are converted.")
    ] = None,
    split: Annotated[
        str,
        typer.Option(help="Parts of the indexes, separated by commas; left out: test (a classifier: validation too)."),
    ] = "",
    domains: Annotated[str, typer.Option(help="Only these origins among the recordings, separated by commas.")] = "",
    clips: Annotated[Path | None, typer.Option(help="A folder of sound files to convert as well.")] = None,
    paired: Annotated[
        Path | None, typer.Option(help="index.json of `prepare paired`: converted and compared with the truth.")
    ] = None,
    paired_split: Annotated[str, typer.Option(help="Parts of the paired index to use.")] = "validation,test",
    origins: Annotated[str, typer.Option(help="Origins among the pairs; left out: all that are no target.")] = "",
    targets: Annotated[
        str, typer.Option(help="Only these targets, separated by commas; of a package without targets: what it makes.")
    ] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many clips per origin, and pairs.")] = None,
    judge_folder: Annotated[
        Path | None, typer.Option("--judge", help="Folder of another judge (classifier.onnx); left out: ours.")
    ] = None,
    no_judge: Annotated[bool, typer.Option("--no-judge", help="Do not ask what instrument is heard.")] = False,
    keep_audio: Annotated[
        bool, typer.Option("--keep-audio", help="Write every converted clip below OUT/audio.")
    ] = False,
    card: Annotated[str, typer.Option(help="Also write the results into the package's card, under this heading.")] = "",
) -> None:
    """Measure a package on sound it was not trained on: pitch, onsets, loudness, timbre, speed; table, pictures."""
    from rich.console import Console
    from rich.progress import Progress

    from realtime.errors import ConfigError
    from realtime.package import resolve
    from trainer import evaluate as work
    from trainer.evaluation_report import print_report, write_report
    from trainer.judge import Judge

    if (Path(model) / "config.json").is_file():
        _classifier(Path(model), out, recordings, _words(split), limit)
        return
    package = resolve(model)
    known = [target.name for target in package.manifest.targets]
    wanted = _words(targets)
    material: list[Clip] = []
    if recordings is not None:
        material += work.clips_of_recordings(recordings, _words(split or "test"), _words(domains), limit)
    if clips is not None:
        material += work.clips_of_folder(clips)
    if paired is not None:
        truths = wanted or known or _words(",".join(_instruments(work.read_index(paired), _words(origins))))
        material += work.clips_of_pairs(paired, _words(origins), truths, _words(paired_split), limit)
    if not material:
        raise ConfigError(
            "There is nothing to convert: give --recordings, --clips or --paired, and a split that has clips."
        )
    judge = None if no_judge else Judge(judge_folder)
    console = Console()
    gallery = _Gallery(package, recordings, out / "audio" if keep_audio else None)
    with Progress(console=console, transient=True) as bar:
        row = bar.add_task("converting", total=len(material) * max(1, len(wanted or known)))

        def told(found: Measured, clip: Clip, made: NDArray[float32]) -> None:
            bar.advance(row)
            gallery.keep(found, clip, made)

        report = work.evaluate(package, material, judge, targets=wanted, told=told)
    if judge is not None and recordings is not None and (wanted or known):
        report.judge["ceiling"] = work.ceiling(recordings, wanted or known, judge)
    write_report(report, out, gallery.examples)
    print_report(report, console)
    if card:
        from trainer.card import smaller, with_section

        text = (out / "report.md").read_text(encoding="utf-8").partition("\n")[2]
        shown = ["targets.png", *(f"clip_{number}.png" for number in range(1, len(gallery.examples) + 1))][
            :PICTURES_IN_CARD
        ]
        text = "\n".join(
            line for line in text.split("\n") if not line.startswith("![") or any(n in line for n in shown)
        )
        with_section(package, card, text, {name: smaller(out / name) for name in shown})
    console.print(f"{out / 'report.md'}, report.json and {1 + len(gallery.examples)} pictures beside it")


def _classifier(run: Path, out: Path, recordings: Path | None, splits: tuple[str, ...], limit: int | None) -> None:
    """A classifier's accuracy and confusion matrices, printed and written."""
    from rich.console import Console

    from trainer import classifier_report as work

    indexes = [] if recordings is None else [recordings]
    report = work.measure(run, indexes, splits or ("validation", "test"), limit)
    work.write_report(report, out)
    console = Console()
    work.print_report(report, console)
    console.print(f"{out / 'report.md'} and report.json", soft_wrap=True)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _instruments(index: dict[str, list[dict[str, dict[str, str]]]], origins: tuple[str, ...]) -> list[str]:
    """The instruments of a paired index that are no origins: the truths of a package without named targets."""
    return sorted({name for pair in index["pairs"] for name in pair["files"]} - set(origins))


class _Gallery:
    """Keeps the first conversion to each target, with a real recording of it, to be drawn; writes audio if asked."""

    def __init__(self, package: Package, recordings: Path | None, audio: Path | None) -> None:
        self.examples: list[Example] = []
        self._seen: set[str] = set()
        self._package, self._recordings, self._audio = package, recordings, audio

    def keep(self, found: Measured, clip: Clip, made: NDArray[float32]) -> None:
        from realtime.audio_file import write_audio
        from trainer.evaluation_report import Example

        if self._audio is not None:
            folder = self._audio / (found.target or self._package.name)
            folder.mkdir(parents=True, exist_ok=True)
            write_audio(folder / (clip.name.replace("/", "_") + ".flac"), made[None], clip.sample_rate)
        if found.target in self._seen or len(self.examples) >= MOST_PICTURES:
            return
        self._seen.add(found.target)
        real, rate = clip.truths.get(found.distance_to or ""), clip.sample_rate
        if real is None and found.target:
            real, rate = self._real(found.target)
        title = f"{clip.name} to {found.target or self._package.name}"
        self.examples.append(Example(title, clip.sample_rate, clip.signal, made, real, rate))

    def _real(self, target: str) -> tuple[NDArray[float32] | None, int]:
        from trainer.evaluate import clips_of_recordings
        from trainer.judge import class_of

        if self._recordings is not None:
            for one in clips_of_recordings(self._recordings, ("test", "validation")):
                if class_of(one.domain) == class_of(target):
                    return one.signal, one.sample_rate
        return None, 1
