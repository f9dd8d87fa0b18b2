from __future__ import annotations

import contextlib
import inspect
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.controls import RANGES, Controls
from realtime.errors import ConfigError, DeviceError, EngineError
from realtime.remote import osc
from realtime.remote.control import RemoteControl
from realtime.remote.osc import OscServer
from realtime.remote.osc_wire import encode
from realtime.remote.session import ADDRESSES, OUTGOING, ROOT, Address, Answer, Argument
from tests.realtime.remote_parts import Controller, SilentSession


class Clock:
    """Time that goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


class Stage:
    """A session, its server, a clock, and one controller at the other end."""

    def __init__(self, recordings: Path) -> None:
        self.session, self.clock = SilentSession(), Clock()
        self.server = OscServer(self.session, port=0, recordings=recordings, clock=self.clock)
        self.controller = Controller(self.server.port)

    def ask(self, address: str, *values: Argument) -> list[Answer]:
        """Send one message and serve it; the messages that came back."""
        self.controller.send(address, *values)
        self.server.serve()
        return self.controller.waiting()

    def close(self) -> None:
        """Close both ends."""
        self.server.close()
        self.controller.socket.close()


@contextlib.contextmanager
def on_stage(recordings: Path) -> Iterator[Stage]:
    found = Stage(recordings)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with on_stage(tmp_path / "recordings") as found:
        yield found


def the_error(answers: list[Answer]) -> str:
    ((address, (sentence,)),) = answers
    assert address == "/retimbre/error"
    assert isinstance(sentence, str)
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("name", RANGES)
def test_every_control_with_a_range_can_be_turned(stage: Stage, name: str) -> None:
    """Each control that has a range takes both ends of it, and a value beyond is refused with the range."""
    low, high, _ = RANGES[name]
    for value in (high, low):
        assert stage.ask(f"/retimbre/control/{name}", value) == []
        assert getattr(stage.session.now.controls, name) == value
    sentence = the_error(stage.ask(f"/retimbre/control/{name}", high + 1))
    assert f"{low:g} to {high:g}" in sentence
    assert getattr(stage.session.now.controls, name) == low


def test_every_control_can_be_read_back_and_set_again(stage: Stage) -> None:
    """Each control but the target answers with its value, which it takes again, whatever its type."""
    for name, value in Controls().to_mapping().items():
        if name == "target":
            continue
        ((address, (answer,)),) = stage.ask(f"/retimbre/control/{name}")
        assert (address, answer) == (f"/retimbre/control/{name}", value)
        assert stage.ask(address, answer) == []
    assert stage.session.now.controls == Controls()


@pytest.mark.parametrize(("value", "expected"), [(1, True), (0, False), (0.9, True), (True, True), ("toggle", True)])
def test_a_switch_takes_what_controllers_send(stage: Stage, value: Argument, expected: bool) -> None:
    """Bypass and mute take 0, 1, a part of 1, true, false, and toggle."""
    assert stage.ask("/retimbre/bypass", value) == []
    assert stage.ask("/retimbre/control/bypass") == [("/retimbre/control/bypass", (expected,))]
    assert stage.ask("/retimbre/mute", value) == []
    assert stage.ask("/retimbre/mute") == [("/retimbre/mute", (expected,))]


def test_targets_are_faders(stage: Stage) -> None:
    """A target's weight stands beside those of the others as they were put, and all of them down changes nothing."""
    stage.ask("/retimbre/target/violin", 0.5)
    stage.ask("/retimbre/target/flute", 0.5)
    assert stage.session.now.controls.target == (0.5, 0.5)
    stage.ask("/retimbre/control/mix", 0.5)
    stage.ask("/retimbre/target/flute", 1.5)
    assert stage.session.now.controls.target == (0.25, 0.75)
    stage.ask("/retimbre/target/flute", 0.0)
    assert stage.session.now.controls.target == (1.0, 0.0)
    assert "until one goes up" in the_error(stage.ask("/retimbre/target/violin", 0.0))
    assert stage.session.now.controls.target == (1.0, 0.0)
    stage.ask("/retimbre/target/flute", 0.01)
    assert stage.session.now.controls.target == (0.0, 1.0)


