"""What plugins there are to choose from: found, tried and forgiven by our own command line in another process.

    list ──▶ `retimbre plugins list --all --json`            what is installed now, and what is wrong with it
    scan ──▶ `retimbre plugins scan --json --progress [URI]` each tried where it may crash, counted as it goes
    preset_values ──▶ `retimbre plugins show URI --preset …`  where a preset puts the knobs

Foreign code is never loaded in the app. One question runs at a time, the others wait their turn; what a scan found is
read from its memory. GUI thread. Over 300 lines because each question and the reading of its answer belong together.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QCoreApplication, QObject, QProcess, pyqtSignal

from gui.own_command import own_command
from realtime.errors import PluginError
from realtime.plugins.plugin import PluginInfo, format_of
from realtime.plugins.scan import Finding

if TYPE_CHECKING:
    from gui.bridge import Bridge

_PREFIX: Final = "retimbre: "
_KILL_MS: Final = 2000


@dataclass(frozen=True, slots=True)
class Shelved:
    """A plugin to choose.

    problem: a sentence why it cannot stand in a chain. finding: of its trial, if there was one. facts: what it says of
    itself, where that was asked without a trial.
    """

    uri: str
    name: str
    format: str
    category: str = ""
    problem: str | None = None
    finding: Finding | None = None
    facts: PluginInfo | None = None

    @property
    def info(self) -> PluginInfo | None:
        """Its facts, where they are known."""
        tried = None if self.finding is None else self.finding.info
        return self.facts if tried is None else tried

    @property
    def black_listed(self) -> bool:
        """Whether it broke the process that tried it."""
        return self.problem is not None and self.finding is not None and self.finding.black_listed

    def fits(self, words: str) -> bool:
        """Whether every word of a search is somewhere in what is known of it."""
        maker = "" if self.info is None else self.info.maker
        text = f"{self.name} {self.category} {maker} {self.format}".casefold()
        return all(word in text for word in words.casefold().split())


@dataclass(frozen=True, slots=True)
class _Question:
    """One command: its arguments, and what hears its output (None: it failed, and that was said)."""

    arguments: tuple[str, ...]
    then: Callable[[str | None], None]
    fails_softly: bool = False  # exit code 1 with an answer all the same


class PluginShelf(QObject):
    """The plugins of this machine, asked for when they are first needed."""

    changed = pyqtSignal()
    """The list or what is known of a plugin."""
    progress = pyqtSignal(int, int, str)
    """A trial begins: its number, of how many, and the plugin's name. (0, 0, "") when nothing is tried any more."""
    said = pyqtSignal(str)
    """A sentence about what could not be done."""

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        """Nothing is asked yet; `bridge` lends its background threads, on which long answers are read."""
        super().__init__(parent)
        self._bridge = bridge
        self.plugins: Mapping[str, Shelved] = {}
        self.remarks: tuple[str, ...] = ()
        self.listed = False
        self._waiting: deque[_Question] = deque()
        self._current: _Question | None = None
        self._out, self._err = bytearray(), bytearray()
        self._asked: set[str] = set()
        self._process = QProcess(self)
        self._process.readyReadStandardOutput.connect(self._hear)
        self._process.readyReadStandardError.connect(self._hear)
        self._process.finished.connect(self._ended)
        self._process.errorOccurred.connect(self._failed)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)

    @property
    def busy(self) -> bool:
        """Whether a question is under way or waits."""
        return self._current is not None or bool(self._waiting)

    @property
    def scanning(self) -> bool:
        """Whether plugins are being tried."""
        return self._current is not None and self._current.arguments[0] == "scan"

    def refresh(self) -> None:
        """Look again at what is installed."""
        self._ask("list", "--all", "--json", then=self._take_list)

    def scan(self, *uris: str) -> None:
        """Try every plugin that is not black-listed, or these."""
        self._ask("scan", "--json", "--progress", *uris, then=self._take_scan, fails_softly=True)

    def get_to_know(self, uri: str) -> None:
        """Ask once what a plugin says of itself; an LV2 is not run for it, others cannot be asked without a trial."""
        if uri in self._asked or self.info_of(uri) is not None:
            return
        self._asked.add(uri)
        if format_of(uri) == "LV2":
            self._ask("show", uri, "--json", then=lambda answer: self._take_facts(uri, answer))
        else:
            self.scan(uri)

    def forgive(self, uri: str) -> None:
        """Take a plugin off the black-list and try it again."""
        self._ask("forgive", uri, then=lambda _: None, fails_softly=True)
        self.scan(uri)

    def preset_values(self, uri: str, preset: str, then: Callable[[dict[str, float]], None]) -> None:
        """Where a preset of a plugin puts each knob; `then` is called when that is known."""

        def take(answer: str | None) -> None:
            if answer is not None:
                then({str(name): float(value) for name, value in json.loads(answer)["values"].items()})

        self._ask("show", uri, "--preset", preset, "--json", then=take)

    def stop(self) -> None:
        """End what is under way: what was found so far of a scan is lost."""
        self._waiting.clear()
        if self._process.state() != QProcess.ProcessState.NotRunning:
            self._process.kill()

    def close(self) -> None:
        """End everything; waits for the end of a process that was killed."""
        self.stop()
        self._process.waitForFinished(_KILL_MS)

    def name_of(self, uri: str) -> str:
        """The name to show for a plugin, as far as it is known."""
        known = self.plugins.get(uri)
        return known.name if known is not None else short_name(uri)

    def info_of(self, uri: str) -> PluginInfo | None:
        """The facts of a plugin, where they are known."""
        known = self.plugins.get(uri)
        return None if known is None else known.info

    def _ask(self, *arguments: str, then: Callable[[str | None], None], fails_softly: bool = False) -> None:
        self._waiting.append(_Question(arguments, then, fails_softly))
        self._next()

    def _next(self) -> None:
        if self._current is None and self._waiting:
            self._current = self._waiting.popleft()
            self._out.clear()
            self._err.clear()
            program, *arguments = own_command("plugins", *self._current.arguments)
            self._process.start(program, arguments)

    def _hear(self) -> None:
        self._out += self._process.readAllStandardOutput().data()
        self._err += self._process.readAllStandardError().data()
        if not self.scanning:
            return
        while (end := self._err.find(b"\n")) >= 0 and self._err[:1].isdigit():
            number, _, rest = self._err[:end].decode(errors="replace").partition(" ")
            count, _, uri = rest.partition(" ")
            del self._err[: end + 1]
            if number.isdecimal() and count.isdecimal():
                self.progress.emit(int(number), int(count), self.name_of(uri))

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:  # `finished` does not come then
            self._answer(None, "The command that looks for plugins did not start: install Retimbre again.")

    def _ended(self, code: int, status: QProcess.ExitStatus) -> None:
        self._hear()
        question = self._current
        if question is None:
            return
        text = self._out.decode(errors="replace")
        well = status == QProcess.ExitStatus.NormalExit and (code == 0 or (question.fails_softly and code == 1))
        problem = ""
        if not well and status == QProcess.ExitStatus.NormalExit:
            lines = [line for line in self._err.decode(errors="replace").splitlines() if line.strip()]
            problem = " ".join(lines) or f"Looking at plugins ended with code {code}: try again."
            problem = problem.removeprefix(_PREFIX)
        self._answer(text if well else None, problem)

    def _answer(self, text: str | None, problem: str) -> None:
        question, self._current = self._current, None
        if question is None:
            return
        if question.arguments[0] == "scan":
            self.progress.emit(0, 0, "")
        if problem:
            self.said.emit(problem)
        try:
            question.then(text)
        except (ValueError, KeyError) as error:
            self.said.emit(f"What was said of the plugins cannot be understood ({error}): look for them again.")
        self._next()

    def _take_list(self, answer: str | None) -> None:
        if answer is None:
            self.listed = True
            self.changed.emit()
            return
        self._bridge.in_background(lambda: _read_list(answer), self._put, self._lost)

    def _take_scan(self, answer: str | None) -> None:
        if answer is None:
            self.changed.emit()
            return
        self._bridge.in_background(lambda: _read_scan(answer), self._add, self._lost)

    def _take_facts(self, uri: str, answer: str | None) -> None:
        if answer is not None:
            self._bridge.in_background(lambda: _read_facts(answer, self.plugins.get(uri)), self._add, self._lost)

    def _put(self, read: tuple[dict[str, Shelved], tuple[str, ...]]) -> None:
        found, self.remarks = read
        for uri, earlier in self.plugins.items():  # as it is now: facts may have come while the list was read
            if (one := found.get(uri)) is not None:
                found[uri] = replace(one, finding=one.finding or earlier.finding, facts=earlier.facts)
        self.plugins, self.listed = found, True
        self.changed.emit()

    def _add(self, found: dict[str, Shelved]) -> None:
        self.plugins = {**self.plugins, **found}
        self.changed.emit()

    def _lost(self, sentence: str) -> None:
        self.listed = True
        self.said.emit(sentence)
        self.changed.emit()


