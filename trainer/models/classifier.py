"""Classifier: names the instrument in two seconds of sound; the judge of every generator, trained apart from them all.

After rows M1 and M2 (PatchGAN and "timbral" classifier): the whole frequency axis lies in the receptive field, stride 2
on frequency and 1 on time, every column of time gives a verdict and the verdicts of the sounding columns are averaged.

    x (B, 1, 96, T) log-mel ─▶ 3×3 stride (2, 1) ─▶ … five times, 96 → 3 bands ─▶ 3×3 without padding on frequency
      ─▶ dropout ─▶ 1×1 ─▶ logits per column ─▶ mean over columns within 40 dB of the loudest ─▶ (B, classes)

Changed against the rows: many classes instead of two, log-mel instead of a linear spectrogram, batch normalisation (it
is no streaming system), label smoothing. No sound comes out, so it makes no package: `write_judge` writes
`classifier.onnx` and `classifier.json`, which `trainer.judge` runs.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from realtime.manifest import Manifest
from trainer import excerpts, judge
from trainer.config import RunConfig, setting
from trainer.recipe import Clip, Recipe, register

SILENT_COLUMN = 1.0 - 2.0 * 40.0 / judge.FLOOR_DB  # 40 dB below the loudest band, on log_mel's scale
INSTRUMENTS = (
    *("bassoon", "cello", "clarinet", "flute", "french_horn", "guitar", "harp"),
    *("organ", "piano", "saxophone", "trombone", "trumpet", "violin", "voice"),
)


@dataclass(frozen=True, slots=True)
class ClassifierData:
    """`[data]`: real recordings of every class."""

    indexes: tuple[Path, ...] = setting(meaning="indexes written by `retimbre prepare recordings`; all are merged")
    classes: tuple[str, ...] = setting(INSTRUMENTS, "the instruments to tell apart")
    splits: tuple[str, ...] = setting(("train",), "the parts of the data that are learnt from")
    seconds: float = setting(2.0, "length of an excerpt", minimum=0.5, maximum=10.0)
    validation_excerpts: int = setting(16, "excerpts of each class that validation listens to", minimum=1)


@dataclass(frozen=True, slots=True)
class ClassifierModel:
    """`[model]`."""

    widths: tuple[int, ...] = setting((24, 32, 48, 64, 96, 128), "channels of the six convolutions")
    dropout: float = setting(0.3, "share of the last channels that is dropped in training", minimum=0, maximum=0.9)


@dataclass(frozen=True, slots=True)
class ClassifierTraining:
    """`[training]`."""

    learning_rate: float = setting(2e-3, "of AdamW", minimum=0)
    weight_decay: float = setting(1e-2, "of AdamW", minimum=0)
    smoothing: float = setting(0.05, "label smoothing", minimum=0, maximum=0.5)
    masked_bands: int = setting(10, "longest run of bands hidden at a time", minimum=0, maximum=48)


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """The sections of the run file."""

    data: ClassifierData
    model: ClassifierModel
    training: ClassifierTraining


class InstrumentNetwork(nn.Module):
    """Log-mel (B, 1, 96, T) to logits (B, classes)."""

    def __init__(self, model: ClassifierModel, classes: int) -> None:
        super().__init__()
        if len(model.widths) != 6:
            raise ConfigError(f"model.widths has {len(model.widths)} numbers, expected 6: one per convolution")
        layers: list[nn.Module] = []
        previous = 1
        for number, width in enumerate(model.widths):
            last = number == 5  # 96 bands halved five times are 3: the last convolution folds them into one
            layers += [
                nn.Conv2d(previous, width, 3, (2, 1), (0 if last else 1, 1), bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            previous = width
        self.columns = nn.Sequential(*layers, nn.Dropout2d(model.dropout), nn.Conv2d(previous, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Mean of the columns' logits over those that sound."""
        logits = self.columns(x)[:, :, 0]
        sounding = (x.amax(dim=(1, 2)) > SILENT_COLUMN).to(x.dtype)[:, None]
        mean: Tensor = (logits * sounding).sum(2) / sounding.sum(2).clamp(min=1.0)
        return mean