def test_the_first_fader_may_go_down_first(stage: Stage) -> None:
    """A fader that goes down before any other was touched stays down, though the sound waits for the next."""
    stage.session.now = replace(stage.session.now, controls=Controls(target=(1.0, 0.0)))
    the_error(stage.ask("/retimbre/target/violin", 0.0))
    stage.ask("/retimbre/target/flute", 0.01)
    assert stage.session.now.controls.target == (0.0, 1.0)


def test_faders_follow_who_else_blends(stage: Stage) -> None:
    """After a blend from elsewhere the faders stand where it put them."""
    stage.ask("/retimbre/target/violin", 10.0)
    stage.session.now = replace(stage.session.now, controls=Controls(target=(0.5, 0.5)))
    stage.ask("/retimbre/target/violin", 1.0)
    assert stage.session.now.controls.target == (2 / 3, 1 / 3)


def test_a_blend_has_one_weight_per_target(stage: Stage) -> None:
    """A blend in order or by names is taken, one of another length or with an unknown name is refused."""
    assert stage.ask("/retimbre/blend", 1.0, 3.0) == []
    assert stage.ask("/retimbre/blend") == [("/retimbre/blend", (0.25, 0.75))]
    assert stage.ask("/retimbre/target", "flute=1,violin=1") == []
    assert stage.ask("/retimbre/target") == [("/retimbre/target/violin", (0.5,)), ("/retimbre/target/flute", (0.5,))]
    assert "2 targets: violin, flute" in the_error(stage.ask("/retimbre/blend", 1.0))
    assert "choose from violin, flute" in the_error(stage.ask("/retimbre/target", "tuba"))
    assert "choose from violin, flute" in the_error(stage.ask("/retimbre/target/tuba", 1.0))
    assert "0 or more" in the_error(stage.ask("/retimbre/target/flute", -1.0))


def test_a_model_without_targets_says_so(stage: Stage) -> None:
    """Where the model has no targets, weights are refused and the rest works."""
    stage.session.now = replace(stage.session.now, targets=())
    assert "none" in the_error(stage.ask("/retimbre/target/violin", 1.0))
    assert "0 targets" in the_error(stage.ask("/retimbre/blend", 1.0))
    assert not [address for address, _ in stage.ask("/retimbre/status") if "/target/" in address]


def test_one_bundle_is_one_change(stage: Stage) -> None:
    """All controls turned in one bundle are handed over once, in one piece."""
    turns: list[Answer] = [
        ("/retimbre/control/mix", (0.25,)),
        ("/retimbre/blend", (0.0, 1.0)),
        ("/retimbre/bypass", (1,)),
    ]
    stage.controller.send_bytes(encode(turns))
    stage.server.serve()
    assert stage.session.done == [("controls", {"mix": 0.25, "target": (0.0, 1.0), "bypass": True})]


def test_a_storm_of_one_fader_is_one_change(stage: Stage) -> None:
    """A hundred turns that wait are handed over once, with the last value."""
    for n in range(100):
        stage.controller.send("/retimbre/control/mix", n / 100)
    stage.server.serve()
    assert [what for what, *_ in stage.session.done] == ["controls"]
    assert stage.session.now.controls.mix == pytest.approx(0.99)


def test_order_is_kept_between_turns_and_deeds(stage: Stage) -> None:
    """What was turned before a change of preset is handed over before it, what was turned after, after."""
    order = [("/retimbre/control/mix", (0.5,)), ("/retimbre/next", ()), ("/retimbre/control/mix", (0.75,))]
    stage.controller.send_bytes(encode(list(order)))
    stage.server.serve()
    assert stage.session.done == [("controls", {"mix": 0.5}), ("step", 1), ("controls", {"mix": 0.75})]


def test_presets_go_by_name_and_by_number(stage: Stage) -> None:
    """A preset is called by its name or its place, and the answer says where one is now."""
    here = [("/retimbre/now/preset", ("lead",)), ("/retimbre/now/position", (2,))]
    assert stage.ask("/retimbre/preset") == here
    stage.ask("/retimbre/preset", "intro")
    stage.ask("/retimbre/preset", 3)
    stage.ask("/retimbre/preset", 1.0)
    assert stage.session.done == [("preset", "intro"), ("preset", 3), ("preset", 1)]
    assert stage.session.now.position == 1
    for wrong in (0, 4, 1.5):
        assert "from 1 to 3" in the_error(stage.ask("/retimbre/preset", wrong))
    stage.session.now = replace(stage.session.now, songs=0)
    assert "no setlist" in the_error(stage.ask("/retimbre/preset", 1))
    assert "no setlist" in the_error(stage.ask("/retimbre/next"))


