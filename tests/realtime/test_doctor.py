"""The doctor against real parts: this machine as it is, a real JACK server, and probes that crash and hang."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from realtime import doctor
from realtime.doctor import REAL_TIME, Finding, Findings, ask


def run_doctor(*arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "realtime.cli", "doctor", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def test_json_tells_all_and_stderr_is_silent() -> None:
    """`doctor --json` prints one JSON object, nothing on stderr, and exits 0 exactly when files can be converted."""
    code, out, err = run_doctor("--json")
    found = json.loads(out)
    assert err == ""
    assert (code == 0) == found["can_convert"]
    assert {finding["area"] for finding in found["findings"]} == set(doctor.AREAS)
    assert all(finding["works"] or finding["repair"].endswith((".", "!")) for finding in found["findings"])


def test_text_names_what_does_not_work_and_its_repair() -> None:
    """Each finding that does not work stands in the text with its repair."""
    found = json.loads(run_doctor("--json")[1])
    text = run_doctor()[1]
    for finding in found["findings"]:
        assert finding["name"] in text
        assert finding["repair"] in text


def test_short_is_one_line_where_files_can_be_converted() -> None:
    """`doctor --short` says in its last line whether files can be converted, and no more where nothing is needed."""
    code, out, _ = run_doctor("--short")
    lines = out.splitlines()
    assert ("cannot convert files" in lines[-1]) == (code != 0)
    assert (len(lines) == 1) == (code == 0)


def test_jack_is_found_to_work(jack_server: Callable[..., Any]) -> None:
    """Beside a real JACK server its sound and its MIDI are found to work, with the server's own devices."""
    jack_server(period=256)
    found = {finding.name: finding for finding in doctor.examine().findings}
    assert found["JACK Audio Connection Kit"].works
    assert "loopback (2 in, 2 out)" in found["JACK Audio Connection Kit"].detail
    assert found["UNIX_JACK"].works


def test_jack_is_found_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a JACK server its MIDI does not work, and the repair says to start one."""
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "retimbre-nobody")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    found = {finding.name: finding for finding in doctor._midi()}
    assert not found["UNIX_JACK"].works
    assert "Start a JACK server" in found["UNIX_JACK"].repair


def test_both_runtimes_are_found_to_be_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two distributions of onnxruntime at once are named, with the command that mends it."""
    monkeypatch.setattr(doctor, "_version_of", lambda _name: "1.0")
    found = {finding.name: finding for finding in doctor._install()}
    assert not found["onnxruntime"].works
    assert found["onnxruntime"].needed
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in found["onnxruntime"].repair


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is not installed is a needed finding whose repair names it."""
    version_of = doctor._version_of
    monkeypatch.setattr(doctor, "_version_of", lambda name: None if name == "soxr" else version_of(name))
    found = {finding.name: finding for finding in doctor._install()}
    assert not Findings((found["packages"],)).can_convert
    assert "soxr" in found["packages"].repair


def test_a_missing_extra_does_not_keep_files_from_being_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the training extra the finding says so, and is not needed."""
    monkeypatch.setattr(doctor, "_version_of", lambda _name: None)
    (found,) = doctor._train()
    assert not found.works
    assert not found.needed
    assert "retimbre[train]" in found.repair
    assert "--no-deps swift-f0" in found.repair


def test_a_crashing_probe_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that dies of a signal is reported with its number, and the doctor goes on."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert ask("audio") == (None, "it crashed (exit code 1)")
    (found,) = doctor._sound()
    assert not found.works
    assert "libportaudio2" in found.repair


def test_a_hanging_probe_is_ended() -> None:
    """A probe that does not answer in its time is ended and reported."""
    answer, wrong = ask("inference", seconds=0.01)
    assert answer is None
    assert wrong == "it did not answer within 0.01 s"


def test_a_damaged_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged package is a finding with its own sentence, and a verified one beside it suffices."""
    answer = {"verified": ["identity"], "damaged": {"voice": "The file model.onnx is cut short."}}
    monkeypatch.setattr(doctor, "ask", lambda *_question, **_limits: (answer, ""))
    verified, damaged = doctor._models()
    assert Findings((verified, damaged)).can_convert
    assert damaged.detail == "The file model.onnx is cut short."
    assert "voice" in damaged.repair


def test_real_time_scheduling_alone_is_no_sound_card() -> None:
    """A machine may schedule in real time and still have nothing to play live through."""
    allowed = Finding("sound", REAL_TIME, works=True, detail="allowed")
    card = Finding("sound", "ALSA", works=True, detail="a card")
    assert not Findings((allowed,)).can_play_live
    assert Findings((allowed, card)).can_play_live


@pytest.mark.parametrize(("works", "repair"), [(True, "Mend it."), (False, "")])
def test_exactly_what_is_broken_has_a_repair(works: bool, repair: str) -> None:
    """A finding has a repair exactly when it does not work."""
    with pytest.raises(ValueError, match="repair"):
        Finding("sound", "ALSA", works=works, detail="", repair=repair)
