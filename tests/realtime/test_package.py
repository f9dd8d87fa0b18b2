from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from realtime.errors import PackageError
from realtime.features import SpectrumFeatures
from realtime.manifest import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE
from realtime.package import (
    MODELS_VARIABLE,
    Package,
    check,
    default_package_name,
    find_packages,
    make_golden,
    package_folders,
    resolve,
    write_package,
)
from tests.realtime.package_parts import SAMPLES, SPECTRUM, graph, tone, toy_model, toy_package

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def toy(tmp_path: Path) -> Package:
    """A sound package on disk."""
    return toy_package(tmp_path)


def replace_file(folder: Path, name: str, data: bytes, *, signed: bool) -> None:
    """Put other bytes under `name`; `signed` also corrects the manifest, as a faulty exporter would."""
    (folder / name).write_bytes(data)
    if signed:
        tree = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        tree["files"][name] = hashlib.sha256(data).hexdigest()
        (folder / MANIFEST_FILE).write_text(json.dumps(tree), encoding="utf-8")


def edit_manifest(folder: Path, **changes: Any) -> None:
    """Change keys of manifest.json."""
    tree = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    (folder / MANIFEST_FILE).write_text(json.dumps({**tree, **changes}), encoding="utf-8")


def test_a_written_package_loads_equal(toy: Package) -> None:
    """What write_package wrote, load reads: the same manifest, model, card and golden sound."""
    again = Package.load(toy.folder)
    assert (again.manifest, again.model, again.card()) == (toy.manifest, toy.model, "# Toy\n")
    assert set(again.golden()) == {"x_audio", "y_audio", "target"}
    assert again.size_bytes() == sum((toy.folder / name).stat().st_size for name in toy.manifest.files)
    assert [path.name for path in toy.folder.parent.iterdir()] == ["toy"]


