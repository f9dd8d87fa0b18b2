"""What every classifier of instruments does alike: balanced excerpts, validation by unseen sources, an error to lower.

    indexes ─▶ trainer.excerpts (a phrase, or a melody of one source's notes, in another room) ─▶ log-mel (1, 96, T)
            ─▶ the system's network ─▶ scores (B, classes) ─▶ the largest is the name

Classes take turns over a shuffled order. Drawing an excerpt costs more than a small network learns from it: with
`data.pool` so many are drawn once, and each time one is heard it gets another equaliser (a curve added to the log-mel
picture) and hidden bands; with `data.cache` the drawn ones are kept on disk, so that several systems hear the same.
Scores are compared, so they may be logits or distances to a label. The loss is the system's own.

Over 300 lines: the recipe of the judge and that of the patch networks are one with two endings.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainer import excerpts, judge
from trainer.config import RunConfig, setting
from trainer.recipe import UnplayableRecipe

INSTRUMENTS = (
    *("bassoon", "cello", "clarinet", "flute", "french_horn", "guitar", "harp"),
    *("organ", "piano", "saxophone", "trombone", "trumpet", "violin", "voice"),
)
Spectra = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class InstrumentData:
    """`[data]`: real recordings of every class."""

    indexes: tuple[Path, ...] = setting(meaning="indexes written by `retimbre prepare recordings`; all are merged")
    classes: tuple[str, ...] = setting(INSTRUMENTS, "the instruments to tell apart")
    splits: tuple[str, ...] = setting(("train",), "the parts of the data that are learnt from")
    seconds: float = setting(2.0, "length of an excerpt", minimum=0.5, maximum=10.0)
    validation_excerpts: int = setting(16, "excerpts of each class that validation listens to", minimum=1)
    coloured: float = setting(1.0, "share of excerpts heard in another room, through noise", minimum=0, maximum=1)
    pool: int = setting(0, "excerpts of each class that are drawn once and heard again; 0: always new", minimum=0)
    cache: Path | None = setting(None, "folder that keeps drawn excerpts for the next run; none: draw them each time")


@dataclass(frozen=True, slots=True)
class ClassifierTraining:
    """`[training]`."""

    learning_rate: float = setting(2e-3, "of AdamW", minimum=0)
    weight_decay: float = setting(1e-2, "of AdamW", minimum=0)
    smoothing: float = setting(0.05, "label smoothing", minimum=0, maximum=0.5)
    masked_bands: int = setting(10, "longest run of bands hidden at a time", minimum=0, maximum=48)


_NO_PACKAGE = (
    "A classifier makes no sound and so no package: ask `retimbre evaluate RUN_FOLDER` for its accuracy, or make the "
    "judge's files of a run of `classifier` with `python -m trainer.judge.write RUN_FOLDER`."
)


class ClassifierRecipe(UnplayableRecipe):
    """A recipe with one network that names instruments; a system adds the network and its loss."""

    metric = "error"
    no_package = _NO_PACKAGE
    network: nn.Module
    optimizer: torch.optim.Optimizer

    def __init__(self, config: Any, run: RunConfig) -> None:
        super().__init__(config, run)
        self._bank: excerpts.Bank | None = None
        self._pool: dict[str, Spectra] = {}
        self._unseen: tuple[Tensor, Tensor] | None = None

    @abstractmethod
    def loss(self, output: Tensor, label: Tensor) -> Tensor:
        """Scalar loss of the network's output for class numbers `label`."""

    def scores(self, x: Tensor) -> Tensor:
        """Log-mels (B, 1, 96, T) to scores (B, classes); the largest is the verdict."""
        made: Tensor = self.network(x)
        return made

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
            spectrum = self._heard(data.classes[label], rng)
            if (longest := self.config.training.masked_bands) > 0 and rng.random() < 0.5:
                start = int(rng.integers(judge.BANDS - longest))
                spectrum[start : start + int(rng.integers(1, longest + 1))] = -1.0
            spectra.append(spectrum)
            labels.append(label)
        return {"x": torch.from_numpy(np.stack(spectra)[:, None]), "label": torch.tensor(labels)}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """The system's loss."""
        output = self.network(batch["x"])
        loss = self.loss(output, batch["label"])
        self.descend("classifier", loss)
        right = (self.verdict(output).argmax(1) == batch["label"]).float().mean()
        return {"loss": loss.detach(), "accuracy": right}

    def verdict(self, output: Tensor) -> Tensor:
        """The network's output as scores (B, classes)."""
        return output

    def validate(self) -> dict[str, float]:
        """Share of wrongly named excerpts of the validation sources, each class counting the same."""
        x, label = self._validation()
        self.network.eval()
        with torch.no_grad():
            named = torch.cat([self.scores(part.to(self.device)).argmax(1).cpu() for part in x.split(32)])
        metrics = {
            f"accuracy_{self.config.data.classes[int(c)]}": float((named[label == c] == c).float().mean())
            for c in label.unique()
        }
        return {"error": 1.0 - float(np.mean(list(metrics.values()))), **metrics}

    def _heard(self, name: str, rng: np.random.Generator) -> Spectra:
        data = self.config.data
        if not data.pool:
            return self._drawn(name, rng)
        if name not in self._pool:
            self._pool[name] = self._drawn_pool(name)
        # A copy: hidden bands are written into it.
        return equalised(self._pool[name][int(rng.integers(data.pool))], rng)

    def _drawn(self, name: str, rng: np.random.Generator) -> Spectra:
        audio = excerpts.excerpt(self.bank, name, self.config.data.seconds, rng)
        share = self.config.data.coloured
        # At 1 no number is drawn, so that a run of the judge hears what it always heard.
        return judge.log_mel(excerpts.colour(audio, rng) if share >= 1.0 or rng.random() < share else audio)

    def _drawn_pool(self, name: str) -> Spectra:
        data = self.config.data
        asked = [
            [str(p) for p in data.indexes],
            list(data.splits),
            name,
            data.seconds,
            data.pool,
            data.coloured,
            self.run.seed,
        ]
        kept = None
        if data.cache is not None:
            key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
            kept = data.cache / f"{name}-{key}.npy"
            if kept.is_file():
                pool: Spectra = np.load(kept)
                return pool
        drawn = []
        for number in range(data.pool):
            rng = np.random.default_rng([self.run.seed, 1, number])
            drawn.append(self._drawn(name, rng))
        pool = np.stack(drawn)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            beside = kept.with_suffix(".tmp.npy")
            np.save(beside, pool)
            beside.replace(kept)
        return pool

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

    def card(self) -> str:
        """What it is."""
        return f"# {self.name}\n\nNames one of: {', '.join(self.config.data.classes)}.\n"


