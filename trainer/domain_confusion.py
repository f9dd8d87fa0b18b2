"""Domain confusion: a classifier that seeks the instrument in an encoder's codes, and an encoder that hides it.

Papers: Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 2016; Mor et al., "A Universal Music
Translation Network", ICLR 2019 (three convolutions, mean over time); the dissertation on audio style transfer (kernel
1, 64 channels, and an optimiser of its own).

    codes (batch, codes, frames) ─C1─ELU─C1─ELU─C1─▶ (batch, domains, frames) ─ mean over time ─▶ logits

    its own step      descend  H(domain, C(codes))                           on the classifier alone, codes detached
    the encoder's     descend  nats + λ · hiding                             on encoder and decoders alone
                      hiding = −H(domain, C(codes))                          "reverse", as in the papers
                      hiding =  H(even odds, C(codes)) − ln(domains) ≥ 0     "even"

In the dissertation one optimiser for both made the classifier's loss run away or vanish; apart they converged for one
pair of domains and ran away for another. "reverse" has no bottom: an encoder gains most where the classifier is surely
wrong, and codes grow towards there. "even" ends where the classifier cannot tell, which is what is wanted, and is the
default. Both are watched: `CHECKS` name what goes wrong and the setting to change.

A classifier that its own encoder has fooled proves little, so `probe_accuracy` trains a fresh one on codes that no
longer move, and asks it about codes that it has not seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

ConfusionKind = Literal["even", "reverse"]
CHANNELS = 64
_PROBE_STEPS, _PROBE_RATE = 100, 5e-3

FAR_ABOVE_CHANCE = 2.0  # a loss of so many times ln(domains) is worse than any honest guess
WELL_NAMED = 0.8  # part of the way from chance to certainty
STILL = 0.02  # spread of codes as a part of their size, under which they say nothing
UNUSED_NATS = 0.005
_SETTLED = 3  # validations after which a decoder should listen


class DomainConfusion(nn.Module):
    """Codes (batch, codes, frames) → logits (batch, domains)."""

    def __init__(self, codes: int, domains: int, channels: int = CHANNELS) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(codes, channels, 1), nn.ELU(), nn.Conv1d(channels, channels, 1), nn.ELU(),
            nn.Conv1d(channels, domains, 1),
        )  # fmt: skip

    def forward(self, codes: Tensor) -> Tensor:
        """The mean over time of every frame's verdict."""
        verdicts: Tensor = self.layers(codes)
        return verdicts.mean(2)


def finding_loss(logits: Tensor, domain: Tensor) -> Tensor:
    """The classifier's own loss: cross entropy in nats; ln(domains) when it can only guess."""
    return functional.cross_entropy(logits.float(), domain)


def hiding_loss(logits: Tensor, domain: Tensor, kind: ConfusionKind) -> Tensor:
    """The encoder's part of the game, to be weighted and added to the reconstruction (see the module)."""
    if kind == "reverse":
        return -finding_loss(logits, domain)
    return -functional.log_softmax(logits.float(), 1).mean() - math.log(logits.shape[1])


def accuracy(logits: Tensor, domain: Tensor) -> Tensor:
    """How many are named right, from 0 to 1."""
    return (logits.argmax(1) == domain).float().mean()


def probe_accuracy(codes: Tensor, domain: Tensor, unseen: Tensor, unseen_domain: Tensor, domains: int) -> float:
    """How often a fresh classifier, trained on codes (items, codes, frames), is right about `unseen` ones.

    The codes are taken as they are, brought to mean 0 and variance 1 in each channel; the same answer every time.
    """
    mean, spread = codes.mean((0, 2), keepdim=True), codes.std((0, 2), keepdim=True) + 1e-8
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        probe = DomainConfusion(codes.shape[1], domains).to(codes.device)
        optimizer = torch.optim.Adam(probe.parameters(), _PROBE_RATE, weight_decay=1e-3)
        known = ((codes - mean) / spread).detach()
        for _ in range(_PROBE_STEPS):
            optimizer.zero_grad(set_to_none=True)
            finding_loss(probe(known), domain).backward()
            optimizer.step()
        return float(accuracy(probe((unseen - mean) / spread), unseen_domain))


def spread_of(codes: Tensor) -> float:
    """How much codes (items, codes, frames) differ from item to item and in time, as a part of their size: 0 … 1.

    0: every frame of every sound has one code, and a decoder can learn nothing from it.
    """
    varied = codes.float().var((0, 2), unbiased=False).mean().sqrt()
    return float(varied / codes.float().square().mean().sqrt().clamp(min=1e-12))


@dataclass(frozen=True, slots=True)
class Measures:
    """What a validation found of the codes."""

    domains: int
    loss: float
    """Of the classifier that is trained beside the encoder, nats."""
    accuracy: float
    spread: float
    use_nats: float
    """How much dearer a sample is with the codes of another sound."""
    kind: ConfusionKind
    earlier: int = 0
    """Validations before this one, the untrained one aside."""

    @property
    def chance_nats(self) -> float:
        """The classifier's loss when it can only guess."""
        return math.log(self.domains)


@dataclass(frozen=True, slots=True)
class Finding:
    """A failure by its name, and the sentence for a user."""

    name: str
    sentence: str


def findings(measures: Measures) -> list[Finding]:
    """Every failure that is found."""
    found = []
    for name, check in CHECKS.items():
        sentence = check(measures)
        if sentence is not None:
            found.append(Finding(name, f"{name.replace('_', ' ').capitalize()}: {sentence}."))
    return found


def _confusion_diverges(m: Measures) -> str | None:
    if m.loss <= FAR_ABOVE_CHANCE * m.chance_nats:
        return None
    other = "lower training.confusion_weight or raise training.confusion_learning_rate"
    advice = f"set training.confusion to even, or {other}" if m.kind == "reverse" else other
    return (
        f"the domain classifier's loss is {m.loss:.2f} nats where guessing costs {m.chance_nats:.2f}, so the encoder "
        f"runs away from it instead of hiding; {advice}"
    )


def _domain_shows(m: Measures) -> str | None:
    chance = 1.0 / m.domains
    if m.accuracy < chance + WELL_NAMED * (1.0 - chance) or m.loss > 0.5 * m.chance_nats:
        return None
    return (
        f"the domain classifier is right on {m.accuracy:.0%} of the codes (chance is {chance:.0%}), so the decoders "
        "need not learn to translate; raise training.confusion_weight"
    )


def _codes_collapse(m: Measures) -> str | None:
    if m.spread >= STILL:
        return None
    return (
        f"the codes hardly differ from sound to sound (by {m.spread:.1%} of their size), so they carry no music; lower "
        "training.confusion_weight or training.learning_rate, and start anew"
    )


def _codes_unheard(m: Measures) -> str | None:
    if m.use_nats >= UNUSED_NATS or m.earlier < _SETTLED or m.spread < STILL:
        return None
    return (
        f"the codes of another sound cost the decoders only {m.use_nats:.4f} nats a sample more, so what is played is "
        "not what is heard; train longer, or lower training.confusion_weight"
    )


CHECKS: dict[str, Callable[[Measures], str | None]] = {
    "confusion_diverges": _confusion_diverges,
    "domain_shows": _domain_shows,
    "codes_collapse": _codes_collapse,
    "codes_unheard": _codes_unheard,
}
"""Every check by its name."""
