"""Convolutional autoencoders, row M9: fixed-size log spectrograms rebuilt, or turned into another instrument's.

Paper: M. Paterna, "Timbre modification using deep learning", Aalborg University 2017 (our document T). Spectra of one
second of single notes, n_fft 1024, hop 512 at 22 kHz, ln(1 + |S|), all 513 bins × 44 frames. Building blocks, each of
n channels, ReLU throughout (the output too, as spectra are not negative):

    plain             x ─▶ 3×3                                    residual          … + x ─▶ ReLU
    dilated           x ─┬▶ 3×3, dilation (2, 1) ─▶ max           dilated_residual  … + x ─▶ ReLU, pooled 2×2
                         └▶ 5×5, dilation (4, 2) ─┘

    (1, 513, 44) ─E₀─▶ code ─D₀─▶ (1, 513, 44)                                     shallow
    (1, 513, 44) ─E₀─▶ ─pool 2×2─E₁─▶ ─pool 2×2─E₂─▶ code ─D₂─▶ ─up─D₁─▶ ─up─D₀─▶  stacked, layer by layer

Layer by layer: for `layer_steps` steps E₀ and D₀ learn alone; then E₁, D₁ and D₀ learn while E₀ is held; and so on
(Vincent et al. 2010). Sparsity: β · Σ KL(ρ ‖ mean activation of each channel of the code), ρ = 0.01, β = 0.5
(Ng, "Sparse autoencoder"); L1 or L2 on the weights; dropout before each convolution of the encoder.

Changed against the document: while it learns, the output's ReLU leaks by 0.1 below zero. Without that our runs of
dilated_residual ended in silence, zero everywhere; the document sees its values "squashed close to zero".

Where the document is silent or draws only a picture: the two dilated paths are taken to be parallel and merged by
their maximum in encoder and decoder alike; pooling lies between the layers of a stack, and after the block of
dilated_residual; what was pooled is brought back by nearest neighbours; a shortcut from 1 to n channels repeats the
picture, from n to m ≠ n it is a 1 × 1 convolution; the weight of L1 and L2 is ours. The learning rate's decay of 1e-6
a step changes it by a thousandth over the document's whole run: `run.schedule` takes its place.

Streaming: the window wrapper of `trainer.streaming` over the fixed size, its look-ahead at most `stream.lookahead` and
never more than the convolutions reach.

Longer than 300 lines because a system is one file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError, DataError
from realtime.features import SpectrumFeatures
from realtime.manifest import Manifest
from trainer.config import RunConfig, setting
from trainer.data import Recording, Recordings, read_recording
from trainer.distributed import Dropout
from trainer.paired_spectra import magnitudes, spread
from trainer.recipe import Clip, Recipe, register
from trainer.spectral_package import Stream, spectral_manifest
from trainer.spectral_play import play
from trainer.streaming import WindowWrapper

SILENCE = 0.0  # log1p of no sound
CLIP_SECONDS = 2.0
OUTPUT_LEAK = 0.1
Form = Literal["plain", "residual", "dilated", "dilated_residual"]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NoteData:
    """`[data]`: single notes; one instrument is rebuilt, two are paired by their pitch."""

    index: Path = setting(meaning="index.json of `retimbre prepare recordings`; its rate is the system's")
    origin: str = setting("piano", "the domain that is heard")
    target: str = setting("", "the domain that it becomes, note by note of the same pitch; empty: itself")
    validation_notes: int = setting(48, "most notes of the validation split that are judged", minimum=1)
    clips: int = setting(2, "validation notes that are shown and played", minimum=1, maximum=8)


@dataclass(frozen=True, slots=True)
class AutoencoderModel:
    """`[model]`."""

    n_fft: int = setting(1024, "samples of a spectrogram frame", minimum=16)
    hop: int = setting(512, "samples between frames", minimum=8)
    frames: int = setting(44, "frames of the fixed-size spectrogram: a second at 22 kHz", minimum=4)
    scale: float = setting(1.0, "magnitudes are multiplied by this before the logarithm; 1: as the document", minimum=0)
    form: Form = setting("plain", "the building block")
    channels: tuple[int, ...] = setting((256,), "channels of each layer, the first layer first", minimum=1)
    pool: int = setting(2, "size of the max-pooling; 1: none, every layer at full size", minimum=1, maximum=4)
    dropout: float = setting(0.1, "before each convolution of the encoder", minimum=0, maximum=0.9)


@dataclass(frozen=True, slots=True)
class AutoencoderTraining:
    """`[training]`."""

    learning_rate: float = setting(1e-3, "Adam's", minimum=0)
    layer_steps: int = setting(1000, "steps after which the next layer of a stack is laid on the last", minimum=1)
    regularisation: Literal["l1", "l2", "none"] = setting("l2", "of the weights that learn")
    weight_decay: float = setting(1e-4, "weight of that: λ·Σ|w|, or λ/2·Σw²", minimum=0)
    sparsity: float = setting(
        0.01, "ρ, the mean activation wanted of a channel of the code", minimum=1e-6, maximum=0.99
    )
    sparsity_weight: float = setting(0.5, "β; 0: the code need not be sparse", minimum=0)


@dataclass(frozen=True, slots=True)
class WindowStream(Stream):
    """`[stream]`: how the exported package is called."""

    step: int = setting(4, "frames a call", minimum=1)
    lookahead: int = setting(8, "most frames of future that are heard before a frame is given", minimum=0)
    phase: Literal["input", "gradient"] = setting("gradient", "the input's own phase, or one built from the magnitudes")


@dataclass(frozen=True, slots=True)
class AutoencoderConfig:
    """The sections of the run file."""

    data: NoteData
    model: AutoencoderModel = field(default_factory=AutoencoderModel)
    training: AutoencoderTraining = field(default_factory=AutoencoderTraining)
    stream: WindowStream = field(default_factory=WindowStream)


class Merge(nn.Module):
    """One convolution, or the maximum of two dilated ones: (B, n, F, T) → (B, m, F, T) ≥ 0."""

    def __init__(self, inside: int, outside: int, *, dilated: bool, leak: float = 0.0) -> None:
        super().__init__()
        self.leak = leak
        if dilated:
            paths = [
                nn.Conv2d(inside, outside, 3, padding=(2, 1), dilation=(2, 1)),
                nn.Conv2d(inside, outside, 5, padding=(8, 4), dilation=(4, 2)),
            ]
        else:
            paths = [nn.Conv2d(inside, outside, 3, padding=1)]
        self.paths = nn.ModuleList(paths)
        for path in paths:
            nn.init.kaiming_normal_(path.weight, nonlinearity="relu")
            assert path.bias is not None
            nn.init.zeros_(path.bias)

    def forward(self, x: Tensor) -> Tensor:
        """ReLU of the maximum: the maximum of the ReLUs; while it learns, negative values leak through by `leak`."""
        made: Tensor = self.paths[0](x)
        for path in self.paths[1:]:
            made = torch.maximum(made, path(x))
        return functional.leaky_relu(made, self.leak) if self.training and self.leak else functional.relu(made)


class Encoder(nn.Module):
    """A layer of the encoder: dropout, `Merge`, and with a shortcut the picture itself added."""

    def __init__(self, inside: int, outside: int, form: Form, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.merge = Merge(inside, outside, dilated=form.startswith("dilated"))
        self.shortcut: nn.Module | None = None
        if form.endswith("residual"):
            same = inside in {1, outside}
            self.shortcut = nn.Identity() if same else nn.Conv2d(inside, outside, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n, F, T) → (B, m, F, T)."""
        made: Tensor = self.merge(self.dropout(x))
        return made if self.shortcut is None else functional.relu(made + self.shortcut(x))