def _read_list(answer: str) -> tuple[dict[str, Shelved], tuple[str, ...]]:
    """What `list` printed, with what scans remember."""
    from realtime.plugins.scan import remembered

    told, tried = _read_json(answer), remembered()
    found: dict[str, Shelved] = {}
    for entry in told["plugins"]:
        uri, category = entry["uri"], "" if entry["category"] == "not scanned yet" else str(entry["category"])
        found[uri] = Shelved(uri, entry["name"], entry["format"], category, entry["problem"], tried.get(uri))
    return found, tuple(told["remarks"])


def _read_facts(answer: str, known: Shelved | None) -> dict[str, Shelved]:
    """What `show` printed."""
    info = Finding.from_mapping({"uri": "", "info": _read_json(answer)}).info
    assert info is not None
    if known is None:
        return {info.uri: Shelved(info.uri, info.name, info.format, info.category, info.problem, facts=info)}
    return {info.uri: replace(known, facts=info)}


def _read_scan(answer: str) -> dict[str, Shelved]:
    """What `scan` printed."""
    return {one["uri"]: _tried(Finding.from_mapping(one)) for one in _read_json(answer)["plugins"]}


def _read_json(answer: str) -> Any:
    try:
        return json.loads(answer)
    except ValueError as error:
        raise PluginError(f"What was said of the plugins is no JSON ({error}): look for them again.") from None


def _tried(finding: Finding) -> Shelved:
    info = finding.info
    if info is None:
        return Shelved(finding.uri, short_name(finding.uri), "", "", finding.problem, finding)
    return Shelved(finding.uri, info.name, info.format, info.category, finding.problem, finding)


def short_name(uri: str) -> str:
    """What a plugin may be called while nothing is known of it: the end of its URI or path."""
    return uri.rstrip("/").rpartition("/")[2].rpartition(":")[2] or uri


def without_command(sentence: str) -> str:
    """A sentence of the black-list without the command that the app has a button for."""
    before, mark, _ = sentence.partition(": `retimbre plugins forgive")
    return f"{before}." if mark else sentence
