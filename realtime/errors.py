"""The one exception tree: every error says what was found, what was expected and what to do, in one sentence.

Library code raises these; only the command line and the app catch them and print the sentence.
"""

from __future__ import annotations


class RetimbreError(Exception):
    """Anything a user can cause or repair; `str(error)` is the sentence that they read."""


class PackageError(RetimbreError):
    """A model package that cannot be read, does not verify, or breaks the contract."""


class AudioFileError(RetimbreError):
    """A sound file that cannot be read or written."""


class DeviceError(RetimbreError):
    """A sound card, sound server or MIDI port that is missing, busy or lost."""


class ConfigError(RetimbreError):
    """A setting, on the command line or in a file, that is unknown or out of range."""


class DataError(RetimbreError):
    """Training material that is missing, damaged or unfit."""


class EngineError(RetimbreError):
    """The engine process did not start, stopped answering, or refused a command."""


class PluginError(RetimbreError):
    """A plugin that is missing, cannot run here, or broke."""