def test_a_button_counts_once(stage: Stage) -> None:
    """Next and previous happen when a button goes down, not when it is let go."""
    for value in (1.0, 0.0):
        stage.ask("/retimbre/next", value)
        stage.ask("/retimbre/previous", value)
    stage.ask("/retimbre/next")
    assert stage.session.done == [("step", 1), ("step", -1), ("step", 1)]


def test_recordings_stay_in_their_folder(stage: Stage, tmp_path: Path) -> None:
    """A recording is made in the one folder, under a plain name; 0 ends it and tells what was lost."""
    path = tmp_path / "recordings" / "take 1.wav"
    assert stage.ask("/retimbre/record", "take 1.wav") == [("/retimbre/now/recording", (str(path),))]
    assert path.parent.is_dir()
    assert stage.ask("/retimbre/record") == [("/retimbre/now/recording", (str(path),))]
    ended = [("/retimbre/now/recording", ("",)), ("/retimbre/event", ("The recording has gaps.",))]
    assert stage.ask("/retimbre/record", 0) == ended
    stage.ask("/retimbre/record", 1)
    began = stage.session.now.recording
    assert began is not None
    assert began.parent == path.parent
    for wrong in ("../escape", "a/b", "..", "/etc/x", "a\\b", "CON", " "):
        the_error(stage.ask("/retimbre/record", wrong))
    assert [what for what, *_ in stage.session.done] == ["record"] * 3


def test_models_and_presets_are_called_by_name_only(stage: Stage) -> None:
    """A peer cannot make the session open a file of its choice."""
    stage.ask("/retimbre/model", "identity")
    for word in ("model", "preset"):
        the_error(stage.ask(f"/retimbre/{word}", "../../secret"))
    assert stage.session.done == [("model", "identity")]


def test_plugins_are_turned_by_place(stage: Stage) -> None:
    """A plugin's parameter and bypass are set and read by the plugin's place; places that are not there are refused."""
    stage.ask("/retimbre/plugin/before/0/mix", 0.5)
    stage.ask("/retimbre/plugin/before/0/bypass", 1)
    assert stage.session.done == [("parameter", "before", 0, "mix", 0.5), ("bypass", "before", 0, True)]
    assert stage.ask("/retimbre/plugin/before/0/mix") == [("/retimbre/plugin/before/0/mix", (0.25,))]
    assert stage.ask("/retimbre/plugin/before/0/bypass") == [("/retimbre/plugin/before/0/bypass", (0,))]
    assert "never set" in the_error(stage.ask("/retimbre/plugin/before/0/depth"))
    assert "no parameter" in the_error(stage.ask("/retimbre/plugin/before/0/depth", 1.0))
    assert "there is 0" in the_error(stage.ask("/retimbre/plugin/before/1/mix", 1.0))
    assert "there is none" in the_error(stage.ask("/retimbre/plugin/after/0/mix", 1.0))
    for wrong in ("plugin", "plugin/before/0", "plugin/beside/0/mix", "plugin/before/-1/mix", "plugin/before/²/mix"):
        with pytest.raises((ConfigError, AssertionError)):
            stage.server._control.do(f"/retimbre/{wrong}", (1.0,))


def test_the_status_is_everything(stage: Stage) -> None:
    """The status holds every control, target, plugin value and meter, each once."""
    answers = stage.ask("/retimbre/status")
    addresses = [address for address, _ in answers]
    assert len(addresses) == len(set(addresses))
    wanted = {f"/retimbre/control/{name}" for name in Controls().to_mapping() if name != "target"}
    wanted |= {"/retimbre/target/violin", "/retimbre/target/flute", "/retimbre/mute", "/retimbre/plugin/before/0/mix"}
    wanted |= {"/retimbre/now/preset", "/retimbre/now/model", "/retimbre/meter/xruns", "/retimbre/meter/input_peak_db"}
    assert wanted <= set(addresses)
    assert dict(answers)["/retimbre/meter/input_peak_db"] == (-120.0,)


def test_ping_is_answered(stage: Stage) -> None:
    """A ping is answered with a pong and a version."""
    ((address, (version,)),) = stage.ask("/retimbre/ping")
    assert address == "/retimbre/pong"
    assert str(version).startswith("retimbre ")


