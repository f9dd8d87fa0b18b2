r"""Open Sound Control as bytes: one datagram ⇄ messages. Whatever the bytes are, there is a result or one sentence.

    datagram = message | "#bundle\0" time-tag (size element)…        message = address ",types" arguments

python-osc decodes a message and encodes; what stands around is read here, because python-osc turns for ever in a bundle
whose size is negative, and descends without end into nested ones. Time tags are not waited for: everything is done on
arrival, in order. Any thread.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage, ParseError
from pythonosc.osc_message_builder import OscMessageBuilder

from realtime.errors import ConfigError
from realtime.presets.file_name import shown
from realtime.remote.session import Answer, Argument

LONGEST_DATAGRAM = 8192
_DEEPEST = 4
_BUNDLE = b"#bundle\0"
_BUNDLE_HEAD = len(_BUNDLE) + 8
_KNOWN_TYPES = frozenset("ifsdhTF")
_NO_VALUE = frozenset("NI")  # nil and impulse: an address without an argument
_LONGEST_TEXT = 500
_LARGEST = 3.4e38  # a 32-bit number


def decode(datagram: bytes) -> list[Answer]:
    """The messages of a datagram, in order. Raises `ConfigError` with a sentence when it is not OSC as we read it."""
    if len(datagram) > LONGEST_DATAGRAM:
        raise ConfigError(f"A datagram of more than {LONGEST_DATAGRAM} bytes came: send less at once.")
    messages: list[Answer] = []
    waiting: list[tuple[bytes, int]] = [(datagram, 0)]
    while waiting:
        element, depth = waiting.pop()
        if element.startswith(b"/"):
            messages.append(_message(element))
        elif element.startswith(_BUNDLE) and len(element) >= _BUNDLE_HEAD:
            if depth == _DEEPEST:
                raise ConfigError(
                    f"A bundle came with more than {_DEEPEST} bundles inside one another: send them flat."
                )
            waiting += [(part, depth + 1) for part in reversed(_elements(element))]
        else:
            raise ConfigError(f"{_named(datagram)} is not OSC: a message begins with /, a bundle with #bundle.")
    return messages


def encode(answers: Sequence[Answer]) -> bytes:
    """One message as it is, several as a bundle to be read at once."""
    if len(answers) == 1:
        return _encoded(answers[0]).dgram
    bundle = OscBundleBuilder(IMMEDIATELY)
    for answer in answers:
        bundle.add_content(_encoded(answer))
    return bytes(bundle.build().dgram)


def _elements(bundle: bytes) -> list[bytes]:
    found: list[bytes] = []
    place = _BUNDLE_HEAD
    while place < len(bundle):
        size = struct.unpack_from(">i", bundle, place)[0] if place + 4 <= len(bundle) else -1
        if size <= 0 or size > len(bundle) - place - 4:
            raise ConfigError("A bundle came whose sizes do not fit its bytes: send it again.")
        found.append(bundle[place + 4 : place + 4 + size])
        place += 4 + size
    return found


def _message(data: bytes) -> Answer:
    address, end, _ = data.partition(b"\0")
    if not end or not address.isascii() or not address.decode("ascii").isprintable():
        raise ConfigError(
            f"The address {_named(address)} is not one: it is printable ASCII that ends with a zero byte."
        )
    if any(mark in address for mark in b"*?[]{}"):
        raise ConfigError(f"The address {_named(address)} is a pattern, which is not understood: name one address.")
    types = _types(data, len(address))
    if _NO_VALUE.issuperset(types):
        return address.decode("ascii"), ()
    if strange := sorted(set(types) - _KNOWN_TYPES):
        raise ConfigError(
            f"{_named(address)} came with an argument of type {shown(strange[0])}; known are f, i, s, d, h, T and F."
        )
    try:
        values = list(OscMessage(data))
    except (ParseError, ValueError, OverflowError, struct.error):
        raise ConfigError(
            f"The arguments of {_named(address)} do not fit their types {types!r}: send it again."
        ) from None
    return address.decode("ascii"), tuple(values)


def _types(data: bytes, address_length: int) -> str:
    """The letters after the comma; none where the message ends with its address."""
    begin = address_length + 4 - address_length % 4
    if begin >= len(data):
        return ""
    text, end, _ = data[begin:].partition(b"\0")
    if not text.startswith(b",") or not end or not text.isascii():
        raise ConfigError(f"{_named(data[:address_length])} came without the types of its arguments: send them.")
    return text[1:].decode("ascii")


def _named(data: bytes) -> str:
    return shown(data.decode("latin-1"))


def _encoded(answer: Answer) -> OscMessage:
    address, values = answer
    builder = OscMessageBuilder(_clean(address))
    for value in values:
        builder.add_arg(*_typed(value))
    return builder.build()


def _typed(value: Argument) -> tuple[Argument, str]:
    """The value as it is sent: every switch is the number 0 or 1, which all controllers understand."""
    if isinstance(value, str):
        return _clean(value), "s"
    if isinstance(value, int):  # true and false are among them
        return int(value), "i" if -(1 << 31) <= value < 1 << 31 else "h"
    number = float(value)
    return max(-_LARGEST, min(_LARGEST, number)) if math.isfinite(number) else number, "f"


def _clean(text: str) -> str:
    """Text that can be sent: it ends at a zero byte, and half a character has no bytes."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[:_LONGEST_TEXT]
