"""CARD.md and its pictures: what a model is, what it learnt from, how well it does, what it looks like."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.latency import latency
from realtime.manifest import Manifest
from realtime.package import Package, write_package
from trainer.monitor import read_metrics, spectrogram_picture
from trainer.recipe import Clip, Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trainer.export import ContractReport

LARGEST_PICTURE = 150_000
"""Bytes: pictures live in git beside the model."""


def text(recipe: Recipe, manifest: Manifest, report: ContractReport, run_folder: Path, speed: float) -> str:
    """The Markdown of a package's card."""
    records = [r for r in read_metrics(run_folder / "metrics.jsonl") if r["kind"] == "validation"]
    best = min(records, key=lambda r: r[recipe.metric], default=None)
    delay = latency(manifest)
    rows = [
        ("system", f"`{manifest.architecture}`"),
        ("parameters", f"{report.parameters:,}".replace(",", " ")),
        ("graph", f"{report.nodes} nodes"),
        ("sample rate", f"{manifest.sample_rate} Hz"),
        ("call", f"{manifest.step_samples} samples"),
        ("algorithmic latency", f"{delay.total_ms:.1f} ms, of it look-ahead {delay.parts_ms()['lookahead']:.1f} ms"),
        ("speed where it was exported", f"{speed:.1f} × real time on one core"),
        ("stepped = offline", f"{report.stepped_against_offline:.1e} of the peak"),
        ("onnxruntime = torch", f"{report.onnxruntime_against_torch:.1e} of the peak"),
        ("licence of the code", manifest.licences.code),
        ("licence of the weights", manifest.licences.weights),
        ("licence of the data", manifest.licences.data),
    ]
    numbers = [(k, f"{v:.5g}") for k, v in best.items() if k not in ("kind", "seconds")] if best else []
    parts = [
        f"# {manifest.title}\n",
        manifest.description + "\n",
        recipe.card().strip() + "\n",
        "## Facts\n",
        _table(("fact", "value"), rows),
        "## Validation\n" if numbers else "",
        _table(("measure", "best checkpoint"), numbers) if numbers else "",
        "## Training\n" if records else "",
        "![Curves](curves.png)\n" if records else "",
        "## Heard and made\n",
        "![Spectrograms of input, output and truth](clips.png)\n",
    ]
    return "\n".join(part for part in parts if part)


def pictures(clips: Sequence[Clip], run_folder: Path) -> dict[str, bytes]:
    """clips.png (input, output, truth of each clip) and, once something was trained, curves.png."""
    drawn = {"clips.png": _png(_draw_clips(clips))}
    records = read_metrics(run_folder / "metrics.jsonl")
    if records:
        drawn["curves.png"] = _png(_draw_curves(records))
    return drawn


def _draw_clips(clips: Sequence[Clip]) -> Figure:
    from matplotlib.figure import Figure

    shown = list(clips)[:3]
    figure = Figure(figsize=(9, 2.2 * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), 3, squeeze=False)
    for row, clip in zip(axes, shown, strict=True):
        for axis, name in zip(row, ("input", "output", "truth"), strict=True):
            signal = getattr(clip, name)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_title(f"{clip.name}: {name}" if signal is not None else "no truth", fontsize=7)
            if signal is not None:
                axis.imshow(spectrogram_picture(signal), aspect="auto")
    return figure


def _draw_curves(records: Sequence[dict[str, Any]]) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, NullLocator

    names = sorted({k for r in records for k in r if k not in ("kind", "step", "seconds")})
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    # Places by hand, few ticks and one legend: laid out by matplotlib, thirty curves cost five seconds.
    width, height = 3.2 * columns, 2.2 * rows
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(
        left=0.45 / width, right=1 - 0.1 / width, bottom=0.3 / height, top=1 - 0.3 / height, wspace=0.2, hspace=0.35
    )
    axes = list(figure.subplots(rows, columns, squeeze=False, sharex=True).flat)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    for axis, name in zip(axes, names, strict=False):
        for kind, colour in (("train", "C0"), ("validation", "C1")):
            points = [(r["step"], r[name]) for r in records if r["kind"] == kind and name in r]
            if points or axis is axes[0]:  # whose legend names both
                axis.plot([x for x, _ in points], [y for _, y in points], colour, label=kind, linewidth=1)
        drawn = [r[name] for r in records if name in r]
        if min(drawn) > 0 and max(drawn) > 5 * min(drawn):  # the first steps would flatten all the others
            axis.set_yscale("log")
            axis.yaxis.set_minor_locator(NullLocator())
        else:
            axis.yaxis.set_major_locator(MaxNLocator(4))
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.set_title(name, fontsize=8)
        axis.tick_params(labelsize=6)
    axes[0].legend(fontsize=6)
    return figure


def with_section(package: Package, title: str, text: str, pictures: Mapping[str, bytes]) -> Package:
    """Write `text` (Markdown) and its pictures into the package's card under `## title`, replacing what stood there."""
    kept = {
        name: (package.folder / name).read_bytes()
        for name in package.manifest.files
        if name.endswith(".png") and not name.startswith(_slug(title) + "-")
    }
    named = {f"{_slug(title)}-{name}": data for name, data in pictures.items()}
    for name in pictures:
        text = text.replace(f"]({name})", f"]({_slug(title)}-{name})")
    before, _, rest = package.card().partition(f"## {title}\n")
    _, heading, after = rest.partition("\n## ")
    card = f"{before.rstrip()}\n\n## {title}\n\n{text.strip()}\n{heading}{after}"
    return write_package(package.folder, package.manifest, package.model, package.golden(), card, kept | named)


def smaller(path: Path) -> bytes:
    """The picture in `path` with 64 colours, halved until it fits beside a model."""
    from PIL import Image

    picture = Image.open(path).convert("RGB")
    while True:
        out = io.BytesIO()
        picture.quantize(64).save(out, "PNG", optimize=True)
        if out.tell() <= LARGEST_PICTURE:
            return out.getvalue()
        picture = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4))


def _slug(title: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))[:40]


def _png(figure: Figure) -> bytes:
    """A PNG no larger than LARGEST_PICTURE: fewer dots, and then fewer colours, until it fits."""
    from PIL import Image

    data = b""
    for dpi in (100, 80, 60, 40, 25):
        buffer, packed = io.BytesIO(), io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi)
        Image.open(buffer).convert("RGB").quantize(64).save(packed, format="png", optimize=True)
        data = packed.getvalue()
        if len(data) <= LARGEST_PICTURE:
            break
    return data


def _table(head: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)]
    return "\n".join(lines) + "\n"
