"""From a trained run to a model package, through the contract checks: what does not obey the laws is not written.

run folder ─▶ recipe with its best weights ─▶ streaming module ─▶ model.onnx
│                │
offline = stepped, NaN law, look-ahead    onnxruntime = torch
└───────┬────────┘
golden sound, CARD.md, pictures ─▶ package
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError, PackageError
from realtime.features import PitchLoudnessFeatures, SpectrumFeatures
from realtime.manifest import Manifest
from realtime.package import Package, check, make_golden, write_package
from realtime.session import Session
from trainer import card
from trainer.checkpoint import load_checkpoint, load_networks, load_run
from trainer.golden_input import golden_input
from trainer.graph_part import GraphPart, draws
from trainer.recipe import Recipe, find

TOLERANCE = 1e-4
"""Largest difference, as a part of the output's peak (at least 1), of two ways to compute the same sound."""
_OPSET = 17
_TRIALS = 3  # of a module that draws at random
_FRAMES = 48  # frames of the contract's test signal, in steps, at least


@dataclass(frozen=True, slots=True)
class ContractReport:
    """What the contract checks measured; differences as parts of the peak."""

    stepped_against_offline: float
    onnxruntime_against_torch: float
    lookahead: int
    nodes: int
    parameters: int


def load_recipe(run_folder: Path, weights: Literal["best", "last"] = "best", overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a run folder with its trained weights, in eval mode, on the CPU.

    overrides: `stream.key=value`, how the package is called; ConfigError for other sections, which were learnt with.
    """
    for override in overrides:
        if not override.startswith("stream."):
            raise ConfigError(
                f"--set got {override!r}, but the run learnt with its other settings: an export changes [stream] alone"
            )
    run, config = load_run(run_folder, overrides)
    run = dataclasses.replace(run, device="cpu")
    recipe = find(run.recipe)(config, run)
    checkpoint = load_checkpoint(run_folder / f"{weights}.pt", recipe.device)
    if weights == "last" and checkpoint["average"]:
        checkpoint["networks"] |= checkpoint["average"]
    load_networks(recipe, checkpoint)
    for network in recipe.networks().values():
        network.eval()
    return recipe


def export(
    run_folder: Path,
    folder: Path,
    weights: Literal["best", "last"] = "best",
    *,
    title: str = "",
    overrides: Sequence[str] = (),
) -> tuple[Package, ContractReport]:
    """Write the package of a trained run into `folder`, whose name becomes the package's; `title` in place of its own.

    `overrides` as for `load_recipe`.

    Raises PackageError, and writes nothing, when the model breaks a law.
    """
    recipe = load_recipe(run_folder, weights, overrides)
    if not recipe.playable:
        raise PackageError(
            f"{run_folder} trained a {recipe.name}, which makes no sound: only systems that play are exported"
        )
    with torch.no_grad():
        module = recipe.streaming_module().eval()
        own = recipe.manifest()
        manifest = dataclasses.replace(own, name=folder.name, title=title or own.title)
        model = to_onnx(module, recipe.initial_states(), manifest)
        report = verify_contract(module, recipe.initial_states(), manifest, model)
        clips = recipe.clips()
    heard = golden_input(clips[0].input, clips[0].sample_rate, manifest, drawn=draws(module))
    golden = make_golden(manifest, model, heard)
    with tempfile.TemporaryDirectory() as scratch:  # played once before the card is written: its speed stands there
        trial = write_package(Path(scratch) / manifest.name, manifest, model, golden, "trial")
        speed = check(trial).real_time_factor
    text = card.text(recipe, manifest, report, run_folder, speed)
    pictures = card.pictures(clips, run_folder)
    return write_package(folder, manifest, model, golden, text, pictures), report


def to_onnx(module: nn.Module, states: tuple[Tensor, ...], manifest: Manifest) -> bytes:
    """The module as ONNX bytes with the names of the tensor law."""
    x = torch.zeros(manifest.x_shape)
    target = (torch.eye(1, len(manifest.targets)),) if manifest.targets else ()
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter is called old by torch and warns of shapes that are constants here; it folds batch
        # normalisation into convolutions and keeps a GRU one node, and nodes are what a small block costs.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (x, *target, *states),
            cast("Any", buffer),
            input_names=[spec.name for spec in manifest.inputs],
            output_names=[spec.name for spec in manifest.outputs],
            opset_version=_OPSET,
            dynamo=False,
        )
    model = buffer.getvalue()
    for part in module.modules():
        if isinstance(part, GraphPart):
            model = part.finish_graph(model)
    return model


def verify_contract(
    module: nn.Module, states: tuple[Tensor, ...], manifest: Manifest, model: bytes, seed: int = 0
) -> ContractReport:
    """Measure the laws of the package on random input; PackageError with one sentence when one is broken.

    A module that draws at random is asked up to `_TRIALS` times, each time with other input: where a probability and
    its uniform number agree to the last bit, onnxruntime may round to the other draw, and all that follows differs.
    That happens by chance, once in many; what is exported wrongly fails every time.
    """
    for trial in range(seed, seed + (_TRIALS if draws(module) else 1) - 1):
        with contextlib.suppress(PackageError):
            return _verified(module, states, manifest, model, trial)
    return _verified(module, states, manifest, model, seed + _TRIALS - 1 if draws(module) else seed)


def _verified(
    module: nn.Module, states: tuple[Tensor, ...], manifest: Manifest, model: bytes, seed: int
) -> ContractReport:
    import onnx

    steps = max(4, -(-_FRAMES // manifest.step), -(-3 * (manifest.lookahead + manifest.step) // manifest.step))
    x = probe(manifest, steps * manifest.step, seed)
    weights = np.random.default_rng(seed).random((1, max(1, len(manifest.targets))), np.float32)
    target = torch.from_numpy(weights / weights.sum()) if manifest.targets else None
    whole = offline(module, states, manifest, target)
    with torch.no_grad():
        aligned = whole(x)
        stepped = _stepped(module, states, manifest, target, x)
    delay = manifest.lookahead * _per_frame(manifest)
    streaming = _difference(stepped[..., delay:], aligned[..., : aligned.shape[-1] - delay])
    if not streaming <= TOLERANCE:
        raise PackageError(
            f"{manifest.name} played step by step differs from the whole by {streaming:.2g}, expected at most "
            f"{TOLERANCE}: it hears more than its state remembers, or normalises over time"
        )
    lookahead = measured_lookahead(whole, manifest, x, exact=hasattr(module, "offline"), drawn=draws(module))
    if lookahead != manifest.lookahead:
        raise PackageError(
            f"{manifest.name} declares a look-ahead of {manifest.lookahead} frames but hears {lookahead} ahead: "
            "declare what it hears"
        )
    played = _played(manifest, model, target, x)
    runtime = _difference(played, stepped)
    if not runtime <= TOLERANCE:
        raise PackageError(
            f"{manifest.name} in onnxruntime differs from torch by {runtime:.2g}, expected at most {TOLERANCE}: "
            "an operator was exported wrongly, so replace it in the streaming module"
        )
    parameters = sum(p.numel() for p in module.parameters())
    nodes = _nodes(onnx.load_from_string(model).graph)
    return ContractReport(streaming, runtime, lookahead, nodes, parameters)


def _nodes(graph: Any) -> int:
    """The graph's operators, and those of the loops in it."""
    inner = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    own = [node for node in graph.node if node.op_type != "Constant"]
    return len(own) + sum(map(_nodes, inner))


def offline(
    module: nn.Module, states: tuple[Tensor, ...], manifest: Manifest, target: Tensor | None
) -> Callable[[Tensor], Tensor]:
    """x of any length → y, frame t belonging to frame t: the module's own `offline`, or one call of all frames."""
    extra = () if target is None else (target,)
    own = getattr(module, "offline", None)

    def in_one_call(x: Tensor) -> Tensor:
        delay = manifest.lookahead * _per_frame(manifest)
        y: Tensor = module(x, *extra, *states)[0]
        return torch.cat([y[..., delay:], torch.zeros_like(y[..., :delay])], -1)

    return in_one_call if own is None else lambda x: cast("Tensor", own(x, *extra))


def measured_lookahead(
    whole: Callable[[Tensor], Tensor], manifest: Manifest, x: Tensor, *, exact: bool, drawn: bool = False
) -> int:
    """Frames of future that the offline output hears: by how much a change from frame n on is heard before n.

    n begins a step, where the look-ahead of a step's frames is what is declared. exact: `whole` computes each window
    apart, so that what hears no change has equal bits; then the same is asked with NaN, which nothing can hide, not the
    smaller side of a maximum and no ReLU: PackageError when it reaches further back than declared. (One call over all
    frames may multiply a future NaN by zero, as a convolution through an FFT does; the change must still not be heard.)
    drawn: the output is drawn at random, so that a change need not be heard where it could be: NaN tells there too.
    """
    n = x.shape[-1] // manifest.step // 2 * manifest.step
    changed, poisoned = x.clone(), x.clone()
    changed[..., n:] = probe(manifest, x.shape[-1], 99)[..., n:]
    poisoned[..., n:] = torch.nan
    per_frame = _per_frame(manifest)
    with torch.no_grad():
        y, y_changed = whole(x), whole(changed)
        heard = (y - y_changed).abs() > (0.0 if exact else 1e-6 * max(1.0, float(y.abs().max())))
        if exact or drawn:
            lost = ~whole(poisoned).isfinite()
            heard |= lost
    if exact:
        first_lost = int(frames[0]) // per_frame if len(frames := _any_frame(lost)) else x.shape[-1]
        if first_lost < n - manifest.lookahead:
            raise PackageError(
                f"{manifest.name} lets a NaN in frame {n} reach frame {first_lost}, {n - first_lost} back where "
                f"{manifest.lookahead} are declared: something runs over all of time"
            )
    moved = _any_frame(heard)
    if not len(moved):
        return manifest.lookahead - (x.shape[-1] - n)  # no change was heard at all: deaf, and so it cannot be right
    return n - int(moved[0]) // per_frame


def _any_frame(marked: Tensor) -> Tensor:
    return marked.flatten(0, -2).any(0).nonzero()


def probe(manifest: Manifest, frames: int, seed: int) -> Tensor:
    """Random input (…, frames) such as the engine might give: log spectra, noise, or a wandering pitch."""
    random = np.random.default_rng(seed)
    shape = (*manifest.x_shape[:-1], frames)
    if isinstance(manifest.input, PitchLoudnessFeatures):
        x = np.empty(shape, np.float32)
        low, high = np.log(manifest.input.f0_min_hz * 1.1), np.log(manifest.input.f0_max_hz * 0.9)
        walk = np.cumsum(random.normal(0, 0.02, frames)) + random.uniform(0.3, 0.7)
        x[:, 0] = np.exp(low + (high - low) * np.abs((walk % 2) - 1))
        x[:, 1] = random.uniform(-30, 0) + np.cumsum(random.normal(0, 0.2, frames))
        x[:, 2] = random.uniform(0.5, 1.0, frames)
        return torch.from_numpy(x)
    if isinstance(manifest.input, SpectrumFeatures):
        top = 1.0 if manifest.input.compression == "log_unit" else 0.0
        return torch.from_numpy(random.random(shape, np.float32) * (1.0 + top) - top)
    return torch.from_numpy(random.normal(0, 0.1, shape).astype(np.float32))


def _stepped(
    module: nn.Module, states: tuple[Tensor, ...], manifest: Manifest, target: Tensor | None, x: Tensor
) -> Tensor:
    pieces = []
    for piece in x.split(manifest.step, -1):
        y, *after = module(piece, *(() if target is None else (target,)), *states)
        states = tuple(after)
        pieces.append(y)
    return torch.cat(pieces, -1)


def _played(manifest: Manifest, model: bytes, target: Tensor | None, x: Tensor) -> Tensor:
    """The stepped output as the engine's own session computes it (which also verifies the graph's names and shapes)."""
    session = Session(Package(Path(manifest.name), manifest, model), "cpu")
    if session.target is not None and target is not None:
        session.target[:] = target.numpy()
    pieces = []
    for piece in x.split(manifest.step, -1):
        session.x[:] = piece.numpy()
        session.run()
        pieces.append(torch.from_numpy(session.y.copy()))
    return torch.cat(pieces, -1)


def _per_frame(manifest: Manifest) -> int:
    """Values of y's last axis per frame of x."""
    return manifest.y_shape[-1] // manifest.step


def _difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / max(1.0, float(b.abs().max())))
