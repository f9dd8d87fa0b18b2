"""Colours of loudness: a ramp from the theme's background, through a token's hue, to near white or near black.

Made in OKLab, where equal steps look equal: lightness goes in a straight line, so that the picture reads the same
without colour, and twice as far is twice as much for every eye; the hue is the token's, strongest at its own lightness.
Pure; any thread.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_TO_LMS = np.array(
    (
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    )
)
_TO_LAB = np.array(
    (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
)
_SHADES = 256


def oklab(colour: str) -> NDArray[np.float64]:
    """Lightness, and the two axes of hue, of "#rrggbb"."""
    part = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return np.asarray(_TO_LAB @ np.cbrt(_TO_LMS @ linear))


@lru_cache(maxsize=16)
def ramp(background: str, hue: str, end: float) -> NDArray[np.uint32]:
    """256 colours 0xffRRGGBB, from `background` to lightness `end` (1 white, 0 black)."""
    begin, through = oklab(background), oklab(hue)
    way = np.linspace(0.0, 1.0, _SHADES)
    lightness = begin[0] + way * (end - begin[0])
    middle = (through[0] - begin[0]) / (end - begin[0])
    strength = np.where(way < middle, way / middle, (1.0 - way) / (1.0 - middle)) ** 0.8
    lab = np.stack(
        (lightness, begin[1] + strength * (through[1] - begin[1]), begin[2] + strength * (through[2] - begin[2]))
    )
    linear = np.linalg.inv(_TO_LMS) @ (np.linalg.inv(_TO_LAB) @ lab) ** 3
    linear = np.clip(linear, 0.0, 1.0)
    part = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.round(part * 255.0).astype(np.uint32)
    made: NDArray[np.uint32] = np.uint32(0xFF000000) | red << np.uint32(16) | green << np.uint32(8) | blue
    made.flags.writeable = False
    return made


def shades(theme_name: str, background: str, hue: str) -> NDArray[np.uint32]:
    """The ramp of a theme: to near white in the dark, to near black in the light."""
    return ramp(background, hue, 0.97 if theme_name == "dark" else 0.2)
