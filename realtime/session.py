"""One model, running: onnxruntime with every tensor bound once to memory that stays. Owned by one thread at a time.

    x, target ──►┌───────┐──► y                     two bindings, used in turn:
    states[0] ──►│ model │──► states[1]     even    what one call writes as next_state_k,
    states[1] ──►└───────┘──► states[0]     odd     the other reads as state_k: nothing is copied

The caller writes into `x` and `target`, calls `run()` and reads `y`; no array is made on the way. One intra-op thread
that never spins: the engine shares its core with the sound card's callback. The CPU always works; CUDA is taken only
after a tiny model has really run there, and states then stay on the card.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import math
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from realtime.errors import PackageError
from realtime.manifest import TensorSpec

if TYPE_CHECKING:
    from realtime.package import Package

FloatArray = NDArray[np.float32]
Provider = Literal["auto", "cpu", "cuda"]

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
_FATAL = 4  # onnxruntime's log severities run from 0 (verbose) to 4 (fatal)
_WARNING = 2  # its default
_ALIGNMENT = 64  # onnxruntime's own; an unaligned buffer costs its kernels their fast loads
_TRIAL_RUNS = 30
# The smallest model there is, y = Identity(x) on one float (opset 13), as the onnx package serialises it: that package
# belongs to the trainer, and the question whether CUDA runs anything must be asked without it.
_TINY_MODEL = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)


class Session:
    """A package's model with its memory. `x`, `target` (None without targets) and `y` are float32 and never move."""

    def __init__(self, package: Package, provider: Provider = "auto") -> None:
        """Load the model and bind its memory; states are zero, the first target has all the weight.

        provider: "cpu", "cuda", or "auto": CUDA where it works and one call of this model is faster there.
        Raises PackageError when the model cannot be loaded, its graph is not what the manifest declares, or CUDA is
        asked for and does not work.
        """
        if provider == "cuda" and not cuda_works():
            raise PackageError(
                "CUDA was asked for, but it does not run here: choose the provider cpu, or see `retimbre doctor`."
            )
        self.name = package.manifest.name
        manifest = package.manifest
        self.x = _aligned(manifest.x_shape)
        self.y = _aligned(manifest.y_shape)
        self.target: FloatArray | None = None
        if manifest.targets:
            self.target = _aligned((1, len(manifest.targets)))
            self.target[0, 0] = 1.0
        self._states = tuple(TensorSpec(state.name, state.shape) for state in manifest.states)
        self._specs = (manifest.inputs, manifest.outputs)
        self._open(package.model, "cuda" if provider == "cuda" else "cpu")
        if provider == "auto" and cuda_works():
            on_cpu = self._seconds_per_run()
            self._open(package.model, "cuda")
            if self._seconds_per_run() > on_cpu:
                self._open(package.model, "cpu")
        self.reset()

    @property
    def provider(self) -> str:
        """Where the model really runs: "cpu" or "cuda", as the loaded session says."""
        return "cuda" if CUDA in self._session.get_providers() else "cpu"

    def run(self) -> None:
        """One call: read `x` and `target`, write `y`, move the states on. PackageError when onnxruntime fails."""
        try:
            self._session.run_with_iobinding(self._bindings[self._turn])
        except Exception as error:  # its exceptions have no common ancestor but this
            raise PackageError(
                f"The model '{self.name}' failed while it ran ({_first_line(error)}), but a step must always give "
                "sound: check it with `retimbre models check`."
            ) from error
        self._turn ^= 1

    def reset(self) -> None:
        """Zero states, as before the first call; `x`, `target` and `y` keep what they hold."""
        for side in self._memory:
            for value in side:
                if isinstance(value, np.ndarray):
                    value.fill(0.0)
                else:
                    value.update_inplace(np.zeros(value.shape(), np.float32))
        self._turn = 0

    def _open(self, model: bytes, device: Literal["cpu", "cuda"]) -> None:
        """Make the onnxruntime session, verify its graph, and bind both directions."""
        try:
            self._session = ort.InferenceSession(model, _options(), providers=_providers(device))
        except Exception as error:  # its exceptions have no common ancestor but this
            raise PackageError(
                f"The model '{self.name}' cannot be loaded ({_first_line(error)}), but model.onnx must be a graph that "
                "onnxruntime runs: export or copy it again."
            ) from error
        for what, found, expected in (
            ("inputs", self._session.get_inputs(), self._specs[0]),
            ("outputs", self._session.get_outputs(), self._specs[1]),
        ):
            _verify(self.name, what, found, expected)
        self._memory = [[self._state_memory(state.shape) for state in self._states] for _ in range(2)]
        self._bindings = (self._bind(*self._memory), self._bind(*reversed(self._memory)))
        self._turn = 0

    def _state_memory(self, shape: tuple[int, ...]) -> Any:
        """Zeros where the model runs: a numpy array, or a value on the card."""
        if self.provider == "cpu":
            return _aligned(shape)
        return ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32), "cuda", 0)

    def _bind(self, states: list[Any], next_states: list[Any]) -> Any:
        """A binding of all inputs and outputs that reads `states` and writes `next_states`."""
        binding = self._session.io_binding()
        given = [self.x, *([] if self.target is None else [self.target]), *states]
        for spec, value in zip(self._specs[0], given, strict=True):
            if isinstance(value, np.ndarray):
                binding.bind_input(spec.name, "cpu", 0, np.float32, spec.shape, value.ctypes.data)
            else:
                binding.bind_ortvalue_input(spec.name, value)
        for spec, value in zip(self._specs[1], [self.y, *next_states], strict=True):
            if isinstance(value, np.ndarray):
                binding.bind_output(spec.name, "cpu", 0, np.float32, spec.shape, value.ctypes.data)
            else:
                binding.bind_ortvalue_output(spec.name, value)
        return binding

    def _seconds_per_run(self) -> float:
        """The median time of one call, after the first few have settled."""
        seconds = []
        for _ in range(_TRIAL_RUNS):
            start = time.perf_counter()
            self.run()
            seconds.append(time.perf_counter() - start)
        return float(np.median(seconds[_TRIAL_RUNS // 3 :]))


@functools.cache
def cuda_works() -> bool:
    """Whether a model really ran on CUDA in this process. `get_available_providers` only says what was compiled in.

    Says nothing on stderr where there is no card: onnxruntime's own logger is silent while it is asked.
    """
    if CUDA not in ort.get_available_providers():
        return False
    if importlib.util.find_spec("nvidia") is not None:
        # CUDA's libraries as Python packages (torch brings them) are found only when they are loaded first.
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            ort.preload_dlls()
    ort.set_default_logger_severity(_FATAL)
    try:
        session = ort.InferenceSession(_TINY_MODEL, _options(), providers=_providers("cuda"))
        return CUDA in session.get_providers() and session.run(None, {"x": np.ones(1, np.float32)})[0][0] == 1.0
    except Exception:  # noqa: BLE001  # whatever it was, CUDA does not work
        return False
    finally:
        ort.set_default_logger_severity(_WARNING)


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _FATAL  # what goes wrong arrives as an exception
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _providers(device: Literal["cpu", "cuda"]) -> list[Any]:
    # TF32 keeps ten bits of each factor: not enough for a golden sound that must be matched to 1e-4.
    return [(CUDA, {"use_tf32": "0"}), CPU] if device == "cuda" else [CPU]


def _aligned(shape: tuple[int, ...]) -> FloatArray:
    """Zeros whose first value lies at a multiple of `_ALIGNMENT` bytes."""
    size = math.prod(shape) * 4
    raw = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(np.float32).reshape(shape)


def _verify(name: str, what: str, found: Any, expected: tuple[TensorSpec, ...]) -> None:
    """The graph's side `what` is exactly `expected`: names, order, fixed shapes, float32."""
    names = [tensor.name for tensor in found]
    if names != [spec.name for spec in expected]:
        raise PackageError(
            f"The {what} of the model '{name}' are {', '.join(names) or 'none'}, but its manifest makes them "
            f"{', '.join(spec.name for spec in expected)} in this order: export it again."
        )
    for tensor, spec in zip(found, expected, strict=True):
        if tensor.type != "tensor(float)":
            raise PackageError(
                f"'{spec.name}' of the model '{name}' is a {tensor.type}, but every tensor is float32: export it again."
            )
        if tuple(tensor.shape) != spec.shape:
            raise PackageError(
                f"'{spec.name}' of the model '{name}' has the shape {tuple(tensor.shape)}, but its manifest makes it "
                f"{spec.shape}: export it again."
            )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
