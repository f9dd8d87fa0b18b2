"""One open stream: devices, model, plugins and MIDI made ready, and changed while sound runs.

    settings ─▶ devices ─▶ chain, warmed ─▶ stream starts ─▶ first block tells its size ─▶ lane, player ─▶ sound

A change is a generator that the control thread advances at every tick until it is done, so that the sound, the meters
and every other request go on meanwhile: loading runs in a thread of its own, lanes crossfade in the callback.

    another model     load and warm ─▶ crossfade, or over the dry signal when two models do not fit into one block
    more slack        stand aside on the dry signal ─▶ the same chain in a new lane ─▶ back
    other plugins     start them ─▶ silence ─▶ exchange ─▶ back

Over 300 lines because everything here knows what is open. Control thread, except `_callback`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from realtime import audio_io, meters
from realtime.controls import Controls
from realtime.deadline import CALLBACK_SHARE, LIVE_FACTOR, Place, choose_place, nearly_too_slow, warm_up
from realtime.errors import EngineError
from realtime.lane import LONGEST_BLOCK, Lane
from realtime.latency import Latency, latency
from realtime.loading import Loading
from realtime.measure import LoopProbe, Measured
from realtime.messages import MidiSettings, Plugins, Running, StreamSettings
from realtime.meters import Meters, Times
from realtime.midi.source import compile_ahead
from realtime.player import Player

if TYPE_CHECKING:
    from realtime.chain import Chain
    from realtime.midi.feed import MidiFeed
    from realtime.plugins.rack import Rack
    from realtime.plugins.spec import PluginSpec

_FIRST_BLOCK_S = 5.0
_CHANGE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A chain that is ready, and how long a step of it takes."""

    chain: Chain
    warm: Times
    faults_before: int