def test_a_subscriber_hears_meters_until_it_expires(stage: Stage) -> None:
    """Meters go out ten times a second to who subscribed, everything at first, then what changed, and end in time."""
    first = stage.ask("/retimbre/subscribe")
    assert first == []
    stage.server.serve()
    first = stage.controller.waiting()
    assert "/retimbre/control/mix" in dict(first)
    stage.server.serve()
    assert stage.controller.waiting() == []
    stage.session.now = replace(stage.session.now, controls=Controls(mix=0.5))
    stage.clock.now += 0.1
    stage.server.serve()
    second = dict(stage.controller.waiting())
    assert [address for address in second if "/meter/" not in address] == ["/retimbre/control/mix"]
    assert "/retimbre/meter/load" in second
    stage.server.tell("The card is back.")
    assert stage.controller.waiting() == [("/retimbre/event", ("The card is back.",))]
    stage.clock.now += 9.8
    stage.server.serve()
    assert stage.controller.waiting()
    stage.clock.now += 0.2
    stage.server.serve()
    stage.server.tell("Nobody hears it.")
    assert stage.controller.waiting() == []


def test_a_subscription_can_be_renewed_and_ended(stage: Stage) -> None:
    """Subscribing again lengthens it, for at most a minute; unsubscribing ends it at once."""
    stage.ask("/retimbre/subscribe", 1)
    stage.clock.now += 0.9
    stage.ask("/retimbre/subscribe", 5.0)
    stage.clock.now += 4.0
    stage.server.serve()
    assert stage.controller.waiting()
    stage.ask("/retimbre/unsubscribe")
    stage.clock.now += 0.2
    stage.server.serve()
    assert stage.controller.waiting() == []
    for wrong in (0, -1, 61, float("inf"), "long"):
        assert "at most 60" in the_error(stage.ask("/retimbre/subscribe", wrong))


def test_subscribers_are_few(stage: Stage) -> None:
    """A ninth subscriber is refused until one of the eight is gone."""
    others = [Controller(stage.server.port) for _ in range(8)]
    try:
        for other in others:
            other.send("/retimbre/subscribe", 30)
        stage.server.serve()
        assert "8 others" in the_error(stage.ask("/retimbre/subscribe"))
        others[0].send("/retimbre/unsubscribe")
        stage.server.serve()
        assert stage.ask("/retimbre/subscribe") == []
    finally:
        for other in others:
            other.socket.close()


def test_serve_waits_and_sends_meters_in_real_time(tmp_path: Path) -> None:
    """While `serve` waits, a message is done when it comes, and meters go out without being asked again."""
    session = SilentSession()
    with OscServer(session, port=0, recordings=tmp_path) as server:
        thread = threading.Thread(target=server.serve, args=(1.0,))
        thread.start()
        controller = Controller(server.port)
        controller.send("/retimbre/ping")
        assert controller.receive()[0][0] == "/retimbre/pong"
        controller.send("/retimbre/subscribe")
        for _ in range(3):
            assert "/retimbre/meter/load" in dict(controller.receive())
        thread.join(10)
        controller.socket.close()
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("address", "values", "said"),
    [
        ("/retimbre/volume", (1.0,), "known are /retimbre/control"),
        ("/other/mix", (1.0,), "There is no address '/other/mix'"),
        ("/", (), "There is no address"),
        ("/retimbre", (), "There is no address"),
        ("/retimbre/control", (1.0,), "the controls are mix"),
        ("/retimbre/control/mxi", (1.0,), "the controls are mix"),
        ("/retimbre/control/target", (1.0,), "no control 'target'"),
        ("/retimbre/control/mix", ("loud",), "takes a finite number"),
        ("/retimbre/control/mix", (0.5, 0.5), "takes one"),
        ("/retimbre/control/mix", (float("nan"),), "finite"),
        ("/retimbre/control/mix/now", (0.5,), "no control 'mix/now'"),
        ("/retimbre/control/octave", ("up",), "'auto' or 'off'"),
        ("/retimbre/control/octave", (1.0,), "takes text"),
        ("/retimbre/control/bypass", ("maybe",), "toggle"),
        ("/retimbre/blend", (float("nan"), 1.0), "finite"),
        ("/retimbre/blend", (0.0, 0.0), "all zero"),
        ("/retimbre/mute/now", (1,), "it is /retimbre/mute"),
        ("/retimbre/next", ("yes",), "toggle"),
        ("/retimbre/preset", ("",), "takes text"),
    ],
)
def test_a_refusal_is_one_sentence(stage: Stage, address: str, values: tuple[Argument, ...], said: str) -> None:
    """What cannot be done is answered with an error that says what can, and changes nothing."""
    assert said in the_error(stage.ask(address, *values))
    assert stage.session.done == []


