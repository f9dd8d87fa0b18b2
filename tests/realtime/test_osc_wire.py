from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from realtime.errors import ConfigError
from realtime.remote.osc_wire import LONGEST_DATAGRAM, decode, encode

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)
ARGUMENTS = st.lists(
    st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(width=32, allow_nan=False, min_value=-(2.0**127), max_value=2.0**127)
    | TEXT,
    max_size=6,
).map(tuple)
ADDRESS = st.from_regex(r"(/[a-z_0-9.]{1,8}){1,4}", fullmatch=True)


def bundle(*parts: bytes, time_tag: bytes = b"\0\0\0\0\0\0\0\1") -> bytes:
    return b"#bundle\0" + time_tag + b"".join(struct.pack(">i", len(part)) + part for part in parts)


@given(st.lists(st.tuples(ADDRESS, ARGUMENTS), min_size=1, max_size=5))
def test_messages_survive_the_wire(messages: list[tuple[str, tuple[int | float | str, ...]]]) -> None:
    """What is encoded, as one message or as a bundle, is decoded as it was, in order."""
    assert decode(encode(messages)) == messages


@pytest.mark.parametrize("value", [True, False])
def test_a_switch_is_sent_as_a_number(value: bool) -> None:
    """A switch goes out as 0 or 1, and OSC's own true and false come in as such."""
    assert decode(encode([("/a", (value,))])) == [("/a", (int(value),))]
    message = OscMessageBuilder("/a")
    message.add_arg(value)
    assert decode(message.build().dgram) == [("/a", (value,))]


def test_bundles_inside_bundles_are_read_in_order() -> None:
    """Messages of nested bundles come in the order of their bytes."""
    inner, outer = OscBundleBuilder(IMMEDIATELY), OscBundleBuilder(IMMEDIATELY)
    for name in ("/b", "/c"):
        inner.add_content(OscMessageBuilder(name).build())
    outer.add_content(OscMessageBuilder("/a").build())
    outer.add_content(inner.build())
    outer.add_content(OscMessageBuilder("/d").build())
    assert [address for address, _ in decode(outer.build().dgram)] == ["/a", "/b", "/c", "/d"]


@pytest.mark.parametrize("types", [b"", b",\0\0\0", b",I\0\0", b",N\0\0"])
def test_no_value_is_no_argument(types: bytes) -> None:
    """An address alone, without types, without arguments, with an impulse or with nil is one and the same."""
    assert decode(b"/next\0\0\0" + types) == [("/next", ())]


@pytest.mark.parametrize(
    ("datagram", "said"),
    [
        (b"", "is not OSC"),
        (b"hello", "is not OSC"),
        (b"#bundle\0", "is not OSC"),
        (b"#bundle\0" + b"\0" * 8 + b"\0\0", "sizes"),
        (bundle(b"/a\0\0")[:-1], "sizes"),
        (b"#bundle\0" + b"\0" * 8 + struct.pack(">i", -4) * 3, "sizes"),
        (b"#bundle\0" + b"\0" * 8 + struct.pack(">i", 0), "sizes"),
        (bundle(b"junk"), "is not OSC"),
        (bundle(bundle(bundle(bundle(bundle())))), "inside one another"),
        (b"/a", "ends with a zero"),
        (b"/\xff\0\0", "ASCII"),
        (b"/a\n\0", "printable"),
        (b"/retimbre/*\0,\0\0\0", "pattern"),
        (b"/a\0\0i\0\0\0" + b"\0" * 4, "types"),
        (b"/a\0\0,i\0\0", "do not fit"),
        (b"/a\0\0,s\0\0abcd", "do not fit"),
        (b"/a\0\0,s\0\0\xff\0\0\0", "do not fit"),
        (b"/a\0\0,b\0\0\0\0\0\1x\0\0\0", "type 'b'"),
        (b"/a\0\0,[i]\0\0\0\0\0\0\0\1", r"type '\['"),
        (b"/a\0\0" + b"\0" * LONGEST_DATAGRAM, "more than"),
    ],
)
def test_what_is_not_osc_is_refused_with_a_sentence(datagram: bytes, said: str) -> None:
    """Each way of being wrong is refused with a sentence that says which."""
    with pytest.raises(ConfigError, match=said) as refused:
        decode(datagram)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


@given(
    st.binary(max_size=200)
    | st.binary(max_size=100).map(lambda rest: b"#bundle\0" + rest)
    | st.tuples(st.binary(max_size=12), st.binary(max_size=60)).map(
        lambda two: b"/a\0\0," + two[0] + b"\0\0\0" + two[1]
    )
    | st.lists(st.binary(max_size=40), max_size=4).map(lambda parts: bundle(*parts))
)
@example(bundle(*[b"#bundle\0" + b"\xff" * 12] * 3))
def test_any_bytes_are_messages_or_refused(datagram: bytes) -> None:
    """Whatever the bytes, the result is messages of addresses and plain values, or `ConfigError`."""
    try:
        found = decode(datagram)
    except ConfigError:
        return
    assert all(address.startswith("/") for address, _ in found)
    assert all(isinstance(value, bool | int | float | str) for _, values in found for value in values)


@given(st.text(max_size=20), st.floats() | st.text(max_size=20))
def test_anything_can_be_encoded(name: str, value: float | str) -> None:
    """Infinite levels, half characters and zero bytes are sent as something that can be read."""
    assert encode([(f"/a/{name}", (value,))]).startswith(b"/a/")
    ((address, (read,)),) = decode(encode([("/a", (value,))]))
    assert address == "/a"
    assert isinstance(read, str if isinstance(value, str) else float)
