"""One index out of several: piano from MAESTRO and guitar from GuitarSet become the two domains of one run.

A/index.json  B/index.json ─▶ OUT/index.json        its files are named as ../A/audio/…: nothing is copied
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realtime.errors import ConfigError, DataError
from trainer.prepare_work import write_json
from trainer.recordings import INDEX_FORMAT


def join(
    folders: Sequence[Path], out: Path, *, domains: Sequence[str] = (), rename: Mapping[str, str] | None = None
) -> Counter[str]:
    """Write OUT/index.json of the folders' recordings; returns how many of each domain, DataError when they differ."""
    rates: dict[int, Path] = {}
    rows: list[dict[str, Any]] = []
    for folder in folders:
        if folder.resolve() == out.resolve():
            raise ConfigError(f"{out} is one of the folders to join: give --out another one.")
        path = folder / "index.json"
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            rates.setdefault(int(index["sample_rate"]), folder)
            for row in index["recordings"]:
                domain = (rename or {}).get(row["domain"], row["domain"])
                if not domains or domain in domains:
                    file = Path(os.path.relpath(folder / row["file"], out)).as_posix()
                    rows.append({**row, "file": file, "domain": domain})
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}): name folders that `prepare` wrote.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is not an index of recordings: name folders that `prepare` wrote.") from error
    if len(rates) > 1:
        told = ", ".join(f"{folder} at {rate} Hz" for rate, folder in rates.items())
        raise DataError(f"The recordings have several sample rates ({told}): prepare all of them with one --rate.")
    counted = Counter(row["domain"] for row in rows)
    if lacking := sorted(set(domains) - set(counted)):
        raise ConfigError(f"There are no recordings of {', '.join(lacking)}: choose of {', '.join(sorted(counted))}.")
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "index.json", {"format": INDEX_FORMAT, "sample_rate": next(iter(rates)), "recordings": rows})
    return counted