@pytest.mark.parametrize("error", [EngineError("The engine is gone."), ZeroDivisionError("a defect"), OSError("no")])
def test_a_broken_session_does_not_end_the_listening(stage: Stage, error: Exception) -> None:
    """When the session raises, whoever asked or turned something hears one sentence, and the next request is served."""
    stage.session.broken = error
    assert str(error).rstrip(".") in the_error(stage.ask("/retimbre/next"))
    assert str(error).rstrip(".") in the_error(stage.ask("/retimbre/control/mix", 0.5))
    stage.session.broken = None
    assert stage.ask("/retimbre/control/mix", 0.75) == []
    assert stage.session.done == [("controls", {"mix": 0.75})]


def test_an_error_goes_to_who_caused_it(stage: Stage) -> None:
    """When a turn cannot be handed over, who turned hears of it, and not another who asked for something after it."""
    other = Controller(stage.server.port)
    try:
        stage.session.broken = EngineError("The engine is gone.")
        other.send("/retimbre/control/mix", 0.5)
        ((address, _),) = stage.ask("/retimbre/ping")
        assert address == "/retimbre/pong"
        assert the_error(other.waiting()) == "The engine is gone."
    finally:
        other.socket.close()


def test_errors_are_rationed(stage: Stage) -> None:
    """A flood of nonsense is answered with twenty errors a second and then with silence, and good messages are done."""
    for _ in range(100):
        stage.controller.send_bytes(b"nonsense")
    stage.controller.send("/retimbre/mute", 1)
    stage.server.serve()
    assert len(stage.controller.waiting()) == 20
    assert stage.session.done == [("mute", True)]
    stage.clock.now += 1.0
    the_error(stage.ask("/retimbre/nothing"))


@pytest.mark.parametrize("word", OUTGOING)
def test_two_servers_cannot_talk_for_ever(stage: Stage, word: str) -> None:
    """What a server sends by itself is passed over in silence when it comes in."""
    assert stage.ask(f"/retimbre/{word}/x", "some sentence.") == []
    assert stage.ask(f"/retimbre/{word}", "some sentence.") == []


def test_a_message_from_itself_is_passed_over(stage: Stage) -> None:
    """A datagram with the server's own address as sender is neither done nor answered."""
    stage.server._socket.sendto(encode([("/retimbre/mute", (1,))]), ("127.0.0.1", stage.server.port))
    stage.server.serve()
    assert stage.session.done == []


def test_answers_go_only_to_who_asked(stage: Stage) -> None:
    """Another controller hears nothing of an answer."""
    other = Controller(stage.server.port)
    try:
        assert stage.ask("/retimbre/status")
        assert other.waiting() == []
    finally:
        other.socket.close()


def test_a_controller_that_is_gone_does_no_harm(stage: Stage) -> None:
    """Answers and meters for a closed port are lost in silence."""
    gone = Controller(stage.server.port)
    gone.send("/retimbre/subscribe", 60)
    gone.send("/retimbre/status")
    gone.socket.close()
    for _ in range(5):
        stage.clock.now += 0.2
        stage.server.serve()
    assert stage.ask("/retimbre/ping")


def test_only_this_machine_is_listened_to(stage: Stage) -> None:
    """Without being asked the server is bound to the loopback address and no other."""
    assert stage.server.host == "127.0.0.1"
    assert stage.server._socket.getsockname()[0] == "127.0.0.1"
    assert inspect.signature(OscServer).parameters["host"].default == osc.LOOPBACK == "127.0.0.1"


def test_another_host_is_listened_to_when_asked(tmp_path: Path) -> None:
    """With 0.0.0.0 the server hears every address of the machine, the loopback one among them."""
    with OscServer(SilentSession(), port=0, host="0.0.0.0", recordings=tmp_path) as server:  # noqa: S104  # what is tested
        controller = Controller(server.port)
        controller.send("/retimbre/ping")
        server.serve()
        assert controller.waiting()
        controller.socket.close()


