"""What the trainer's tests share: made-up material, and torch on one thread."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.material import write_material


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # Before every test: what another test converted in this process may have left more, and sums then differ in bits.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings/ and paired/ in the formats of `retimbre prepare`."""
    folder = tmp_path_factory.mktemp("material")
    write_material(folder)
    return folder
