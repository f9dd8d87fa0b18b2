"""Results written into a package's card: in place, again and again, and still a package that verifies."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from realtime.package import Package
from tests.realtime.small_packages import delay_package
from trainer.card import smaller, with_section


def test_a_section_is_written_replaced_and_the_package_still_verifies(tmp_path: Path) -> None:
    """A section written twice stands once, with its newest text and picture, and the package loads."""
    package = delay_package(tmp_path)
    first = with_section(package, "On stage", "It held.\n\n![a](a.png)", {"a.png": b"\x89PNG one"})
    second = with_section(first, "Other", "Kept.", {})
    last = with_section(second, "On stage", "It held again.\n\n![b](b.png)", {"b.png": b"\x89PNG two"})
    card = Package.load(last.folder).card()
    assert card.count("## On stage") == 1
    assert "It held again." in card
    assert "It held." not in card
    assert "Kept." in card
    assert "](on-stage-b.png)" in card
    assert sorted(path.name for path in last.folder.glob("*.png")) == ["on-stage-b.png"]


def test_a_large_picture_is_made_to_fit(tmp_path: Path) -> None:
    """A picture of noise comes out below the limit and is still a PNG."""
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 255, (600, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    data = smaller(tmp_path / "noise.png")
    assert data.startswith(b"\x89PNG")
    assert len(data) <= 150_000
