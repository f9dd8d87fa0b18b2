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

import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from trainer import judge
from trainer.classification import ClassifierRecipe, ClassifierTraining, InstrumentData, tiny_data
from trainer.config import RunConfig, setting
from trainer.distributed import BatchNorm2d, Dropout
from trainer.recipe import register

SILENT_COLUMN = 1.0 - 2.0 * 40.0 / judge.FLOOR_DB  # 40 dB below the loudest band, on log_mel's scale


@dataclass(frozen=True, slots=True)
class ClassifierModel:
    """`[model]`."""

    widths: tuple[int, ...] = setting((24, 32, 48, 64, 96, 128), "channels of the six convolutions")
    dropout: float = setting(0.3, "share of the last channels that is dropped in training", minimum=0, maximum=0.9)


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """The sections of the run file."""

    data: InstrumentData
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
                BatchNorm2d(width),
                nn.ReLU(),
            ]
            previous = width
        self.columns = nn.Sequential(
            *layers, Dropout(model.dropout, whole_channels=True), nn.Conv2d(previous, classes, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mean of the columns' logits over those that sound."""
        logits = self.columns(x)[:, :, 0]
        sounding = (x.amax(dim=(1, 2)) > SILENT_COLUMN).to(x.dtype)[:, None]
        mean: Tensor = (logits * sounding).sum(2) / sounding.sum(2).clamp(min=1.0)
        return mean


@register("classifier")
class Classifier(ClassifierRecipe):
    """The recipe: balanced classes, balanced sources, cross-entropy."""

    Config = ClassifierConfig

    def __init__(self, config: ClassifierConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        self.network = InstrumentNetwork(config.model, len(config.data.classes)).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.training.learning_rate, weight_decay=config.training.weight_decay
        )

    def loss(self, output: Tensor, label: Tensor) -> Tensor:
        """Cross-entropy."""
        return nn.functional.cross_entropy(output, label, label_smoothing=self.config.training.smoothing)

    @classmethod
    def tiny(cls, material: Path) -> ClassifierConfig:
        """Two classes, narrow."""
        return ClassifierConfig(
            tiny_data(InstrumentData, material), ClassifierModel(widths=(4, 4, 4, 4, 4, 4)), ClassifierTraining()
        )


def write_judge(network: nn.Module, data: InstrumentData, accuracy: Mapping[str, Any], folder: Path) -> None:
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