def test_a_port_that_cannot_be_had_is_refused_with_a_sentence(stage: Stage, tmp_path: Path) -> None:
    """A port in use, a number that is none and an unknown host each raise one sentence."""
    with pytest.raises(DeviceError, match=r"cannot listen on 127\.0\.0\.1 port"):
        OscServer(SilentSession(), port=stage.server.port, recordings=tmp_path)
    with pytest.raises(ConfigError, match="from 1 to 65535"):
        OscServer(SilentSession(), port=70000, recordings=tmp_path)
    with pytest.raises(ConfigError, match="is not known"):
        OscServer(SilentSession(), host="no such host.invalid", recordings=tmp_path)


def test_the_port_is_free_after_close(tmp_path: Path) -> None:
    """A closed server gives its port back at once."""
    with OscServer(SilentSession(), port=0, recordings=tmp_path) as server:
        port = server.port
    with OscServer(SilentSession(), port=port, recordings=tmp_path) as again:
        assert again.port == port


def test_the_table_is_what_is_understood(stage: Stage) -> None:
    """Every address of the table is understood, and everything understood stands in the table."""

    def filled(row: Address) -> str:
        words = {"NAME": "mix" if row.path.startswith("/control") else "violin", "PLACE": "before", "NUMBER": "0"}
        return "/".join({**words, "PARAMETER": "mix"}.get(word, word) for word in row.path.split("/"))

    for row in ADDRESSES:
        answers = stage.ask(f"{ROOT}{filled(row)}")
        assert "/retimbre/error" not in dict(answers), (row, answers)
    doing = {"subscribe", "unsubscribe", *stage.server._control._doing}
    assert {row.path.split("/")[1] for row in ADDRESSES} == doing


def test_the_page_lists_every_address() -> None:
    """The page of OSC has the table of addresses, row by row, and no other."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "osc.md").read_text(encoding="utf-8")
    rows = [f"| `{ROOT}{row.path}` | {row.arguments} | {row.meaning} |".replace("|  |", "| |") for row in ADDRESSES]
    table = page.partition("| address | arguments | what it does |\n|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == rows
    for word in OUTGOING:
        assert f"`{ROOT}/{word}" in page


WORDS = st.sampled_from(
    [*(row.path for row in ADDRESSES), "/control/mix", "/target/flute", "/plugin/before/0/mix", "/x"]
)
VALUES = st.lists(st.floats(width=32) | st.integers(-9, 1 << 62) | st.text(max_size=9) | st.booleans(), max_size=3)


@settings(max_examples=150, deadline=None)
@given(
    datagrams=st.lists(
        st.binary(max_size=300)
        | st.binary(max_size=80).map(lambda rest: b"#bundle\0" + rest)
        | st.tuples(WORDS, VALUES).map(lambda two: encode([(f"/retimbre{two[0]}", tuple(two[1]))])),
        min_size=1,
        max_size=8,
    )
)
def test_no_datagram_can_hurt(tmp_path_factory: pytest.TempPathFactory, datagrams: list[bytes]) -> None:
    """Whatever comes through the socket, the server answers or is silent, sends readable OSC, and goes on."""
    with on_stage(tmp_path_factory.getbasetemp() / "fuzzed") as stage:
        for datagram in datagrams:
            stage.controller.send_bytes(datagram)
        stage.server.serve()
        stage.controller.waiting()
        stage.server._errors_left = 20.0
        assert "/retimbre/pong" in dict(stage.ask("/retimbre/ping"))
        written = [path for what, *rest in stage.session.done if what == "record" for path in rest if path is not None]
        assert all(path.parent.name == "fuzzed" for path in written)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """When the folder of recordings cannot be made, a sentence names it and nothing is recorded."""
    (tmp_path / "file").write_bytes(b"")
    session: Any = SilentSession()
    with pytest.raises(ConfigError, match="cannot be made"):
        RemoteControl(session, tmp_path / "file" / "recordings").do("/retimbre/record", (1,))
    assert session.done == []


def test_a_loop_of_somebody_else_can_watch_the_socket(stage: Stage) -> None:
    """The server has a file number that becomes readable when a message comes."""
    assert stage.server.fileno() == stage.server._socket.fileno()
    stage.controller.send("/retimbre/mute", 1)
    with socket.fromfd(stage.server.fileno(), socket.AF_INET, socket.SOCK_DGRAM) as twin:
        twin.settimeout(5.0)
        assert twin.recv(100, socket.MSG_PEEK)
    stage.server.serve()
    assert stage.session.now.muted
