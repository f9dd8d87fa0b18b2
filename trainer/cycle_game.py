"""The game of two generators that undo each other, each against a discriminator of the domain that it makes.

    a ──G_ab──▶ made b ──G_ba──▶ a again           b ──G_ba──▶ made a ──G_ab──▶ b again
                  │                                              │
                 D_b ◀── replay ◀── …, real b                   D_a ◀── replay ◀── …, real a

    n times:  D_b, D_a   w · (D(real) against 1, D(a fake of now or earlier) against 0), or a critic's loss
    once:     G_ab, G_ba adversarial + 10 · |again − first| + i(step) · |G_ab(b) − b|, both directions

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017; Gulrajani et
al. 2017 (gradient penalty) and Huang et al., "TimbreTron", ICLR 2019 (diminishing identity). `CycleGame` is the part of
a recipe that CycleGAN and TimbreTron share: networks, step, and what is judged; pictures are (batch, 1, bins, frames)
in log_unit, made by the recipe.

Changed: both generators are updated from one sum instead of one after the other: a network's gradient is the same (the
terms of the other do not contain it), and each fake is computed once where the papers compute it four times. Fakes for
the discriminators are those of this step, since the generators have not moved. T4, the mean relative forward-cycle
error |G(F(x)) − x| / |x|, counts x from silence; beside it stands `cycle_seen`, with x as the network sees it.

Model parallel (`trainer.placement`): G_ab and D_b live on the first device, G_ba and D_a on `second_device`, or with
`run.model_parallel` in a process of their own; inside the graph only the two fakes cross.

Longer than 300 lines with its settings: one algorithm, told once.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from trainer import cycle_checks, losses, placement
from trainer.config import setting
from trainer.discriminators import DiscriminatorKind, NormalisationKind, unconditional
from trainer.monitor import read_metrics
from trainer.recipe import Recipe
from trainer.replay import ReplayBuffer
from trainer.resnet import OutputKind, ResNetGenerator, UpKind, fits
from trainer.two_domains import DIRECTIONS, SIDES, Side, TwoDomains

_AT_ONCE = 4  # pictures that validation gives to a network in one call


# No slots, so that a recipe's [model] may inherit them beside settings of its own.
@dataclass(frozen=True)
class GameNetworks:
    """Generators and discriminators, as a run file's section holds them."""

    width: int = setting(32, "channels of the generators' first layer (16, 32, 64 were tried)", minimum=1)
    downs: int = setting(3, "strided layers: 3 the ResNet, 6 the strided autoencoder", minimum=1, maximum=8)
    blocks: int = setting(9, "residual blocks in the middle", minimum=0, maximum=32)
    widest: int = setting(8, "the most channels, in widths", minimum=1)
    output: OutputKind = setting("direct", "what the generator gives: the picture, or its change")
    up: UpKind = setting("transposed", "how it grows again: transposed convolutions, or nearest neighbour (TimbreTron)")
    discriminator: DiscriminatorKind = setting("patch", "70 × 70 patches, the dissertation's, or the whole spectrum")
    discriminator_width: int = setting(64, "channels of the discriminators' first layer", minimum=1)
    discriminator_multiplier: int = setting(1, "timbral alone: channels against the layer before", minimum=1)
    discriminator_normalisation: NormalisationKind = setting("instance", "patch alone")

    def generator(self, bins: int, frames: int) -> ResNetGenerator:
        """A generator for pictures of this size."""
        return ResNetGenerator(
            bins, frames, width=self.width, downs=self.downs, blocks=self.blocks, widest=self.widest,
            output=self.output, up=self.up,
        )  # fmt: skip

    def judge(self, bins: int, frames: int) -> nn.Module:
        """A discriminator for pictures of this size; ConfigError when they are too small for it."""
        network = unconditional(
            self.discriminator, bins=bins, frames=frames, width=self.discriminator_width,
            multiplier=self.discriminator_multiplier, normalisation=self.discriminator_normalisation,
        )  # fmt: skip
        # Measured: instance normalisation costs more with channels last than its convolutions gain.
        layout = torch.contiguous_format if self.discriminator == "patch" else torch.channels_last
        return network.to(memory_format=layout)  # type: ignore[call-overload,no-any-return]


