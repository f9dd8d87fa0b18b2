from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from realtime.errors import ConfigError
from trainer.temporal_encoder import EncoderShape, EncoderStream, TemporalEncoder, at_audio_rate, stream_whole

POOL = 16


def _encoder(*, causal: bool) -> TemporalEncoder:
    torch.manual_seed(2)
    return TemporalEncoder(EncoderShape(blocks=2, layers=4, width=6, codes=5, pool=POOL, causal=causal)).eval()


def test_the_full_size_hears_and_waits_as_the_documents_say() -> None:
    """Three blocks of ten layers hear 3070 samples ahead, which makes six whole codes of 512 samples; causal none."""
    shape = EncoderShape()
    assert (shape.ahead_samples, shape.lookahead_samples) == (3070, 3072)
    assert EncoderShape(causal=True).lookahead_samples == 0
    assert len(TemporalEncoder(EncoderShape(width=2)).layers) == 30


@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_a_stream_gives_the_codes_of_the_whole(*, causal: bool) -> None:
    """Step by step, in long calls or in one, a stream gives equal codes, and away from the ends those of `forward`."""
    encoder = _encoder(causal=causal)
    stream = EncoderStream(encoder)
    x = torch.randn(1, 1, 24 * POOL)
    whole = stream_whole(stream, x)
    for size in (POOL, 3 * POOL):
        states: tuple[torch.Tensor, ...] = stream.initial_states()
        pieces = []
        for piece in functional.pad(x, (0, stream.lookahead)).split(size, 2):
            codes, *after = stream(piece, *states)
            states = tuple(after)
            pieces.append(codes)
        stepped = torch.cat(pieces, 2)[..., stream.lookahead // POOL :]
        assert (stepped - whole).abs().max() < 1e-6
    ends = -(-encoder.reach_samples // POOL)
    inside = slice(0 if causal else ends, 24 if causal else 24 - ends)
    assert (whole - encoder(x))[..., inside].abs().max() < 1e-6
    assert whole.std() > 1e-3


@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_a_code_hears_as_far_ahead_as_is_declared(*, causal: bool) -> None:
    """A change from one sample on reaches the codes of `ahead_samples` before it, and none earlier."""
    encoder = _encoder(causal=causal).double()
    for parameter in encoder.parameters():  # so that no ReLU is closed on the only way from the furthest sample
        parameter.abs_()
    x = torch.rand(1, 1, 24 * POOL, dtype=torch.float64)
    n = 12 * POOL
    for offset, reaches in ((0, True), (1, False)):
        changed = x.clone()
        # The first sample of a code, moved so far that the code before it hears it just so, or just not.
        at = n + encoder.shape.ahead_samples + offset - 1
        changed[..., at:] += 10.0
        moved = (encoder(changed) - encoder(x)).abs().amax((0, 1)) > 0
        assert bool(moved[12 - 1]) is reaches
        assert not moved[: 12 - 1].any()


def test_codes_stand_as_long_as_they_were_pooled() -> None:
    """At audio rate each code is repeated; a sound that is no whole number of codes is refused."""
    assert at_audio_rate(torch.tensor([[[1.0, 2.0]]]), 3).tolist() == [[[1, 1, 1, 2, 2, 2]]]
    with pytest.raises(ConfigError, match="expected a multiple of its pooling of 16"):
        _encoder(causal=True)(torch.zeros(1, 1, POOL + 1))
