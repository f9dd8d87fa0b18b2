from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.controls import RANGES
from realtime.errors import PackageError
from realtime.features import Features, PitchLoudnessFeatures, SamplesFeatures, SpectrumFeatures
from realtime.manifest import (
    FORMAT,
    REQUIRED_FILES,
    Control,
    Licences,
    Manifest,
    State,
    Target,
)
from realtime.phase import PhaseMethod
from tests.realtime.package_parts import FRAMES, PITCH, SAMPLES, SPECTRUM

SHA = "0" * 64
FILES = dict.fromkeys(REQUIRED_FILES, SHA)
KINDS = [manifest.with_files(FILES) for manifest in (SAMPLES, SPECTRUM, PITCH)]

words = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
texts = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
finite = st.floats(-1e6, 1e6)


@st.composite
def spectra(draw: st.DrawFn) -> SpectrumFeatures:
    n_fft = 2 ** draw(st.integers(4, 12))
    return SpectrumFeatures(
        n_fft=n_fft,
        hop=n_fft // 2 ** draw(st.integers(1, 3)),
        bins=draw(st.integers(1, n_fft // 2 + 1)),
        compression=draw(st.sampled_from(["none", "log1p", "log_unit"])),
        scale=draw(st.floats(1e-3, 10.0)),
    )


@st.composite
def controls(draw: st.DrawFn) -> tuple[Control, ...]:
    made = []
    for name in draw(st.lists(st.sampled_from(sorted(RANGES)), unique=True)):
        low, high, unit = RANGES[name]
        made.append(Control(name, draw(texts), unit, low, high, draw(st.floats(low, high)), draw(st.integers(0, 127))))
    return tuple(made)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    source: Features
    output: Features
    phase: PhaseMethod | None = None
    level_db: float | None = None
    kind = draw(st.sampled_from(["samples", "spectrum", "pitch_loudness"]))
    if kind == "samples":
        source = output = SamplesFeatures()
    elif kind == "spectrum":
        source = output = draw(spectra())
        phase = draw(st.sampled_from(["input", "gradient", "griffin_lim"]))
    else:
        source = PitchLoudnessFeatures(
            draw(st.integers(1, 512)), draw(st.integers(0, 4096)), 50.0, draw(st.floats(51, 5e3))
        )
        output = SamplesFeatures()
        level_db = draw(st.floats(-60, 0))
    shapes = draw(st.lists(st.lists(st.integers(1, 8), min_size=1, max_size=4), max_size=3))
    return Manifest(
        format=FORMAT,
        name=draw(words),
        title=draw(texts),
        architecture=draw(texts),
        description=draw(texts),
        sample_rate=draw(st.integers(1000, 192_000)),
        input=source,
        output=output,
        phase=phase,
        step=draw(st.integers(1, 4096)),
        lookahead=draw(st.integers(0, 64)),
        model_delay_samples=draw(st.integers(0, 4096)),
        level_db=level_db,
        states=tuple(State(f"state_{k}", tuple(shape)) for k, shape in enumerate(shapes)),
        targets=tuple(
            Target(name, name.title(), 50.0, None) for name in draw(st.lists(words, max_size=3, unique=True))
        ),
        controls=draw(controls()),
        licences=Licences(draw(texts), draw(texts), draw(texts)),
        files=FILES,
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside `data`."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [found for key, value in items for found in ((*path, key), *places(value, (*path, key)))]


@given(manifests())
def test_text_gives_back_the_manifest(manifest: Manifest) -> None:
    """Every valid manifest, written and parsed, is equal to itself."""
    assert Manifest.parse(manifest.to_text()) == manifest
    assert Manifest.parse(manifest.to_text().encode()) == manifest


@settings(max_examples=300)
@given(st.sampled_from(KINDS), st.data())
def test_a_changed_manifest_is_valid_or_refused(manifest: Manifest, data: st.DataObject) -> None:
    """Any one value replaced, removed or added gives a valid manifest or a PackageError, never another exception."""
    tree = json.loads(manifest.to_text())
    *way, key = data.draw(st.sampled_from(places(tree)))
    inside = tree
    for step in way:
        inside = inside[step]
    action = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if action == "replace":
        inside[key] = data.draw(json_values)
    elif action == "remove":
        del inside[key]
    elif isinstance(inside, dict):
        inside[data.draw(st.text(max_size=8))] = data.draw(json_values)
    else:
        inside.append(data.draw(json_values))
    parsed, refusal = None, ""
    try:
        parsed = Manifest.parse(json.dumps(tree))
    except PackageError as error:
        refusal = str(error)
    if parsed is None:
        assert refusal.strip()
        assert "\n" not in refusal
    else:
        assert Manifest.parse(parsed.to_text()) == parsed


@given(st.binary(max_size=64) | st.text(max_size=64))
def test_any_bytes_are_refused_with_a_sentence(text: bytes | str) -> None:
    """What is no manifest raises PackageError, whatever it is."""
    with pytest.raises(PackageError):
        Manifest.parse(text)


@given(st.sampled_from(KINDS), st.data())
def test_an_unknown_key_is_refused_by_name(manifest: Manifest, data: st.DataObject) -> None:
    """A key that the format does not know, in any object but files, is named in the refusal."""
    tree = json.loads(manifest.to_text())
    objects: list[dict[str, Any]] = [tree]
    for way in places(tree):
        inside: Any = tree
        for step in way:
            inside = inside[step]
        if isinstance(inside, dict) and way[0] != "files":
            objects.append(inside)
    data.draw(st.sampled_from(objects))["surprise"] = 1
    with pytest.raises(PackageError, match="surprise"):
        Manifest.parse(json.dumps(tree))


@pytest.mark.parametrize("key", list(json.loads(KINDS[0].to_text())))
def test_a_missing_key_is_refused_by_name(key: str) -> None:
    """No field has a silent default: without it, the manifest is refused and the field named."""
    tree = json.loads(KINDS[0].to_text())
    del tree[key]
    with pytest.raises(PackageError, match=key):
        Manifest.parse(json.dumps(tree))


def test_a_newer_major_format_names_both_versions() -> None:
    """A package of format 2.3 is refused with a sentence that names 2.3 and our own, whatever else it holds."""
    with pytest.raises(PackageError, match=r"2\.3.*1\.0.*update"):
        Manifest.parse('{"format": "2.3", "new": {"things": []}}')


def test_an_older_major_format_asks_for_a_new_export() -> None:
    """Format 0.9 is not read by guessing."""
    with pytest.raises(PackageError, match=r"0\.9.*export"):
        Manifest.parse('{"format": "0.9"}')


def test_a_newer_minor_format_loads_while_its_keys_are_known() -> None:
    """Format 1.7 without unknown keys is read; with one, the key is refused."""
    tree = json.loads(KINDS[0].to_text())
    tree["format"] = "1.7"
    assert Manifest.parse(json.dumps(tree)).format == "1.7"
    tree["novelty"] = True
    with pytest.raises(PackageError, match="novelty"):
        Manifest.parse(json.dumps(tree))


@pytest.mark.parametrize("value", ["1", "1.0.0", "v1.0", "01.0", "", 1.0, None, ["1.0"]])
def test_a_format_that_is_no_version_is_refused(value: object) -> None:
    """Only MAJOR.MINOR is a format."""
    with pytest.raises(PackageError, match="format"):
        Manifest.parse(json.dumps({"format": value}))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "../up"}, "name"),
        ({"title": "two\nlines"}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"sample_rate": True}, "sample_rate"),
        ({"sample_rate": 10**5000}, "sample_rate"),
        ({"step": 0}, "step"),
        ({"step": 1.0}, "step"),
        ({"step": True}, "step"),
        ({"lookahead": -1}, "lookahead"),
        ({"phase": "input"}, "phase"),
        ({"level_db": -3.0}, "level_db"),
        ({"states": (State("state_1", (1,)),)}, "state_0"),
        ({"states": (State("state_0", (1 << 20, 1 << 20)),)}, "states"),
        ({"targets": (Target("a", "A"), Target("a", "B"))}, "twice"),
        ({"files": {**FILES, "../../etc": SHA}}, "file"),
        ({"files": {**FILES, "notes.txt": SHA}}, "picture"),
        ({"files": {**FILES, "CARD.md": "abc"}}, "sha256"),
        ({"files": {"CARD.md": SHA}}, "model.onnx"),
    ],
)
def test_what_contradicts_itself_is_refused(change: dict[str, Any], sentence: str) -> None:
    """Each impossible field has its refusal, in the dataclass itself, so that no trainer can write it."""
    with pytest.raises(PackageError, match=sentence):
        dataclasses.replace(SAMPLES, **change)