# No slots, for the same reason.
@dataclass(frozen=True)
class GameTraining:
    """The game's settings in `[training]`."""

    game: losses.GameKind = setting("lsgan", "least squares, or Wasserstein with gradient penalty")
    learning_rate: float = setting(2e-4, "Adam's, for both generators", minimum=0)
    discriminator_learning_rate: float = setting(2e-4, "Adam's, for both discriminators", minimum=0)
    beta1: float = setting(0.5, "Adam's first moment", minimum=0, maximum=0.999)
    cycle_weight: float = setting(10.0, "of |again − first| against the game", minimum=0)
    identity_weight: float = setting(5.0, "of |G_ab(b) − b| against the game, at the start", minimum=0)
    identity_steps: int = setting(0, "steps over which that weight falls to nothing; 0: it stays", minimum=0)
    discriminator_steps: int = setting(2, "steps of the discriminators a step of the generators", minimum=1, maximum=10)
    discriminator_weight: float = setting(0.5, "of the discriminators' loss: half makes them slower", minimum=0)
    penalty_weight: float = setting(10.0, "wgan_gp alone: of the gradient penalty", minimum=0)
    replay: int = setting(50, "earlier fakes of each domain kept for the discriminators; 0: none", minimum=0)
    second_device: str = setting("", "G_ba and D_a go there, as cuda:1 (model parallel); empty: all on one device")


class Picturing(Protocol):
    """What makes pictures of sound."""

    samples: int

    def of(self, signals: Tensor) -> Tensor:
        """Slices (batch, `samples`) → log_unit (batch, 1, bins, frames), on their device."""