def damage_truncated(folder: Path) -> None:
    data = (folder / MODEL_FILE).read_bytes()
    replace_file(folder, MODEL_FILE, data[: len(data) // 2], signed=False)


def damage_truncated_golden(folder: Path) -> None:
    data = (folder / GOLDEN_FILE).read_bytes()
    replace_file(folder, GOLDEN_FILE, data[: len(data) // 2], signed=False)


def damage_tampered(folder: Path) -> None:
    data = bytearray((folder / MODEL_FILE).read_bytes())
    data[-1] ^= 1
    replace_file(folder, MODEL_FILE, bytes(data), signed=False)


def damage_card(folder: Path) -> None:
    replace_file(folder, "CARD.md", b"# Trained by someone else\n", signed=False)


def damage_corrupt(folder: Path) -> None:
    replace_file(folder, MODEL_FILE, b"this is no model", signed=True)


def damage_half_manifest(folder: Path) -> None:
    text = (folder / MANIFEST_FILE).read_text(encoding="utf-8")
    (folder / MANIFEST_FILE).write_text(text[: len(text) // 2], encoding="utf-8")


def damage_shape(folder: Path) -> None:
    wide = dataclasses.replace(SAMPLES, step=64)
    replace_file(folder, MODEL_FILE, toy_model(wide), signed=True)


def damage_names(folder: Path) -> None:
    shape = (1, 1, SAMPLES.step)
    node = helper.make_node("Identity", ["x"], ["y"])
    replace_file(folder, MODEL_FILE, graph([node], {"x": shape}, {"y": shape}), signed=True)


def damage_nan(folder: Path) -> None:
    replace_file(folder, MODEL_FILE, toy_model(op="Log"), signed=True)


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (damage_truncated, r"model\.onnx ends too early"),
    (damage_truncated_golden, r"golden\.npz ends too early"),
    (damage_half_manifest, r"manifest\.json ends too early"),
    (damage_tampered, r"model\.onnx is not the file that was packaged.*sha256"),
    (damage_card, r"CARD\.md is not the file that was packaged.*sha256"),
    (damage_corrupt, r"model 'toy' cannot be loaded"),
    (damage_shape, r"'x' of the model 'toy' has the shape \(1, 1, 64\).*\(1, 1, 32\)"),
    (damage_names, r"inputs of the model 'toy' are x, but its manifest makes them x, target, state_0"),
    (damage_nan, r"not numbers \(NaN or infinite\)"),
    (lambda folder: edit_manifest(folder, format="2.0"), r"format is 2\.0.*1\.0"),
    (lambda folder: edit_manifest(folder, colour="red"), "unknown key 'colour'"),
    (lambda folder: (folder / MODEL_FILE).unlink(), r"model\.onnx is missing"),
    (lambda folder: (folder / MANIFEST_FILE).unlink(), "is not a model package"),
    (lambda folder: (folder / MANIFEST_FILE).write_bytes(b"\xff\xfe\x00junk"), "is not JSON"),
    (lambda folder: (folder / MANIFEST_FILE).write_bytes(b" " * (2 << 20)), "larger than 1 MiB"),
    (shutil.rmtree, "does not exist"),
]


@pytest.mark.parametrize(("damage", "sentence"), DAMAGES)
def test_each_damage_has_its_own_sentence(toy: Package, damage: Callable[[Path], object], sentence: str) -> None:
    """A package wrong in one way is refused by a PackageError of one line that says which way."""
    damage(toy.folder)
    with pytest.raises(PackageError, match=sentence) as caught:
        Package.load(toy.folder)
    assert "\n" not in str(caught.value)


def test_the_damages_are_told_apart(tmp_path: Path) -> None:
    """No two damages are refused with the same sentence."""
    sentences = set()
    for number, (damage, _) in enumerate(DAMAGES):
        folder = toy_package(tmp_path / str(number)).folder
        damage(folder)
        with pytest.raises(PackageError) as caught:
            Package.load(folder)
        sentences.add(str(caught.value).replace(str(folder.parent), ""))
    assert len(sentences) == len(DAMAGES)


def test_a_newer_minor_format_loads(toy: Package) -> None:
    """Format 1.4 without unknown keys plays."""
    edit_manifest(toy.folder, format="1.4")
    assert Package.load(toy.folder).manifest.format == "1.4"


def test_a_file_is_no_package(tmp_path: Path) -> None:
    """A path to a file is refused as such."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"")
    with pytest.raises(PackageError, match="is a file"):
        Package.load(path)


def test_mel_bands_that_hold_no_bin_are_refused(tmp_path: Path) -> None:
    """A manifest with more mel bands than its frames can fill does not load."""
    narrow = SpectrumFeatures(n_fft=256, hop=64, bins=120, bands="mel")
    manifest = dataclasses.replace(SPECTRUM, input=narrow, output=narrow)
    node = helper.make_node("Identity", ["x"], ["y"])
    model = graph([node], {"x": manifest.x_shape}, {"y": manifest.y_shape})
    golden = {"x_audio": tone(), "y_audio": tone(), "target": np.zeros(0, np.float32)}
    with pytest.raises(PackageError, match="mel bands"):
        write_package(tmp_path / manifest.name, manifest, model, golden, "# Narrow\n")


def test_nothing_half_written_stays(toy: Package) -> None:
    """A package that would not load leaves the older one as it was and no trace of itself."""
    before = {path.name: path.read_bytes() for path in toy.folder.iterdir()}
    with pytest.raises(PackageError, match="not numbers"):
        write_package(toy.folder, SAMPLES, toy_model(op="Log"), toy.golden(), "# New\n")
    assert {path.name: path.read_bytes() for path in toy.folder.iterdir()} == before
    assert [path.name for path in toy.folder.parent.iterdir()] == ["toy"]


def test_a_package_replaces_an_older_one(toy: Package) -> None:
    """Writing again puts the new package in the place of the old, whole."""
    write_package(toy.folder, SAMPLES, toy.model, toy.golden(), "# New\n", {"curve.png": b"picture"})
    again = Package.load(toy.folder)
    assert again.card() == "# New\n"
    assert "curve.png" in again.manifest.files
    assert [path.name for path in toy.folder.parent.iterdir()] == ["toy"]


def test_writing_is_the_same_every_time(tmp_path: Path) -> None:
    """The same parts give the same bytes."""
    one, two = toy_package(tmp_path / "a").folder, toy_package(tmp_path / "b").folder
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {p.name: p.read_bytes() for p in two.iterdir()}


def test_other_folders_are_never_overwritten(toy: Package, tmp_path: Path) -> None:
    """A folder of another name, or one that holds other things, is refused."""
    with pytest.raises(PackageError, match="package's name is 'toy'"):
        write_package(tmp_path / "other", SAMPLES, toy.model, toy.golden(), "")
    mine = tmp_path / "mine" / "toy"
    mine.mkdir(parents=True)
    (mine / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(PackageError, match="would be lost"):
        write_package(mine, SAMPLES, toy.model, toy.golden(), "")
    assert (mine / "thesis.txt").is_file()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"y_audio": np.zeros(9600, np.float32)}, "silent"),
        ({"y_audio": np.ones(9601, np.float32)}, "the same number"),
        ({"x_audio": np.ones(10, np.float32), "y_audio": np.ones(10, np.float32)}, "seconds"),
        ({"x_audio": np.ones(9600)}, "float32"),
        ({"y_audio": np.full(9600, np.nan, np.float32)}, "finite"),
        ({"target": np.ones(1, np.float32)}, "2 weights"),
        ({"target": np.ones(2, np.float32)}, "sum to 1"),
        ({"extra": np.ones(2, np.float32)}, "extra"),
    ],
)
def test_a_golden_sound_that_proves_nothing_is_refused(toy: Package, change: dict[str, Any], sentence: str) -> None:
    """Silence, wrong lengths, wrong types and impossible weights are no golden sound."""
    with pytest.raises(PackageError, match=sentence):
        write_package(toy.folder, SAMPLES, toy.model, {**toy.golden(), **change}, "")


def test_check_passes_what_plays_alike(toy: Package) -> None:
    """A fresh package replays its golden sound within the tolerance and says how fast."""
    report = check(toy)
    assert report.passed
    assert report.error <= report.tolerance
    assert report.seconds == pytest.approx(0.6)
    assert report.real_time_factor > 0
    assert (report.latency_samples, report.provider) == (0, "cpu")


def test_check_hears_another_model(toy: Package) -> None:
    """A package whose model is not the one that made its golden sound fails the check, by the right amount."""
    replace_file(toy.folder, MODEL_FILE, toy_model(op="Neg"), signed=True)
    report = check(Package.load(toy.folder))
    assert not report.passed
    assert report.error == pytest.approx(2.0, rel=1e-3)


def test_check_hears_the_states(toy: Package) -> None:
    """The golden sound depends on the state: y is not the half of x that a model without memory would give."""
    golden = toy.golden()
    past = np.concatenate([np.zeros(32, np.float32), golden["x_audio"][:-32]])
    np.testing.assert_allclose(golden["y_audio"], 0.5 * golden["x_audio"] + past, atol=1e-6)


def test_a_failing_model_makes_no_golden_sound() -> None:
    """The chain's fade to dry never hides a failing model from make_golden."""
    with pytest.raises(PackageError, match="steps"):
        make_golden(SAMPLES, toy_model(op="Log"), tone())


def test_a_package_with_pickled_golden_is_refused(toy: Package) -> None:
    """A golden.npz that would run code on loading is not loaded."""
    import io

    memory = io.BytesIO()
    np.savez(memory, x_audio=np.array([{}], object), allow_pickle=True)
    replace_file(toy.folder, GOLDEN_FILE, memory.getvalue(), signed=True)
    with pytest.raises(PackageError, match=r"golden\.npz"):
        Package.read(toy.folder).golden()


def test_packages_are_found_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_folders: Path) -> None:
    """RETIMBRE_MODELS comes first, then the packages beside the code, then the user's; later namesakes are hidden."""
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv(MODELS_VARIABLE, os.pathsep.join([str(first), str(second)]))
    toy_package(first)
    toy_package(second)
    mine = toy_package(user_folders / "xdg_data_home" / "retimbre" / "models", name="mine")
    assert package_folders()[:3] == [first, second, ROOT / "exported_models"]
    found = {(one.folder, one.hidden) for one in find_packages() if one.name in {"toy", "mine", "identity"}}
    assert (first / "toy", False) in found
    assert (second / "toy", True) in found
    assert (mine.folder, False) in found
    assert (ROOT / "exported_models" / "identity", False) in found
    assert resolve("toy").folder == first / "toy"
    assert resolve("mine").folder == mine.folder


def test_a_broken_package_is_listed_and_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken package is listed with its sentence; the others stay usable, and so does a namesake further on."""
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv(MODELS_VARIABLE, os.pathsep.join([str(first), str(second)]))
    damage_tampered(toy_package(first, name="broken").folder)
    damage_half_manifest(toy_package(first).folder)
    toy_package(second)
    (first / ".toy.half.partial").mkdir()
    found = {one.folder: one for one in find_packages()}
    assert "sha256" in (found[first / "broken"].error or "")
    assert "ends too early" in (found[first / "toy"].error or "")
    assert first / ".toy.half.partial" not in found
    assert not found[second / "toy"].hidden
    assert resolve("toy").folder == second / "toy"
    with pytest.raises(PackageError, match="sha256"):
        resolve("broken")


def test_resolve_takes_names_and_paths(toy: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name, a path, a relative path and the name of a folder right here all lead to the package."""
    assert resolve(toy.folder).name == "toy"
    assert resolve(str(toy.folder)).name == "toy"
    monkeypatch.chdir(toy.folder.parent)
    assert resolve(f".{os.sep}toy").name == "toy"
    assert resolve("toy").name == "toy"
    assert resolve("identity").name == "identity"


def test_a_wrong_name_gets_a_near_one() -> None:
    """A misspelt name is answered with names that exist."""
    with pytest.raises(PackageError, match="did you mean identity"):
        resolve("idnetity")
    with pytest.raises(PackageError, match=r"choose from .*identity"):
        resolve("zzz")


def test_the_default_model_is_the_voice_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a voice the default is identity; with one, the voice."""
    monkeypatch.setattr("realtime.package.package_folders", lambda: [tmp_path])
    assert default_package_name() == "identity"
    toy_package(tmp_path, name="voice")
    assert default_package_name() == "voice"


def test_every_shipped_package_is_sound() -> None:
    """Each package beside the code loads, plays its golden sound and has at most 16 MB; all of them at most 150."""
    folders = [path for path in (ROOT / "exported_models").iterdir() if path.is_dir()]
    assert "identity" in {folder.name for folder in folders}
    for folder in folders:
        report = check(Package.load(folder))
        assert report.name == folder.name
        assert report.passed, report
    sizes = [sum(path.stat().st_size for path in folder.rglob("*")) for folder in folders]
    assert max(sizes) < 16e6
    assert sum(sizes) < 150e6


def test_identity_is_made_by_its_maker(tmp_path: Path) -> None:
    """The shipped identity package is what trainer.identity writes, and gives back its input bit by bit."""
    from trainer.identity import write_identity

    made = write_identity(tmp_path)
    shipped = Package.load(ROOT / "exported_models" / "identity")
    assert (made.manifest.with_files({}), made.model) == (shipped.manifest.with_files({}), shipped.model)
    golden = shipped.golden()
    np.testing.assert_array_equal(golden["x_audio"], golden["y_audio"])


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    """Where no folder can be made, nothing is written and the sentence names the place."""
    (tmp_path / "note.txt").write_text("here")
    with pytest.raises(PackageError, match=r"note\.txt cannot hold the package"):
        toy_package(tmp_path / "note.txt")
