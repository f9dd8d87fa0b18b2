"""Making a network that is not causal stream: re-run it over a window of past frames that is kept as state.

          state_0 (window − step frames)      x (step frames)
    ├──────────────────────────────────────┼─────────────┤
    ▼  network over the whole window                      ▼
    ├────────────────────────┬─────────────┬─────────────┤
                             │  y: step    │  lookahead  │
                             └─────────────┴─────────────┘

With S = step and L = lookahead, call k hears the frames up to (k + 1)·S and gives the frames k·S − L … (k + 1)·S − L:
y is late by exactly L frames. `forward` takes any multiple of S frames: one long call equals many short ones (the
streaming law). States start as zeros by the tensor law, so what is kept is the distance from silence. `offline` states
the rule a second time, on a whole clip and without state: tests and exporter hold one against the other. What else a
network takes (target weights, one row) stands between x and state, and is the same for all frames of a call.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from realtime.errors import ConfigError

_CALLS_AT_ONCE = 16


class WindowWrapper(nn.Module):
    """A streamable module, (x, [target], state) → (y, next_state), around a network on (batch, 1, bins, window).

    silence: the value of x where there is no sound (−1 in log_unit), which fills the time before the first frame.
    """

    def __init__(
        self, network: nn.Module, *, bins: int, window: int, step: int, lookahead: int, silence: float
    ) -> None:
        super().__init__()
        if step < 1 or lookahead < 0 or step + lookahead > window:
            raise ConfigError(
                f"step {step} and lookahead {lookahead} frames do not fit the network's window of {window} frames: "
                "make their sum at most the window"
            )
        self.network = network
        self.bins, self.window, self.step, self.lookahead, self.silence = bins, window, step, lookahead, silence

    def initial_state(self) -> Tensor:
        """Zeros (1, 1, bins, window − step): silence."""
        return torch.zeros(1, 1, self.bins, self.window - self.step)

    def forward(self, x: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        """x (1, 1, bins, n·step), [target (1, targets)], state → y shaped as x, late by `lookahead`, and next state."""
        *target, state = rest
        seen = torch.cat([state, x - self.silence], 3)
        first = self.window - self.lookahead - self.step
        windows = seen
        if x.shape[3] != self.step:  # many calls in one; a traced graph holds the one-step path alone
            windows = seen.unfold(3, self.window, self.step)[0].permute(2, 0, 1, 3)
            target = [row.expand(windows.shape[0], -1) for row in target]
        made = self.network(windows + self.silence, *target)[..., first : first + self.step]
        y = made if x.shape[3] == self.step else made.permute(1, 2, 0, 3).reshape(x.shape)
        return y, seen[..., seen.shape[3] - (self.window - self.step) :]

    def offline(self, x: Tensor, *target: Tensor) -> Tensor:
        """The window rule on a whole clip (1, 1, bins, frames) → the same shape, frame t belonging to frame t."""
        frames, pieces = x.shape[3], []
        before = x.new_full((1, 1, self.bins, self.window), self.silence)
        after = x.new_full((1, 1, self.bins, self.lookahead + self.step), self.silence)
        padded = torch.cat([before, x, after], 3)
        end = self.step  # the frame after the newest one heard
        while end - self.lookahead < frames + self.step:
            heard = padded[..., end : end + self.window]  # frame 0 of x lies at `window` in padded
            if heard.shape[3] < self.window:
                break
            made = self.network(heard, *target)
            pieces.append(made[..., self.window - self.lookahead - self.step : self.window - self.lookahead])
            end += self.step
        return torch.cat(pieces, 3)[..., self.lookahead : self.lookahead + frames]

    def whole(self, x: Tensor, *target: Tensor) -> Tensor:
        """What `offline` gives, many windows at a time: the streaming law at work, for validation clips and files."""
        frames = x.shape[3]
        silence = -(frames + self.lookahead) % self.step + self.lookahead
        state = self.initial_state().to(x)
        pieces = []
        for piece in nn.functional.pad(x, (0, silence), value=self.silence).split(_CALLS_AT_ONCE * self.step, 3):
            y, state = self(piece, *target, state)
            pieces.append(y)
        return torch.cat(pieces, 3)[..., self.lookahead : self.lookahead + frames]