class CycleGame(Recipe):
    """Two generators and two discriminators, their step and their judging; a recipe adds what it hears and ships.

    A recipe's `Config` has `data` (UnpairedData) and `training` (GameTraining or more); it sets `domains` and
    `pictures` and calls `begin` in its `__init__`.
    """

    metric = "cycle_and_distance"
    config: Any
    domains: TwoDomains
    pictures: Picturing

    def begin(self, shapes: GameNetworks, bins: int, frames: int, *, window: int, window_setting: str) -> None:
        """Make the networks for pictures of bins × frames.

        window: frames that the exported generator hears, set by `window_setting`; ConfigError when its strided layers
        do not fit it.
        """
        if not fits(window, frames, shapes.downs):
            raise ConfigError(
                f"{window_setting} is {window}, but {shapes.downs} strided layers made for {frames} frames do not "
                f"fit it: use a multiple of {2**shapes.downs}"
            )
        training: GameTraining = self.config.training
        self.mine: tuple[Side, ...] = tuple(SIDES[number] for number in placement.sides_here())
        """The domains that this process makes and judges; the other one's networks wait in the CPU's memory."""
        if len(self.mine) == 1:
            if training.second_device:
                raise ConfigError(
                    f"training.second_device is {training.second_device} and run.model_parallel is on: one process "
                    "with two devices, or two processes with one each, so leave one of them away"
                )
            places = [self.device if side in self.mine else torch.device("cpu") for side in SIDES]
        else:
            places = [self.device, placement.second_device(training.second_device, self.device)]
        self.devices: dict[Side, torch.device] = dict(zip(SIDES, places, strict=True))
        """Where a domain is made and judged: G_ab and D_b, and G_ba and D_a."""
        self.generators: dict[Side, nn.Module] = {}
        self.discriminators: dict[Side, nn.Module] = {}
        self.replay: dict[Side, ReplayBuffer] = {}
        for side, device in self.devices.items():
            self.generators[side] = shapes.generator(bins, frames).to(device)
            self.discriminators[side] = shapes.judge(bins, frames).to(device)
            if training.game == "wgan_gp":
                _begin_steep(self.discriminators[side])
            self.replay[side] = ReplayBuffer(training.replay, (1, bins, frames)).to(device)
        betas = (training.beta1, 0.999)
        self._optimizers: dict[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(_parameters(self.generators), training.learning_rate, betas, fused=True),
            "discriminator": torch.optim.Adam(
                _parameters(self.discriminators), training.discriminator_learning_rate, betas, fused=True
            ),
        }
        self._steps_done = 0
        self._findings: list[cycle_checks.Finding] = []

    def networks(self) -> dict[str, nn.Module]:
        """Both generators, both discriminators, and the fakes that these are shown again."""
        return {
            "generator_ab": self.generators["b"],
            "generator_ba": self.generators["a"],
            "discriminator_a": self.discriminators["a"],
            "discriminator_b": self.discriminators["b"],
            "discriminator_a_replay": self.replay["a"],
            "discriminator_b_replay": self.replay["b"],
        }

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One for both generators, one for both discriminators."""
        return self._optimizers

    def side_of(self, network: str) -> int:
        """Side 0 makes and judges b: `generator_ab`, `…_b`, `…_b_replay`."""
        made = "b" if network == "generator_ab" else "a" if network == "generator_ba" else network.split("_")[1]
        return SIDES.index(made)

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """a and b, (items, samples) at the model's rate: slices drawn apart, so that no pairing can be learnt."""
        return self.domains.batch(step, items)

    def play_game(self, pictures: Mapping[Side, Tensor], step: int) -> dict[str, Tensor]:
        """The algorithm box of the module's docstring on pictures of both domains."""
        training: GameTraining = self.config.training
        self._steps_done = step + 1
        identity = self.identity_weight(step)
        # Both domains where both are needed; what crosses devices inside the graph are the two fakes alone.
        real = {s: {key: pictures[key].to(self.devices[s]) for key in SIDES} for s in self.mine}
        made: dict[Side, Tensor] = {}
        same: dict[Side, Tensor] = {}
        for side, other in DIRECTIONS:
            if side not in self.mine:
                continue
            heard = real[side][other]
            seen = torch.cat([heard, real[side][side]]) if identity > 0 else heard
            given = self.generators[side](seen)
            made[side], same[side] = given[: len(heard)], given[len(heard) :]

        told: dict[str, Tensor] = {}
        for number in range(training.discriminator_steps):
            total = torch.zeros((), device=self.device)
            for side in self.mine:
                with placement.drawing_apart(SIDES.index(side), number, self.devices[side]):
                    loss = self._discriminator_loss(side, real[side][side], self.replay[side](made[side]))
                told[f"discriminator_{side}"] = loss.detach()
                total = total + training.discriminator_weight * loss.to(self.device)
            self.descend("discriminator", total)

        sides = [
            self._generator_loss(side, made[side], same[side], real[side][side], identity, told) for side in self.mine
        ]
        both = len(sides) == 2
        devices = [self.devices[side] for side in self.mine]
        loss = placement.together(sides[0], sides[1], devices) if both else placement.apart(sides[0])
        self.descend("generator", loss)
        return {name: value.to(self.device) for name, value in told.items()}

    def _generator_loss(
        self, side: Side, made: Tensor, same: Tensor, truth: Tensor, identity: float, told: dict[str, Tensor]
    ) -> placement.Side:
        """What `side`'s generator answers for: its fake's verdict, its way back from the other's fake, its identity."""
        training: GameTraining = self.config.training
        fooled = losses.adversarial(self.discriminators[side](made), real=True, kind=training.game)
        again = self.generators[side]((yield made))
        cycle = losses.distance(again, truth, "l1")
        loss = fooled + training.cycle_weight * cycle
        if identity > 0:
            loss = loss + identity * losses.distance(same, truth, "l1")
        told[f"adversarial_{side}"] = fooled.detach()
        told[f"cycle_{side}"] = cycle.detach() / (truth + 1).mean().clamp(min=1e-6)
        return loss

    def _discriminator_loss(self, side: Side, real: Tensor, fakes: Tensor) -> Tensor:
        training, discriminator = self.config.training, self.discriminators[side]
        on_real, on_fakes = discriminator(torch.cat([real, fakes])).split(len(real))
        loss = losses.adversarial(on_real, real=True, kind=training.game)
        loss = loss + losses.adversarial(on_fakes, real=False, kind=training.game)
        if training.game == "wgan_gp":
            loss = loss + training.penalty_weight * losses.gradient_penalty(discriminator, real, fakes)
        return loss

    def identity_weight(self, step: int) -> float:
        """The weight of the identity loss in `step`: in a straight line to nothing over `identity_steps`."""
        training = self.config.training
        left = 1.0 - step / training.identity_steps if training.identity_steps else 1.0
        return float(training.identity_weight * max(0.0, left))

    # -- judging -------------------------------------------------------------------------------------------------
    def validate(self) -> dict[str, float]:
        """T4 of both domains on training and validation, how far the spectra have come, and paired errors."""
        metrics: dict[str, float] = {}
        pictures = self._judged
        self._findings = []
        parts = []
        for side, other in DIRECTIONS:
            heard = pictures[f"validation_{other}"]
            made = self._given_by(self.generators[side], heard)
            again = self._given_by(self.generators[other], made)
            error, seen = _relative(again, heard)
            metrics[f"cycle_error_{other}"], metrics[f"cycle_seen_{other}"] = error, seen
            trained = pictures[f"train_{other}"]
            back = self._given_by(self.generators[other], self._given_by(self.generators[side], trained))
            metrics[f"cycle_error_train_{other}"] = _relative(back, trained)[0]
            measures = self._measures(side, heard, made)
            metrics |= {
                f"covered_{side}": measures.covered,
                f"change_{side}": measures.change,
                f"level_db_{side}": measures.made_db - measures.target_db,
            }
            parts.append(error + 1.0 - measures.covered)
            self._check(side, measures)
        for side, (heard, truth) in self._paired.items():
            made = self._given_by(self.generators[side], heard)
            metrics[f"mae_{side}"] = float((made - truth).abs().mean())
            metrics["mae_unconverted"] = float((heard - truth).abs().mean())
        return {"cycle_and_distance": sum(parts) / 2, **metrics}

    def remarks(self) -> list[str]:
        """The failures that the last validation found."""
        return [finding.sentence for finding in self._findings]

    def _measures(self, side: Side, heard: Tensor, made: Tensor) -> cycle_checks.Measures:
        target = self._judged[f"validation_{side}"]
        scores = [float(self._given_by(self.discriminators[side], x).mean()) for x in (target, made)]
        return cycle_checks.measure(heard, made, target, scores[0], scores[1])

    def _check(self, side: Side, measures: cycle_checks.Measures) -> None:
        if self._steps_done == 0:  # untrained, or resumed and not yet gone on: nothing to warn of
            return
        training = self.config.training
        earlier = [
            row[f"covered_{side}"]
            for row in read_metrics(self.run.out / "metrics.jsonl")
            if row["kind"] == "validation" and 0 < row["step"] < self._steps_done
        ]
        game = cycle_checks.Game(training.game, training.discriminator_steps, self.identity_weight(self._steps_done))
        origin, target = self.domains.names(side)
        self._findings += cycle_checks.findings(measures, f"{origin} to {target}", game, earlier)

    def _given_by(self, network: nn.Module, pictures: Tensor) -> Tensor:
        device = next(network.parameters()).device
        return torch.cat([network(part.to(device)).float().cpu() for part in pictures.split(_AT_ONCE)])

    @functools.cached_property
    def _judged(self) -> dict[str, Tensor]:
        """`data.windows` pictures of each domain and split, the same every time."""
        return {
            f"{split}_{side}": self.pictures.of(signals)
            for split in ("train", "validation")
            for side, signals in self.domains.judged(split, self.config.data.windows).items()
        }

    @functools.cached_property
    def _paired(self) -> dict[Side, tuple[Tensor, Tensor]]:
        """Pictures heard and pictures that should be made, by the domain that is made; empty without pairs."""
        pairs = self.domains.paired(self.config.data.windows)
        return {side: (self.pictures.of(heard), self.pictures.of(truth)) for side, (heard, truth) in pairs.items()}


def _begin_steep(critic: nn.Module) -> None:
    """Weights that neither shrink nor grow what passes (He et al. 2015).

    The papers' small ones make a narrow critic of many layers flat, and (‖∇D‖ − 1)² is itself flat there: with two to
    sixteen channels the slope begins below 1e-4, and the penalty at 1.0.
    """
    for module in critic.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, 0.2)


def _parameters(networks: Mapping[Side, nn.Module]) -> list[nn.Parameter]:
    return [p for network in networks.values() for p in network.parameters()]


def _relative(again: Tensor, first: Tensor) -> tuple[float, float]:
    """Mean over pictures of |again − first| against |first| from silence, and against it as the network sees it.

    A picture of next to nothing counts as one with a tenth of what the pictures hold on the mean: against its own, one
    rest in the music would outweigh all that sounds.
    """
    error = (again - first).abs().sum((1, 2, 3))
    against = ((first + 1).sum((1, 2, 3)), first.abs().sum((1, 2, 3)))
    from_silence, seen = (float((error / x.clamp(min=float(0.1 * x.mean()) + 1e-6)).mean()) for x in against)
    return from_silence, seen