@register("classifier")
class Classifier(Recipe):
    """The recipe: balanced classes, balanced sources, cross-entropy."""

    Config = ClassifierConfig
    metric = "error"
    playable = False

    def __init__(self, config: ClassifierConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        self.network = InstrumentNetwork(config.model, len(config.data.classes)).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.training.learning_rate, weight_decay=config.training.weight_decay
        )
        self._bank: excerpts.Bank | None = None
        self._unseen: tuple[Tensor, Tensor] | None = None

    def networks(self) -> dict[str, nn.Module]:
        """One network."""
        return {"classifier": self.network}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One optimizer."""
        return {"classifier": self.optimizer}

    @property
    def bank(self) -> excerpts.Bank:
        """The training recordings, read on first use."""
        if self._bank is None:
            data = self.config.data
            self._bank = excerpts.load_bank(data.indexes, data.splits, data.classes)
        return self._bank

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """Log-mels `x` (items, 1, 96, T) and class numbers `label`; classes take turns over a shuffled order."""
        data = self.config.data
        count = len(data.classes)
        spectra, labels = [], []
        for item in items:
            rng = np.random.default_rng([self.run.seed, step, item])
            place = step * self.run.batch + item
            order = np.random.default_rng([self.run.seed, place // count]).permutation(count)
            label = int(order[place % count])
            audio = excerpts.excerpt(self.bank, data.classes[label], data.seconds, rng)
            spectrum = judge.log_mel(excerpts.colour(audio, rng))
            if (longest := self.config.training.masked_bands) > 0 and rng.random() < 0.5:
                start = int(rng.integers(judge.BANDS - longest))
                spectrum[start : start + int(rng.integers(1, longest + 1))] = -1.0
            spectra.append(spectrum)
            labels.append(label)
        return {"x": torch.from_numpy(np.stack(spectra)[:, None]), "label": torch.tensor(labels)}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """Cross-entropy."""
        logits = self.network(batch["x"])
        loss = nn.functional.cross_entropy(logits, batch["label"], label_smoothing=self.config.training.smoothing)
        self.descend("classifier", loss)
        right = (logits.argmax(1) == batch["label"]).float().mean()
        return {"cross_entropy": loss.detach(), "accuracy": right}

    def validate(self) -> dict[str, float]:
        """Share of wrongly named excerpts of the validation sources, each class counting the same."""
        x, label = self._validation()
        self.network.eval()
        with torch.no_grad():
            named = torch.cat([self.network(part.to(self.device)).argmax(1).cpu() for part in x.split(32)])
        metrics = {
            f"accuracy_{self.config.data.classes[int(c)]}": float((named[label == c] == c).float().mean())
            for c in label.unique()
        }
        return {"error": 1.0 - float(np.mean(list(metrics.values()))), **metrics}

    def _validation(self) -> tuple[Tensor, Tensor]:
        if self._unseen is None:
            data = self.config.data
            bank = excerpts.load_bank(data.indexes, ("validation",), data.classes)
            names = bank.classes()
            if not names:  # a user's small set without one: the training sources, dry
                bank, names = self.bank, self.bank.classes()
            spectra, labels = [], []
            for name in names:
                for number in range(data.validation_excerpts):
                    rng = np.random.default_rng([data.classes.index(name), number])
                    spectra.append(judge.log_mel(excerpts.excerpt(bank, name, data.seconds, rng)))
                    labels.append(data.classes.index(name))
            self._unseen = torch.from_numpy(np.stack(spectra)[:, None]), torch.tensor(labels)
        return self._unseen

    def clips(self) -> list[Clip]:
        """None: nothing sounds."""
        return []

    def streaming_module(self) -> nn.Module:
        """Refused: a classifier plays nothing."""
        raise ConfigError(_NO_PACKAGE)

    def initial_states(self) -> tuple[Tensor, ...]:
        """No state."""
        return ()

    def manifest(self) -> Manifest:
        """Refused: a classifier plays nothing."""
        raise ConfigError(_NO_PACKAGE)

    def card(self) -> str:
        """What it is."""
        return f"# classifier\n\nNames one of: {', '.join(self.config.data.classes)}.\n"

    @classmethod
    def tiny(cls, material: Path) -> ClassifierConfig:
        """Two classes, narrow."""
        index = material / "recordings" / "index.json"
        rows = json.loads(index.read_text(encoding="utf-8"))["recordings"]
        classes = tuple(sorted({judge.class_of(r["domain"]) for r in rows if r["split"] == "train"}))[:2]
        return ClassifierConfig(
            ClassifierData(indexes=(index,), classes=classes, validation_excerpts=2),
            ClassifierModel(widths=(4, 4, 4, 4, 4, 4)),
            ClassifierTraining(),
        )


_NO_PACKAGE = (
    "A classifier makes no sound and so no package: write it for `retimbre evaluate` with "
    "`python -m trainer.judge.write RUN_FOLDER`."
)


def write_judge(network: InstrumentNetwork, data: ClassifierData, accuracy: Mapping[str, Any], folder: Path) -> None:
    """Write `classifier.onnx` and `classifier.json` for `trainer.judge.Judge`; `accuracy` is recorded as given."""
    network = network.cpu().eval()
    example = torch.zeros(1, 1, judge.BANDS, 77)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # As in trainer.export: torch calls the tracing exporter old, but it folds batch normalisation away.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            cast("Any", buffer),
            input_names=["x"],
            output_names=["logits"],
            dynamo=False,
            dynamic_axes={"x": {3: "frames"}},
            opset_version=17,
        )
    model = buffer.getvalue()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classifier.onnx").write_bytes(model)
    about = {
        "classes": list(data.classes),
        "splits": list(data.splits),
        "sha256": hashlib.sha256(model).hexdigest(),
        "accuracy": dict(accuracy),
    }
    (folder / "classifier.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
