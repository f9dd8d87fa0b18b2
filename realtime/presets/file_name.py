"""Names that people give and that become file names: one rule, so that they work on every system and stay in a folder.

    "Violin, bright" ─▶ FOLDER/Violin, bright.toml        "../../x", "a/b", "CON", ".x"  ─▶ refused

Any thread.
"""

from __future__ import annotations

from realtime.errors import ConfigError

LONGEST_NAME = 64
_FORBIDDEN = frozenset('/\\:*?"<>|')
# Windows keeps these names to itself, whatever follows the dot.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


def checked_name(name: object, what: str) -> str:
    """The name itself, when it can be a file's name everywhere; `what` (such as "preset") is for the sentence.

    Raises `ConfigError`.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
        raise ConfigError(f"The {what}'s name is {shown(name)}, but it must be text of 1 to {LONGEST_NAME} characters.")
    if not name.isprintable() or _FORBIDDEN & set(name):
        raise ConfigError(
            f"The {what}'s name is {shown(name)}, but it may hold no {' '.join(sorted(_FORBIDDEN))} and no control "
            "character: choose another."
        )
    if name[0] in " ." or name[-1] in " ." or name.partition(".")[0].rstrip().lower() in _DEVICES:
        raise ConfigError(
            f"The {what}'s name is {shown(name)}, but it may neither begin nor end with a dot or a space, nor be "
            "one that Windows keeps, such as CON: choose another."
        )
    return name


def shown(value: object) -> str:
    """What was found, as it stands in a sentence: never long, never more than one line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