OutputKind = Literal["linear", "sigmoid"]


@dataclass(frozen=True, slots=True)
class PatchTraining:
    """`[training]` of the systems whose network judges patches."""

    learning_rate: float = setting(2e-4, "Adam's", minimum=0)
    beta1: float = setting(0.5, "Adam's first moment", minimum=0, maximum=0.999)
    output: OutputKind = setting("sigmoid", "linear: squared distance to the label; sigmoid: cross-entropy")
    masked_bands: int = setting(10, "longest run of bands hidden at a time", minimum=0, maximum=48)


class PatchClassifierRecipe(ClassifierRecipe):
    """A classifier whose network gives a map of verdicts; the loss is on every patch, the name on their mean.

    Two classes have one output, as in the document: 0 is the first class, 1 the second. More have one each. `linear`
    is trained on the squared distance to the label and `sigmoid` (for many classes: softmax) on cross-entropy, as the
    document's own starting point, the CycleGAN authors' code, pairs them.
    """

    @property
    def outputs(self) -> int:
        """Channels of the network's last layer."""
        classes = len(self.config.data.classes)
        return 1 if classes == 2 else classes

    def begin(self, network: nn.Module) -> None:
        """Keep the network, start its weights by He's rule and give it Adam.

        PatchGAN's own N(0, 0.02) fits its widths alone: 4 channels lose the signal layer by layer, 2048 gain half.
        """
        training = self.config.training
        for module in network.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, 0.2)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.network = network.to(self.device)
        self.optimizer = torch.optim.Adam(network.parameters(), training.learning_rate, (training.beta1, 0.999))

    def loss(self, output: Tensor, label: Tensor) -> Tensor:
        """Mean over patches."""
        patches = output.flatten(2)
        linear = self.config.training.output == "linear"
        if self.outputs == 1:
            wanted = label.to(patches.dtype)[:, None, None].expand_as(patches)
            distance = nn.functional.mse_loss if linear else nn.functional.binary_cross_entropy_with_logits
            return distance(patches, wanted)
        if linear:
            wanted = nn.functional.one_hot(label, self.outputs).to(patches.dtype)[:, :, None].expand_as(patches)
            return nn.functional.mse_loss(patches, wanted)
        return nn.functional.cross_entropy(patches, label[:, None].expand(-1, patches.shape[2]))

    def verdict(self, output: Tensor) -> Tensor:
        """The mean over patches, (B, classes)."""
        mean = output.flatten(2).mean(2)
        if self.outputs > 1:
            return mean
        second = mean - 0.5 if self.config.training.output == "linear" else mean
        return torch.cat([-second, second], 1)

    def scores(self, x: Tensor) -> Tensor:
        """The mean verdict over patches."""
        return self.verdict(self.network(x))


def equalised(spectrum: Spectra, rng: np.random.Generator) -> Spectra:
    """A copy of a log-mel picture (96, T) in −1…1 behind another equaliser; +1 stays the loudest band and frame."""
    place = np.linspace(-1.0, 1.0, len(spectrum))
    gain_db = rng.normal(0.0, 3.0) * place
    for _ in range(3):
        gain_db = gain_db + rng.normal(0.0, 3.0) * np.exp(
            -(((place - rng.uniform(-1, 1)) / rng.uniform(0.1, 0.5)) ** 2)
        )
    # What lies on the floor is silence or unknown: no equaliser makes it sound.
    moved = np.where(spectrum > -1.0, spectrum + (2.0 / judge.FLOOR_DB) * gain_db[:, None], -1.0)
    made: Spectra = np.clip(moved - (moved.max() - 1.0), -1.0, 1.0).astype(np.float32)
    return made


Data = TypeVar("Data", bound=InstrumentData)


def tiny_data(kind: type[Data], material: Path) -> Data:
    """Two classes of made-up material, for tests and the zoo."""
    index = material / "recordings" / "index.json"
    rows = json.loads(index.read_text(encoding="utf-8"))["recordings"]
    classes = tuple(sorted({judge.class_of(r["domain"]) for r in rows if r["split"] == "train"}))[:2]
    return kind(indexes=(index,), classes=classes, validation_excerpts=2)
