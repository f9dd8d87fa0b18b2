"""What a host and its engine process say to one another: plain values that pickle, in one pipe.

host ──▶ engine     Request(number, what, value)
engine ──▶ host     Reply(number, value) | Refusal(number, kind, sentence) | Event(sentence)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from realtime import errors
from realtime.controls import Controls
from realtime.errors import ConfigError, EngineError, RetimbreError
from realtime.latency import Latency
from realtime.meters import Times

What = Literal["open", "controls", "mute", "record", "close"]
Where = Literal["callback", "worker"]
BLOCK_LIMITS = (16, 8192)
RATE_LIMITS_HZ = (8000, 384000)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What to play through what.

    model: a package's name or folder. input, output, host_api: names; None is the default. block: frames a callback
    (JACK's server decides instead). rate_hz: of the device; None: the model's where the device can. input_channel,
    output_channel: counted from 1; no output channel: the first two alike. where: which thread runs the model; "auto"
    measures. record: a .wav file to be made. headphones: the user says that input and output do not hear one another.
    """

    model: str
    controls: Controls = field(default_factory=Controls)
    input: str | None = None
    output: str | None = None
    host_api: str | None = None
    block: int = 128
    rate_hz: int | None = None
    input_channel: int = 1
    output_channel: int | None = None
    where: Literal["auto", "callback", "worker"] = "auto"
    provider: Literal["auto", "cpu", "cuda"] = "auto"
    record: Path | None = None
    headphones: bool = False

    def __post_init__(self) -> None:
        low, high = BLOCK_LIMITS
        if not low <= self.block <= high:
            raise ConfigError(f"The block is {self.block} frames, but it must be from {low} to {high}.")
        low, high = RATE_LIMITS_HZ
        if self.rate_hz is not None and not low <= self.rate_hz <= high:
            raise ConfigError(f"The rate is {self.rate_hz} Hz, but it must be from {low} to {high} Hz.")
        for name, channel in (("input", self.input_channel), ("output", self.output_channel)):
            if channel is not None and channel < 1:
                raise ConfigError(f"The {name} channel is {channel}, but channels are counted from 1.")


@dataclass(frozen=True, slots=True)
class Running:
    """What a stream that was opened turned out to be.

    latency: the law, part by part, in samples at the device's rate. model_warm: times of one model step, measured
    before the stream began. remarks: sentences that the user should read.
    """

    model: str
    title: str
    input: str
    output: str
    host_api: str
    rate_hz: int
    block: int
    model_rate_hz: int
    step_samples: int
    latency: Latency
    where: Where
    provider: str
    model_warm: Times
    muted: bool
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """Something the engine must do and answer."""

    number: int
    what: What
    value: Any = None


@dataclass(frozen=True, slots=True)
class Reply:
    """It is done; `value` as the request has it."""

    number: int
    value: Any = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """It could not be done; `kind` names a class of `realtime.errors`."""

    number: int
    kind: str
    sentence: str

    def to_error(self) -> RetimbreError:
        """The error as it was raised in the engine."""
        found = getattr(errors, self.kind, EngineError)
        error: RetimbreError = found(self.sentence)
        return error


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened that nobody asked for: a sentence for the user."""

    sentence: str