@pytest.mark.parametrize(
    ("manifest", "change", "sentence"),
    [
        (SPECTRUM, {"phase": None}, "phase"),
        (SPECTRUM, {"output": dataclasses.replace(FRAMES, hop=128)}, "same hop"),
        (SPECTRUM, {"output": dataclasses.replace(FRAMES, n_fft=512)}, "n_fft 512"),
        (SPECTRUM, {"input": SamplesFeatures()}, "same hop"),
        (SPECTRUM, {"output": PITCH.input, "phase": None}, "output"),
        (PITCH, {"level_db": None}, "level_db"),
        (PITCH, {"level_db": float("nan")}, "level_db"),
        (PITCH, {"output": FRAMES, "phase": "input"}, "phase"),
    ],
)
def test_input_output_and_phase_must_fit(manifest: Manifest, change: dict[str, Any], sentence: str) -> None:
    """A signal path that the engine could not play is refused when the manifest is made."""
    with pytest.raises(PackageError, match=sentence):
        dataclasses.replace(manifest, **change)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Target("a b", "A"),
        lambda: Target("a", "A", 500.0, 400.0),
        lambda: Control("warp", "Warp", "", 0.0, 1.0, 0.0),
        lambda: Control("mix", "Mix", "", 0.0, 1.0, 2.0),
        lambda: Control("mix", "Mix", "", 1.0, 0.0, 1.0),
        lambda: Control("mix", "Mix", "", 0.0, 1.0, 1.0, 128),
        lambda: State("state_0", ()),
        lambda: State("state_0", (0,)),
        lambda: Licences("", "CC0-1.0", "none"),
    ],
)
def test_impossible_parts_are_refused(make: Any) -> None:
    """Targets, controls, states and licences refuse impossible values when they are made."""
    with pytest.raises(PackageError):
        make()


