"""A Backend is a function from a batch of small pictures to a batch of larger ones. There are three.

    backend = open_backend("torch", "edsr_light_x4", Settings())                    # in this process
    backend = open_backend("openvino", "edsr_light_x4", Settings())                 # in this process, quicker on a CPU
    backend = open_backend("http://127.0.0.1:8080", "edsr_light_x4", Settings())    # an inference server

Borders are numpy, so that whoever only talks to a server needs neither torch nor OpenVINO installed.
"""

from __future__ import annotations

import os
import queue
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from loupe.checkpoint import CheckpointInfo, load_model, require_kind
from loupe.errors import InvalidOption
from loupe.registry import find_model
from loupe.settings import Settings

if TYPE_CHECKING:
    from torch import nn

Pixels = NDArray[np.float32]
Device = Literal["auto", "cpu", "cuda"]
IN_PROCESS = ("auto", "torch", "openvino")
MAX_HALO = 12  # see docs/architecture.md: beyond this a tile's border differs by less than a rounding step


class Backend(Protocol):
    """(N,3,h,w) float32 in [0,1] -> (N,3,h*scale,w*scale) float32 in [0,1]. May be called from several threads."""

    name: str
    version: str
    scale: int
    halo: int
    """Low-resolution pixels of surroundings that a tile needs for its border to come out as in the whole picture."""

    def __call__(self, batch: Pixels) -> Pixels: ...


class TorchBackend:
    """A model in this process on torch: channels last; on a GPU in half precision."""

    def __init__(
        self,
        model: nn.Module,
        info: CheckpointInfo,
        *,
        device: Device = "auto",
        threads: int = 0,
        compile: bool = False,
    ) -> None:
        import torch

        if device == "cuda" and not torch.cuda.is_available():
            raise InvalidOption("device: got cuda, but torch sees no GPU here; use cpu")
        if threads:
            torch.set_num_threads(threads)
        self.name, self.version, self.scale, self.halo = info.name, info.version, info.scale, halo_of(info)
        self.threads = torch.get_num_threads()
        use_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        # The index is settled here: "cuda" alone would mean the first GPU in every other thread.
        self._device = torch.device("cuda", torch.cuda.current_device()) if use_gpu else torch.device("cpu")
        self.kind = "torch" if self._device.type == "cpu" else f"torch on {torch.cuda.get_device_name(self._device)}"
        self._dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        model = model.eval().to(self._device, self._dtype)
        self._model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._run = torch.compile(self._model) if compile else self._model

    def __call__(self, batch: Pixels) -> Pixels:
        import torch

        x = torch.from_numpy(batch).to(self._device, self._dtype).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            out = self._run(x).clamp_(0, 1).float().cpu()  # (N,3,h*r,w*r)
        return np.asarray(out.numpy())


class OpenVINOBackend:
    """A model in this process on OpenVINO, in float32 on the CPU; the torch model is converted when it is loaded."""

    kind = "openvino"

    def __init__(self, model: nn.Module, info: CheckpointInfo, *, threads: int = 0) -> None:
        import openvino

        self.name, self.version, self.scale, self.halo = info.name, info.version, info.scale, halo_of(info)
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        options["INFERENCE_NUM_THREADS"] = threads or len(os.sched_getaffinity(0))
        self.threads: int = options["INFERENCE_NUM_THREADS"]
        self._compiled = openvino.Core().compile_model(_convert(model), "CPU", options)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()  # a request holds buffers: one for each call at work

    def __call__(self, batch: Pixels) -> Pixels:
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        request.infer([np.ascontiguousarray(batch)], share_inputs=True)
        result = np.clip(request.get_output_tensor().data, 0, 1)  # a copy: the request's own buffer is used again
        self._idle.put(request)
        return np.asarray(result)


LocalBackend = TorchBackend | OpenVINOBackend


def _convert(model: nn.Module) -> Any:
    """The torch model as an OpenVINO model of any batch, height and width.

    By the frontend's own classes: ``openvino.convert_model`` would do the same, and send usage figures to its maker.
    """
    import torch
    from openvino import PartialShape
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    frontend = FrontEndManager().load_by_framework("pytorch")
    example = torch.rand(1, 3, 32, 32)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch prefers export; the frontend reads either
        traced = torch.jit.trace(model.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
    decoder = TorchScriptPythonDecoder(traced)  # must outlive the conversion
    converted = frontend.convert(frontend.load(decoder))
    converted.reshape({0: PartialShape([-1, 3, -1, -1])})
    return converted


class SelfEnsemble:
    """Another backend, averaged over eight flips and turns of its input (EDSR, section 3.4): 8 times the work."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name, self.version = backend.name, f"{backend.version}+ensemble"
        self.scale, self.halo = backend.scale, backend.halo

    def __call__(self, batch: Pixels) -> Pixels:
        total: Pixels = np.zeros((), np.float32)
        for quarter in range(4):
            for flip in (False, True):
                x = np.rot90(batch, quarter, axes=(2, 3))
                x = x[..., ::-1] if flip else x
                out = self._backend(np.ascontiguousarray(x))
                out = out[..., ::-1] if flip else out
                out = np.rot90(out, -quarter, axes=(2, 3))
                total = total + out
        return np.asarray(total / np.float32(8))


def halo_of(info: CheckpointInfo) -> int:
    """The halo of a checkpoint: its receptive radius, at most MAX_HALO."""
    config = info.config
    radius = 3 + 2 * int(config.get("blocks", MAX_HALO)) + (config.get("upsampler") != "direct")
    return min(radius, MAX_HALO)


def open_backend(spec: str, model: str, settings: Settings) -> Backend:
    """``spec``: auto, torch, openvino, or http(s)://host:port of an inference server (which may hold ``{model}``).

    auto is OpenVINO where it is installed and there is no GPU, else torch. Raises ModelNotFound, CheckpointError,
    InvalidOption, BackendUnavailable.
    """
    if spec.startswith(("http://", "https://")):
        from loupe.remote import RemoteBackend

        return RemoteBackend(spec, model)
    if spec not in IN_PROCESS:
        raise InvalidOption(f"backend: got {spec!r}, expected {', '.join(IN_PROCESS)} or http://host:port")
    return load_backend(find_model(model, settings), settings, spec)


def load_backend(checkpoint: Path, settings: Settings, spec: str = "auto") -> LocalBackend:
    """The checkpoint in this process, by ``spec`` as above. Raises CheckpointError, InvalidOption."""
    if spec not in IN_PROCESS:
        raise InvalidOption(f"backend: got {spec!r}, expected {', '.join(IN_PROCESS)}")
    network, info = load_model(checkpoint)
    require_kind(info.name, info.kind, "enlarger")
    if spec == "openvino" or (spec == "auto" and _prefers_openvino()):
        return OpenVINOBackend(network, info, threads=settings.threads)
    return TorchBackend(network, info, threads=settings.threads, compile=settings.compile)


def _prefers_openvino() -> bool:
    import importlib.util

    import torch

    return importlib.util.find_spec("openvino") is not None and not torch.cuda.is_available()
