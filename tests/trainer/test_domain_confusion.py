from __future__ import annotations

import math

import pytest
import torch

from trainer.domain_confusion import (
    CHECKS,
    ConfusionKind,
    DomainConfusion,
    Measures,
    accuracy,
    finding_loss,
    findings,
    hiding_loss,
    probe_accuracy,
    spread_of,
)


def _measures(**changes: object) -> Measures:
    healthy = {
        "domains": 3,
        "loss": 1.09,
        "accuracy": 0.36,
        "spread": 0.5,
        "use_nats": 0.1,
        "kind": "even",
        "earlier": 9,
    }
    return Measures(**(healthy | changes))  # type: ignore[arg-type]


def test_its_layers_are_the_documents() -> None:
    """Three convolutions of kernel 1 with 64 channels, and the mean over time: the order of frames means nothing."""
    network = DomainConfusion(5, 3)
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim == 3]
    assert shapes == [(64, 5, 1), (64, 64, 1), (3, 64, 1)]
    codes = torch.randn(2, 5, 7)
    assert torch.allclose(network(codes), network(codes.flip(2)), atol=1e-6)


@pytest.mark.parametrize("kind", ["even", "reverse"])
def test_hiding_pulls_the_encoder_from_what_the_classifier_knows(kind: ConfusionKind) -> None:
    """Descending the hiding loss on the codes makes a classifier that knew them all unsure."""
    torch.manual_seed(0)
    domain = torch.arange(30) % 3
    codes = torch.randn(30, 4, 6) + 2 * torch.nn.functional.one_hot(domain, 4)[..., None]
    network = DomainConfusion(4, 3)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(25):
        optimizer.zero_grad()
        finding_loss(network(codes), domain).backward()
        optimizer.step()
    assert accuracy(network(codes), domain) == 1.0
    hidden = codes.clone().requires_grad_()
    for _ in range(30):
        (gradient,) = torch.autograd.grad(hiding_loss(network(hidden), domain, kind), hidden)
        step = gradient / gradient.flatten(1).norm(dim=1)[:, None, None]  # a sure classifier's gradient is tiny
        hidden = (hidden - 0.5 * step).detach().requires_grad_()
    known, after = (finding_loss(network(c), domain).item() for c in (codes, hidden))
    assert after > 10 * known
    if kind == "even":
        assert after == pytest.approx(math.log(3), rel=0.3)


def test_even_odds_have_a_bottom_and_reversing_has_none() -> None:
    """Where the classifier can only guess the bounded loss is 0; sure mistakes are dear to it, and dearer the surer."""
    domain = torch.tensor([0])
    for sure in (1.0, 10.0):
        wrong = torch.tensor([[0.0, sure]])
        assert hiding_loss(wrong, domain, "even") > 0
        assert hiding_loss(wrong, domain, "reverse") < -sure
    assert hiding_loss(torch.zeros(1, 2), domain, "even").item() == pytest.approx(0, abs=1e-6)


def test_a_fresh_classifier_finds_what_is_there_and_nothing_else() -> None:
    """The probe is right on unseen codes whose domain shows, about chance where it does not, and alike every time."""
    torch.manual_seed(1)
    domain = torch.arange(60) % 3
    noise = torch.randn(2, 60, 4, 6)
    shown = noise + torch.nn.functional.one_hot(domain, 4)[None, ..., None]
    before = torch.random.get_rng_state()
    found, again = (probe_accuracy(shown[0], domain, shown[1], domain, 3) for _ in range(2))
    assert found > 0.8 and found == again
    assert torch.equal(before, torch.random.get_rng_state())
    assert probe_accuracy(noise[0], domain, noise[1], domain, 3) < 0.6


def test_spread_tells_codes_that_vary_from_codes_that_stand_still() -> None:
    """Constant codes have no spread, however large; codes about zero have all of it."""
    assert spread_of(torch.full((3, 4, 5), 7.0)) == pytest.approx(0, abs=1e-6)
    assert spread_of(torch.randn(8, 4, 50)) > 0.9


def test_a_healthy_game_has_no_findings() -> None:
    """A classifier at chance, codes that vary and are listened to: nothing is told."""
    assert findings(_measures()) == []


@pytest.mark.parametrize(
    ("name", "changes", "setting"),
    [
        ("confusion_diverges", {"loss": 3.0, "accuracy": 0.0, "kind": "reverse"}, "set training.confusion to even"),
        ("confusion_diverges", {"loss": 3.0, "accuracy": 0.0}, "lower training.confusion_weight"),
        ("domain_shows", {"loss": 0.05, "accuracy": 1.0}, "raise training.confusion_weight"),
        ("codes_collapse", {"spread": 0.001, "use_nats": 0.0}, "lower training.confusion_weight"),
        ("codes_unheard", {"use_nats": 0.0}, "train longer"),
    ],
)
def test_each_failure_is_named_with_the_setting_to_change(name: str, changes: dict[str, object], setting: str) -> None:
    """The dissertation's failures and their kin are found one by one, and the sentence says what to do."""
    (finding,) = findings(_measures(**changes))
    assert finding.name == name and name in CHECKS
    assert setting in finding.sentence
    assert finding.sentence.endswith(".")


def test_a_decoder_may_be_deaf_while_it_is_young() -> None:
    """Codes that are not yet used are told of only once several validations have passed."""
    assert findings(_measures(use_nats=0.0, earlier=1)) == []
