"""What can be chosen for the stream, in words with their latency: host APIs, devices, channels, rates, blocks. Pure.

    hardware + settings + what runs ─▶ [Offer(words, value, connected)]

A device that is wanted but not there stays in the list as "not connected", because it is waited for; one that an engine
holds may be missing from the system's list and is there nevertheless. Names are judged as the engine judges them: the
whole name, or a part that only one device has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from realtime.audio_io import Device
    from realtime.messages import Running, StreamSettings

Direction = Literal["input", "output"]

BLOCKS: Final = (32, 64, 128, 256, 512, 1024, 2048)
RATES_HZ: Final = (44_100, 48_000, 88_200, 96_000)
USUAL_RATE_HZ: Final = 48_000


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing to choose: its words, its value, and whether it is there now."""

    words: str
    value: Any
    connected: bool = True


def ms(samples: float, rate_hz: float) -> str:
    """A duration in words, to a tenth of a millisecond below 10."""
    duration = 1000.0 * samples / rate_hz
    return f"{duration:.1f} ms" if duration < 9.95 else f"{duration:.0f} ms"


def find(devices: Sequence[Device], name: str | None, direction: Direction, host_api: str | None) -> Device | None:
    """The device that is meant; None when there is none or several."""
    here = [device for device in devices if device.channels(direction) and host_api in (None, device.host_api)]
    if name is None:
        defaults = [d for d in here if (d.is_default_input if direction == "input" else d.is_default_output)]
        return next(iter(defaults or here), None)
    exact = [device for device in here if device.name.casefold() == name.casefold()]
    near = exact or [device for device in here if name.casefold() in device.name.casefold()]
    return near[0] if len(near) == 1 or exact else None


def chosen_api(devices: Sequence[Device], settings: StreamSettings, running: Running | None) -> str | None:
    """The host API that is named, runs, or follows from the devices; None while that is open."""
    if settings.host_api is not None:
        named = {device.host_api for device in devices if settings.host_api.casefold() in device.host_api.casefold()}
        return next(iter(named)) if len(named) == 1 else settings.host_api
    return running.host_api if running is not None else None


def api_offers(
    devices: Sequence[Device], settings: StreamSettings, running: Running | None, *, known: bool = True
) -> list[Offer]:
    """Automatic, then each host API; one that is wanted and gone stays. known: whether anybody has looked."""
    there = list(dict.fromkeys(device.host_api for device in devices))
    automatic = f"Automatic ({running.host_api})" if running is not None else "Automatic"
    offers = [Offer(automatic, None), *(Offer(api, api) for api in there)]
    wanted = chosen_api(devices, settings, None)
    if wanted is not None and wanted not in there:
        held = not known or (running is not None and running.host_api == wanted)
        offers.append(Offer(wanted if held else f"{wanted} (not there)", wanted, held))
    return offers


def device_offers(
    devices: Sequence[Device],
    settings: StreamSettings,
    running: Running | None,
    direction: Direction,
    *,
    known: bool = True,
) -> list[Offer]:
    """The default, then each device of the host API with what it adds in milliseconds. known: as in `api_offers`."""
    api = chosen_api(devices, settings, running)
    here = [device for device in devices if device.channels(direction) and api in (None, device.host_api)]
    usual = find(devices, None, direction, api)
    sounding = None if running is None else getattr(running, direction)
    default = sounding if sounding is not None and getattr(settings, direction) is None else None
    name = default or (usual.name if usual is not None else "")
    offers = [Offer(f"Default ({name})" if name else "Default", None)]
    several = len({device.host_api for device in here}) > 1
    for device in here:
        words = f"{device.name}  ·  {device.host_api}" if several else device.name
        offers.append(Offer(f"{words}  ·  {device_latency(device, settings, direction)}", device.name))
    wanted = getattr(settings, direction)
    if wanted is not None and find(devices, wanted, direction, api) is None:
        held = not known or (running is not None and wanted.casefold() in str(sounding).casefold())
        offers.append(Offer(wanted if held else f"{wanted} (not connected)", wanted, held))
    return offers