class Stream:
    """What sounds between `start` and `close`."""

    def __init__(self, settings: StreamSettings, shown: Meters) -> None:
        """Choose devices, load and warm everything, open the card; nothing sounds yet. Raises `RetimbreError`."""
        devices = audio_io.list_devices(refresh=True)
        self._source, self._sink = audio_io.choose_devices(devices, settings.input, settings.output, settings.host_api)
        self._channels = _channels(settings, self._source, self._sink)
        self.settings, self._shown = settings, shown
        self._loaded = _load(settings.model, settings.controls, settings.provider, beside_sound=False)
        self.controls = settings.controls
        chain = self._loaded.chain
        self.rate_hz = audio_io.choose_rate(self._source, self._sink, settings.rate_hz, chain.sample_rate)
        self._racks: list[Rack | None] = [None, None]
        self.feed: MidiFeed | None = None
        self.player: Player | None = None
        self.running: Running | None = None
        self._frames = 0
        self._duplex: audio_io.DuplexStream | None = None
        self._may_howl = audio_io.may_howl(self._source, self._sink) and not settings.headphones
        self._muted = settings.muted or self._may_howl
        self._parted: list[Lane] = []
        try:
            self._racks = self._open_racks(Plugins(settings.before, settings.after))
            self.feed = self._open_midi(settings.midi)
            self._duplex = audio_io.DuplexStream(
                self._source,
                self._sink,
                rate_hz=self.rate_hz,
                block=settings.block,
                input_channels=settings.input_channel,
                output_channels=max(self._channels) + 1,
                callback=self._callback,
            )
        except BaseException:
            self.close()
            raise

    def start(self) -> Running:
        """Let sound run."""
        assert self._duplex is not None
        self._shown.clear()
        self._duplex.start()
        block = self._wait_for_block()
        place = self._place(self._loaded.warm, self._loaded.chain, block, self.settings.slack)
        lane, law = self._lane(self._loaded.chain, block, place)
        player = Player(
            lane,
            self._shown,
            rate_hz=self.rate_hz,
            input_channel=self.settings.input_channel - 1,
            output_channels=self._channels,
            controls=self.settings.controls,
            muted=self._muted,
        )
        player.before, player.after = self._racks
        player.feed = self.feed
        self._shown.numbers[meters.MUTED] = self._muted
        self._shown.numbers[meters.STATE] = meters.RUNNING
        self.player = player
        return self._tell(law, place, lane, remarks=True)

    def _callback(self, indata: Any, outdata: Any, frames: int, flags: int) -> None:
        player = self.player
        if player is None:
            outdata.fill(0.0)
            self._frames = frames
        else:
            player.callback(indata, outdata, frames, flags)

    @property
    def chain(self) -> Chain:
        """The model that was asked for last and is ready."""
        return self._loaded.chain

    @property
    def model_faults(self) -> int:
        """Steps of the present model that had to be replaced."""
        return self.chain.faults - self._loaded.faults_before

    @property
    def racks(self) -> list[Rack]:
        """The plugin racks that there are."""
        return [rack for rack in self._racks if rack is not None]

    def rack(self, side: str) -> Rack:
        """The rack of a side. Raises `EngineError` when it has no plugins."""
        rack = self._racks[side == "after"]
        if rack is None:
            raise EngineError(f"There are no plugins {side} the model: add one first.")
        return rack

    def threads(self) -> list[int]:
        """Those that should be real-time: the callback's and the workers'."""
        player = self.player
        if player is None:
            return []
        worker = player.lane.worker
        found = [player.thread_id, worker.thread.native_id if worker is not None else None]
        return [one for one in found if one is not None]

    def set_controls(self, controls: Controls) -> None:
        """Hand new controls to the chain and what stands around it. Raises `ConfigError` when they do not fit."""
        self.chain.set_controls(controls)
        self.controls = controls
        if self.player is not None:
            self.player.set_controls(controls)

    def set_midi(self, settings: MidiSettings | None) -> None:
        """Other MIDI, or none. Raises `RetimbreError`, and then the old one stays."""
        if self.player is not None and settings is not None and settings.source is not None:
            compile_ahead(settings.source)  # sound runs, and here it would hold Python's lock for seconds
        feed = self._open_midi(settings)
        player, old = self.player, self.feed
        self.settings = replace(self.settings, midi=settings)
        self.feed = feed
        if player is not None:
            player.feed = feed
        if old is not None:
            time.sleep(2 * (player.frames if player is not None else 0) / self.rate_hz)  # a callback may still hold it
            old.close()

    def change_model(self, model: str, controls: Controls) -> Iterator[Running | None]:
        """Load and crossfade; gives None at every tick and the new state at the end. Raises `RetimbreError`."""
        loader = Loading(lambda: _load(model, controls, self.settings.provider, beside_sound=True))
        while not loader.done:
            yield None
        loaded: _Loaded = loader.result()
        player = self._player()
        old, before = player.lane, self._loaded
        block = old.block
        place = self._place(loaded.warm, loaded.chain, block, self.settings.slack)
        together = self._fit_together(before, loaded, block)
        if not together:
            yield from self._stand_aside(old)
        lane, law = self._lane(loaded.chain, block, place)
        self._loaded, self.controls = loaded, controls
        self.settings = replace(self.settings, model=model, controls=controls)
        player.set_controls(controls)
        yield from self._change_lane(player, lane, old)
        yield self._tell(law, place, lane)

    def change_slack(self, slack: int | None) -> Iterator[Running | None]:
        """The same model with so many blocks of slack (None: as measured)."""
        self.settings = replace(self.settings, slack=slack)
        yield from self._new_lane(self._player().lane.block)

    def widen_slack(self, slack: int) -> Iterator[Running | None]:
        """So many blocks of slack, because fewer proved too little."""
        place = Place(slack, f"The model runs in a worker, {slack} blocks later, because less time was too little.")
        yield from self._new_lane(self._player().lane.block, place)

    def follow_block(self, block: int) -> Iterator[Running | None]:
        """A lane for blocks of another size, which the sound server has begun to ask for."""
        yield from self._new_lane(block)

    def _new_lane(self, block: int, place: Place | None = None) -> Iterator[Running | None]:
        player = self._player()
        old = player.lane
        yield from self._stand_aside(old)
        old.close()
        place = place or self._place(self._loaded.warm, self.chain, block, self.settings.slack)
        self.chain.reset()
        lane, law = self._lane(self.chain, block, place)
        yield from self._change_lane(player, lane, old)
        yield self._tell(law, place, lane)

    def change_plugins(self, plugins: Plugins) -> Iterator[Running | None]:
        """Other plugins around the model."""
        starting = Loading(lambda: self._open_racks(plugins))
        while not starting.done:
            yield None
        racks: list[Rack | None] = starting.result()
        player = self._player()
        player.hushed = True
        yield from self._until(lambda: player.silent)
        old, self._racks = self._racks, racks
        player.before, player.after = racks
        self.settings = replace(self.settings, before=plugins.before, after=plugins.after)
        yield None  # a callback that began with the old ones has ended
        for rack in old:
            if rack is not None:
                rack.close()
        player.hushed = False
        running = self.running
        assert running is not None
        law = replace(running.latency, plugins=self._plugin_samples())
        self.running = replace(running, latency=law, remarks=())
        yield self.running

    def measure(self, events: int) -> Iterator[Measured | None]:
        """Put sweeps in and look for them in the input; the sound card's own input is not heard meanwhile."""
        player, running = self._player(), self.running
        assert running is not None
        total = running.latency.total
        probe = LoopProbe(events, total, self.rate_hz)
        feed, player.feed = player.feed, probe
        player.playback.paused = True
        try:
            # As long as the sound lasts, and the card may be stopped by its owner meanwhile.
            yield from self._until(lambda: probe.done, within_s=2 * probe.seconds(self.rate_hz) + _CHANGE_S)
        finally:
            player.feed = feed
            player.playback.paused = False
        yield probe.result(total, self.rate_hz)

    def close(self) -> None:
        """Give everything back; hangs when the sound server died with the stream open."""
        player = self.player
        if player is not None:
            player.ended = True
        if self._duplex is not None:
            self._duplex.close()
        if player is not None:
            player.close()
        if self.feed is not None:
            self.feed.close()
        for rack in self.racks:
            rack.close()
        for lane in self._parted:
            lane.close()

    def _player(self) -> Player:
        if self.player is None:
            raise EngineError("No stream is open: open one first.")
        return self.player

    def _stand_aside(self, lane: Lane) -> Iterator[None]:
        lane.aside = True
        yield from self._until(lambda: lane.quiet)

    def _change_lane(self, player: Player, lane: Lane, old: Lane) -> Iterator[None]:
        self._parted.append(old)
        player.change_to(lane)
        self._shown.numbers[meters.BLOCK], self._shown.numbers[meters.SLACK] = lane.block, lane.slack_samples
        yield from self._until(lambda: not player.changing)
        old.close()
        self._parted.remove(old)

    @staticmethod
    def _until(done: Callable[[], bool], within_s: float = _CHANGE_S) -> Iterator[None]:
        deadline = time.monotonic() + within_s
        while not done():
            if time.monotonic() > deadline:
                raise EngineError("The sound card has stopped asking for sound, so nothing could be changed.")
            yield None

    def _wait_for_block(self) -> int:
        """Frames that the card asks for, seen in its first call."""
        deadline = time.monotonic() + _FIRST_BLOCK_S
        while not self._frames:
            if time.monotonic() > deadline:
                raise EngineError(
                    f"The sound card was opened but asked for no sound within {_FIRST_BLOCK_S:g} s: another program "
                    "may hold it; close that, or choose another device."
                )
            time.sleep(0.005)
        return self._frames

    def _place(self, warm: Times, chain: Chain, block: int, slack: int | None) -> Place:
        return choose_place(
            warm,
            block_s=block / self.rate_hz,
            step_s=chain.step_samples / chain.sample_rate,
            where=self.settings.where,
            slack=slack,
        )

    def _fit_together(self, one: _Loaded, other: _Loaded, block: int) -> bool:
        block_s = block / self.rate_hz
        steps = [block_s * each.chain.sample_rate / each.chain.step_samples for each in (one, other)]
        needs = [each.warm.p99_us * 1e-6 * max(1.0, n) for each, n in zip((one, other), steps, strict=True)]
        return sum(needs) * LIVE_FACTOR <= CALLBACK_SHARE * block_s

    def _lane(self, chain: Chain, block: int, place: Place) -> tuple[Lane, Latency]:
        assert self._duplex is not None
        device_in, device_out = self._duplex.latency_samples(block)
        law = latency(
            chain.package.manifest,
            block=block,
            device_rate=self.rate_hz,
            device_in=device_in,
            device_out=device_out,
            slack=place.slack * block,
            plugins=self._plugin_samples(),
        )
        lane = Lane(
            chain,
            self._shown.model,
            rate_hz=self.rate_hz,
            block=block,
            delay_samples=round(law.total - law.device_in - law.device_out - law.plugins),
            slack_samples=place.slack * block,
        )
        return lane, law

    def _plugin_samples(self) -> int:
        return sum(rack.latency_samples for rack in self.racks)

    def _open_racks(self, plugins: Plugins) -> list[Rack | None]:
        before = self._open_rack(plugins.before, (1, 1))
        try:
            return [before, self._open_rack(plugins.after, (1, 2))]
        except BaseException:
            if before is not None:
                before.close()
            raise

    def _open_rack(self, specs: tuple[PluginSpec, ...], sides: tuple[int, int]) -> Rack | None:
        if not specs:
            return None
        from realtime.plugins.rack import Rack  # only where there are plugins

        return Rack(specs, rate_hz=self.rate_hz, longest=LONGEST_BLOCK, channels=sides)

    def _open_midi(self, settings: MidiSettings | None) -> MidiFeed | None:
        if settings is None:
            return None
        from realtime.midi.feed import MidiFeed  # only where there is MIDI

        return MidiFeed(settings, self.rate_hz, jack=self._sink.is_jack, shown=self._shown)

    def _tell(self, law: Latency, place: Place, lane: Lane, *, remarks: bool = False) -> Running:
        manifest, chain = self.chain.package.manifest, self.chain
        running = Running(
            model=manifest.name,
            title=manifest.title,
            input=self._source.name,
            output=self._sink.name,
            host_api=self._sink.host_api,
            rate_hz=self.rate_hz,
            block=lane.block,
            model_rate_hz=chain.sample_rate,
            step_samples=chain.step_samples,
            latency=law,
            where="worker" if place.slack else "callback",
            slack=place.slack,
            why=place.why,
            provider=chain.provider,
            model_warm=self._loaded.warm,
            muted=self._muted,
            remarks=(),
        )
        self._shown.numbers[meters.SLACK] = lane.slack_samples
        self.running = replace(running, remarks=self._remarks(running) if remarks else ())
        return self.running

    def _remarks(self, running: Running) -> tuple[str, ...]:
        """What the user should know about a stream that runs."""
        said = []
        if running.rate_hz != running.model_rate_hz:
            said.append(
                f"The card runs at {running.rate_hz} Hz and the model at {running.model_rate_hz} Hz: the sound is "
                "resampled on the way in and out, and the delay of that is counted below."
            )
        if running.block != self.settings.block:
            said.append(
                f"The block is {running.block} frames, as {running.host_api} decides, not {self.settings.block}."
            )
        if nearly_too_slow(running.model_warm, running.step_samples / running.model_rate_hz):
            said.append("The model needs nearly all the time there is: expect gaps; a smaller model may help.")
        if self._may_howl:
            said.append(
                f"The output is muted: {running.input!r} and {running.output!r} look like a built-in microphone and "
                "loudspeaker, which howl together; put on headphones and unmute, or start with --i-use-headphones."
            )
        return tuple(said)


def _load(model: str, controls: Controls, provider: Any, *, beside_sound: bool) -> _Loaded:
    from realtime.chain import Chain  # onnxruntime takes 0.3 s, and devices may be wrong before it is needed
    from realtime.package import resolve

    chain = Chain(resolve(model), controls, provider=provider)
    warm = warm_up(chain, beside_sound=beside_sound)
    return _Loaded(chain, warm, chain.faults)


def _channels(settings: StreamSettings, source: audio_io.Device, sink: audio_io.Device) -> tuple[int, ...]:
    """Output channels, from 0; raises when a channel is wanted that the device lacks."""
    if settings.input_channel > source.input_channels:
        raise EngineError(
            f"The input channel {settings.input_channel} was asked for, but {source.name!r} has "
            f"{source.input_channels}: choose one of those."
        )
    if settings.output_channel is None:
        return tuple(range(min(2, sink.output_channels)))
    if settings.output_channel > sink.output_channels:
        raise EngineError(
            f"The output channel {settings.output_channel} was asked for, but {sink.name!r} has "
            f"{sink.output_channels}: choose one of those."
        )
    return (settings.output_channel - 1,)