class AutoencoderNetwork(nn.Module):
    """Log spectrograms (B, 1, bins, frames) to log spectrograms, by the first `depth` layers or by all."""

    def __init__(self, form: Form, channels: tuple[int, ...], dropout: float, pool: int = 2) -> None:
        super().__init__()
        self.pool = pool
        if not channels:
            raise ConfigError("model.channels is empty, expected one number for each layer: [256] is the shallow one")
        self.pooled_last = form == "dilated_residual"
        widths = (1, *channels)
        pairs = list(zip(widths[:-1], channels, strict=True))
        self.encoders = nn.ModuleList(Encoder(inside, outside, form, dropout) for inside, outside in pairs)
        # An output that is negative everywhere has no gradient through ReLU and stays silent for ever.
        self.decoders = nn.ModuleList(
            Merge(outside, inside, dilated=form.startswith("dilated"), leak=0.0 if layer else OUTPUT_LEAK)
            for layer, (inside, outside) in enumerate(pairs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The rebuilt or transformed spectrogram."""
        return self.parts(x, len(self.encoders))[0]

    def parts(self, x: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """The result of the first `depth` layers and their code."""
        sizes: list[tuple[int, int] | None] = []
        for layer in range(depth):
            size = None
            if layer > 0 and not self.pooled_last:
                x, size = functional.max_pool2d(x, self.pool), (x.shape[2], x.shape[3])
            x = self.encoders[layer](x)
            if self.pooled_last:
                x, size = functional.max_pool2d(x, self.pool), (x.shape[2], x.shape[3])
            sizes.append(size)
        code = x
        for layer in reversed(range(depth)):
            size = sizes[layer]
            if self.pooled_last and size is not None:
                x = functional.interpolate(x, size=size, mode="nearest")
            x = self.decoders[layer](x)
            if not self.pooled_last and size is not None:
                x = functional.interpolate(x, size=size, mode="nearest")
        return x, code


def reach(form: Form, layers: int, window: int, step: int, pool: int = 2) -> int:
    """Frames of future that the first frame to be given may hear: what the network's convolutions span in time.

    Every weight made positive and every activation alive, so that nothing that could be heard is masked.
    """
    network = AutoencoderNetwork(form, (1,) * layers, 0.0, pool).double().eval()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1.0 / 25)
    x = torch.ones(1, 1, 16 * pool**layers, window, dtype=torch.float64)
    changed = x.clone()
    changed[..., window - step :] = 1e6
    with torch.no_grad():
        heard = ((network(changed) / network(x) - 1.0).abs() > 1e-6).flatten(0, 2).any(0).nonzero()
    return window - step - int(heard[0])


@dataclass(frozen=True, slots=True)
class NotePair:
    """What is heard and what it should become."""

    x: Recording
    y: Recording


@register("autoencoder")
class Autoencoder(Recipe):
    """Rebuilds notes, or turns each into another instrument's, through a sparse code; layer by layer."""

    Config = AutoencoderConfig
    metric = "error"
    config: AutoencoderConfig

    def __init__(self, config: AutoencoderConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        model, training = config.model, config.training
        self.recordings = Recordings.read(config.data.index)
        self.features = SpectrumFeatures(model.n_fft, model.hop, model.n_fft // 2 + 1, "linear", "log1p", model.scale)
        self.pairs = {split: self._pairs(split) for split in ("train", "validation")}
        self.network = AutoencoderNetwork(model.form, model.channels, model.dropout, model.pool).to(self.device)
        self._stages: list[list[nn.Parameter]] = [
            [*self.network.encoders[depth].parameters(), *self.network.decoders[: depth + 1].parameters()]
            for depth in range(len(model.channels))
        ]
        self._optimizers: dict[str, torch.optim.Optimizer] = {
            f"layer_{depth}": torch.optim.Adam(learnt, training.learning_rate)
            for depth, learnt in enumerate(self._stages)
        }
        self._spectra: dict[Path, FloatArray] = {}

    def _pairs(self, split: str) -> tuple[NotePair, ...]:
        data = self.config.data
        heard = self.recordings.of(data.origin, split)
        if not data.target:
            return tuple(NotePair(row, row) for row in heard)
        wanted = self.recordings.of(data.target, split)
        pairs = tuple(
            NotePair(x, y)
            for x in heard
            for y in wanted
            if x.midi is not None and y.midi is not None and round(x.midi) == round(y.midi)
        )
        if not pairs:
            raise DataError(
                f"{data.index} has no {split} note that both {data.origin} and {data.target} play: record the same "
                "pitches of both, or change the split"
            )
        return pairs

    def networks(self) -> dict[str, nn.Module]:
        """One network."""
        return {"autoencoder": self.network}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One for each layer that is laid on; D₀ … D_k learn with E_k."""
        return self._optimizers

    def depth(self, step: int) -> int:
        """Layers that take part at `step`."""
        return min(step // self.config.training.layer_steps + 1, len(self._stages))

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """x and y (items, 1, bins, frames) of random notes."""
        chosen = []
        for item in items:
            rng = np.random.default_rng([self.run.seed, step, item])
            chosen.append(self.pairs["train"][int(rng.integers(len(self.pairs["train"])))])
        return {"x": self._stacked([p.x for p in chosen]), "y": self._stacked([p.y for p in chosen])}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """mean (G(x) − y)² + sparsity of the code + L1 or L2, for the newest layer and the decoder alone."""
        depth = self.depth(step)
        made, code = self.network.parts(batch["x"], depth)
        error = functional.mse_loss(made, batch["y"])
        loss = error + self.penalties(code, depth)
        self.descend(f"layer_{depth - 1}", loss)
        return {"error": error, "loss": loss}

    def penalties(self, code: Tensor, depth: int) -> Tensor:
        """β·Σ KL(ρ ‖ ρ̂) over the code's channels, and λ on the weights that learn at this depth."""
        training = self.config.training
        total = code.new_zeros(())
        if training.sparsity_weight > 0:
            wanted = training.sparsity
            active = code.mean((0, 2, 3)).clamp(1e-6, 1 - 1e-6)
            divergence = wanted * torch.log(wanted / active) + (1 - wanted) * torch.log((1 - wanted) / (1 - active))
            total = total + training.sparsity_weight * divergence.sum()
        weights = [p for p in self._stages[depth - 1] if p.dim() > 1]
        if training.regularisation == "l1":
            total = total + training.weight_decay * torch.stack([w.abs().sum() for w in weights]).sum()
        elif training.regularisation == "l2":
            total = total + training.weight_decay / 2 * torch.stack([w.square().sum() for w in weights]).sum()
        return total

    def validate(self) -> dict[str, float]:
        """error: mean (G(x) − y)² of the whole network; relative_error: its part of y²; input_error: that of x."""
        depth, seen = len(self._stages), 0
        sums = torch.zeros(4, dtype=torch.float64)
        for x, y in self._validation:
            made, code = self.network.parts(x.to(self.device), depth)
            made, count = made.cpu(), len(x)
            error = (made - y).square().mean()
            numbers = (error, error + self.penalties(code, depth).cpu(), y.square().mean(), (x - y).square().mean())
            sums += count * torch.tensor([float(n) for n in numbers], dtype=torch.float64)
            seen += count
        error_, loss, power, unconverted = (sums / seen).tolist()
        return {"error": error_, "loss": loss, "relative_error": error_ / power, "input_error": unconverted}

    def clips(self) -> list[Clip]:
        """The first validation notes, as the exported package would play them."""
        return [
            Clip(
                pair.x.path.stem,
                self.recordings.sample_rate,
                (heard := self._signal(pair.x, CLIP_SECONDS)),
                self.play_through(heard),
                self._signal(pair.y, CLIP_SECONDS),
            )
            for pair in spread(list(self.pairs["validation"]), self.config.data.clips)
        ]

    def play_through(self, signal: FloatArray) -> FloatArray:
        """A whole signal (samples,) → the same length, aligned, as the exported package would play it."""
        return play(signal, self.features, self.config.stream.phase, self._wrapper().offline, self.device)

    def streaming_module(self) -> nn.Module:
        """The network in its window."""
        return self._wrapper().cpu().eval()

    def initial_states(self) -> tuple[Tensor, ...]:
        """The frames before the first."""
        return (self._wrapper().initial_state(),)

    @cached_property
    def lookahead(self) -> int:
        """Frames of future that the package waits for."""
        model, stream = self.config.model, self.config.stream
        return min(stream.lookahead, reach(model.form, len(model.channels), model.frames, stream.step, model.pool))

    def manifest(self) -> Manifest:
        """Spectrum in, spectrum out."""
        data = self.config.data
        to = data.target or data.origin
        licences = sorted({row.licence for pairs in self.pairs.values() for p in pairs for row in (p.x, p.y)})
        made = f"Turns notes of {data.origin} into {to}" if data.target else f"Rebuilds notes of {data.origin}"
        return spectral_manifest(
            self,
            name=f"{data.origin}_to_{to}",
            title=f"{data.origin} to {to}".replace("_", " ").capitalize(),
            description=f"{made} through a sparse code; learnt from single notes.",
            sample_rate=self.recordings.sample_rate,
            features=self.features,
            licences=licences,
            lookahead=self.lookahead,
        )

    def card(self) -> str:
        """What it was made of."""
        data, model = self.config.data, self.config.model
        task = f"to turn {data.origin} into {data.target}" if data.target else f"to rebuild {data.origin}"
        channels = ", ".join(map(str, model.channels))
        counts = [len(self.pairs[split]) for split in ("train", "validation")]
        return "\n".join(
            [
                f"A convolutional autoencoder (Paterna 2017; {model.form}, channels {channels}),",
                f"trained {task}: {counts[0]} pairs of notes to learn from,",
                f"{counts[1]} to judge by.",
                "",
                "## Limits",
                "",
                "It learnt single notes and hears a second at a time; chords, speech and noise are nothing it knows.",
            ]
        )

    def _signal(self, row: Recording, seconds: float = 0.0) -> FloatArray:
        """The fixed size's length of a note, or `seconds`, from its beginning."""
        model = self.config.model
        samples = round(seconds * self.recordings.sample_rate) or model.frames * model.hop
        signal = np.zeros(samples, np.float32)
        part = read_recording(row.path)[:samples]
        signal[: len(part)] = part
        return signal

    def _spectrum(self, row: Recording) -> FloatArray:
        if row.path not in self._spectra:
            self._spectra[row.path] = magnitudes(self._signal(row), self.features)
        return self._spectra[row.path]

    def _stacked(self, rows: list[Recording]) -> Tensor:
        return torch.from_numpy(np.stack([self._spectrum(row) for row in rows])[:, None])

    @cached_property
    def _validation(self) -> list[tuple[Tensor, Tensor]]:
        chosen = spread(list(self.pairs["validation"]), self.config.data.validation_notes)
        parts = [chosen[start : start + 4] for start in range(0, len(chosen), 4)]
        return [(self._stacked([p.x for p in part]), self._stacked([p.y for p in part])) for part in parts]

    def _wrapper(self) -> WindowWrapper:
        model, stream = self.config.model, self.config.stream
        return WindowWrapper(
            self.network,
            bins=self.features.bins,
            window=model.frames,
            step=stream.step,
            lookahead=self.lookahead,
            silence=SILENCE,
        )

    @classmethod
    def tiny(cls, material: Path) -> AutoencoderConfig:
        """Two dilated layers of four channels on 257 × 16."""
        recordings = Recordings.read(material / "recordings" / "index.json")
        origin, target = recordings.domains()[:2]
        return AutoencoderConfig(
            NoteData(material / "recordings" / "index.json", origin, target, validation_notes=2, clips=1),
            AutoencoderModel(n_fft=512, hop=256, frames=16, form="dilated_residual", channels=(4, 4)),
            AutoencoderTraining(learning_rate=1e-4, layer_steps=2),
            WindowStream(step=8, lookahead=5),
        )