def device_latency(device: Device, settings: StreamSettings, direction: Direction) -> str:
    """What the device adds on this side, as its driver declares it."""
    rate = settings.rate_hz or device.default_rate_hz or USUAL_RATE_HZ
    block_ms = 1000.0 * settings.block / rate
    if direction == "input":
        return f"about {max(block_ms, device.low_input_latency_ms):.0f} ms"
    return f"about {max(0.0, device.low_output_latency_ms):.0f} ms"


def chosen_value(devices: Sequence[Device], settings: StreamSettings, direction: Direction, api: str | None) -> Any:
    """The value among `device_offers` that the settings mean."""
    wanted = getattr(settings, direction)
    found = None if wanted is None else find(devices, wanted, direction, api)
    return wanted if found is None else found.name


def missing(devices: Sequence[Device], settings: StreamSettings, running: Running | None) -> list[str]:
    """The devices that are wanted by name and not there, each once."""
    api = chosen_api(devices, settings, running)
    gone = []
    directions: tuple[Direction, ...] = ("input", "output")
    for direction in directions:
        wanted = getattr(settings, direction)
        sounding = "" if running is None else str(getattr(running, direction)).casefold()
        if wanted is None or (sounding and wanted.casefold() in sounding):
            continue
        if find(devices, wanted, direction, api) is None:
            gone.append(wanted)
    return list(dict.fromkeys(gone))


def channel_offers(device: Device | None, direction: Direction, wanted: int | None, others: int = 2) -> list[Offer]:
    """Channels of the input, or where the sound comes out; a wanted one that the device lacks stays."""
    there = device.channels(direction) if device is not None else others
    offers = [Offer("Left and right (1, 2)" if there > 1 else "Channel 1", None)] if direction == "output" else []
    numbers = range(1, min(there, 64) + 1)
    words = "Only channel" if direction == "output" else "Channel"
    offers += [Offer(f"{words} {number}", number) for number in numbers if not (direction == "output" and there == 1)]
    if wanted is not None and wanted > there:
        offers.append(Offer(f"Channel {wanted} (not there)", wanted, connected=False))
    return offers


def rate_offers(settings: StreamSettings, running: Running | None) -> list[Offer]:
    """The model's own rate, and those that cards have."""
    now = f" (now {running.rate_hz / 1000:g} kHz)" if running is not None and settings.rate_hz is None else ""
    rates = sorted({*RATES_HZ, *([settings.rate_hz] if settings.rate_hz else [])})
    return [Offer(f"Automatic{now}", None), *(Offer(f"{rate / 1000:g} kHz", rate) for rate in rates)]


def rate_of(device: Device | None, settings: StreamSettings, running: Running | None) -> int:
    """The rate that the stream has or would have, for words about time."""
    if running is not None:
        return running.rate_hz
    return settings.rate_hz or (device.default_rate_hz if device is not None else 0) or USUAL_RATE_HZ


def block_offers(settings: StreamSettings, rate_hz: int) -> list[Offer]:
    """Block sizes with how long each is."""
    blocks = sorted({*BLOCKS, settings.block})
    return [Offer(f"{block} samples  ·  {ms(block, rate_hz)}", block) for block in blocks]


def latency_words(settings: StreamSettings, source: Device | None, sink: Device | None, running: Running | None) -> str:
    """What the choice costs, in a sentence: measured by the law while it runs, else what the drivers declare."""
    if running is not None:
        parts = running.latency.parts_ms()
        card = parts["device_in"] + parts["device_out"]
        return (
            f"{running.latency.total_ms:.1f} ms from your sound to the converted sound: {card:.1f} ms of it the card "
            f"with blocks of {running.block} at {running.rate_hz / 1000:g} kHz, the rest the model and its queue."
        )
    if source is None or sink is None:
        return "" if source is sink else "How late the sound will be is known once both devices are connected."
    if sink.is_jack:
        return "JACK's server decides rate and block: a shorter period there is a shorter way."
    rate = rate_of(sink, settings, None)
    block_ms = 1000.0 * settings.block / rate
    card = max(block_ms, source.low_input_latency_ms) + max(0.0, sink.low_output_latency_ms)
    advice = "a smaller block is sooner but asks more of the computer"
    if block_ms > 6.0:
        advice = "a smaller block, such as 128, is sooner"
    elif settings.block < 64:
        advice = "take a larger block if you hear clicks"
    return f"About {card:.0f} ms for the card, before the model: {advice}."