@pytest.mark.parametrize(
    "text", ['{"format": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "[]", ""]
)
def test_text_that_is_no_plain_json_object_is_refused(text: str) -> None:
    """NaN, a key that stands twice, endless depth, endless digits, a list and nothing are PackageErrors."""
    with pytest.raises(PackageError):
        Manifest.parse(text)


def test_a_key_that_stands_twice_is_refused() -> None:
    """Of two values for one key neither is taken silently."""
    text = KINDS[0].to_text().replace('"step": 32,', '"step": 32, "step": 64,')
    with pytest.raises(PackageError, match="'step' twice"):
        Manifest.parse(text)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.99])
def test_half_a_manifest_is_told_from_a_wrong_one(part: float) -> None:
    """A manifest that was copied in part is refused with just that reason."""
    text = KINDS[0].to_text().rstrip()
    with pytest.raises(PackageError, match="ends too early"):
        Manifest.parse(text[: int(len(text) * part)])


def test_the_tensor_law_gives_every_shape() -> None:
    """Inputs are x, target, states; outputs y, next states; shapes follow from features and step."""
    law = [(spec.name, spec.shape) for spec in (*SAMPLES.inputs, *SAMPLES.outputs)]
    states = [("state_0", (1, 1, 32)), ("y", (1, 1, 32)), ("next_state_0", (1, 1, 32))]
    assert law == [("x", (1, 1, 32)), ("target", (1, 2)), *states]
    assert [(spec.name, spec.shape) for spec in SPECTRUM.inputs] == [("x", (1, 1, 100, 2))]
    assert [(spec.name, spec.shape) for spec in SPECTRUM.outputs] == [("y", (1, 1, 100, 2))]
    assert PITCH.x_shape == (1, 3, 2)
    assert PITCH.y_shape == (1, 1, 128)
    assert (SAMPLES.step_samples, SPECTRUM.step_samples) == (32, 128)


def test_latency_comes_from_the_law_alone() -> None:
    """A manifest's latency is analysis, look-ahead, model and feature delay; no number of its own is stored."""
    late = dataclasses.replace(SPECTRUM, lookahead=3, model_delay_samples=7)
    assert late.latency_samples == (256 - 64) + 3 * 64 + 7
    assert dataclasses.replace(PITCH, lookahead=1).latency_samples == 96 + 64
    assert "latency" not in late.to_text()


def test_a_manifest_crosses_processes() -> None:
    """A manifest survives pickling and copying, as the engine's pipe needs."""
    for manifest in KINDS:
        assert pickle.loads(pickle.dumps(manifest)) == manifest  # noqa: S301  # made on the line itself
        assert copy.deepcopy(manifest) == manifest


def test_the_specification_names_every_key() -> None:
    """docs/model-package.md describes this very format: its version, and each key of each object."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "model-package.md").read_text(encoding="utf-8")
    assert f"# The model package, format {FORMAT}" in page
    assert f"| {FORMAT} |" in page
    parts = (Manifest, Target, Control, State, Licences, SpectrumFeatures, PitchLoudnessFeatures)
    for key in (field.name for part in parts for field in dataclasses.fields(part)):
        assert f"`{key}`" in page or f'"{key}"' in page, key
