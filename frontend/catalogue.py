"""The models on offer, and whether the inference server answers for them."""

import asyncio
import io
import time
from collections.abc import Mapping
from typing import Any

import httpx
from PIL import Image
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from frontend.settings import WebSettings
from loupe.checkpoint import DOES, CheckpointInfo, Kind, require_kind
from loupe.errors import ModelNotFound
from loupe.open_inference import TILE_HEADER, Answer, Parameters, endpoint, request_body
from loupe.registry import default_model, list_models

FRESH_SECONDS = 3.0  # how long an answer about readiness is believed


class Model(BaseModel):
    """One model as the page shows it; figures are the checkpoint's own, measured at training."""

    name: str = Field(examples=["edsr_x4"])
    kind: Kind = Field(description="what it is for: `enlarger` of /api/upscale, `sampler` of /api/draw")
    scale: int | None = Field(description="the factor; null until the inference server has said it")
    summary: str = ""
    parameters: int | None = None
    metrics: Mapping[str, float] = Field(default_factory=dict)
    license: str = ""
    version: str = Field(default="", description="the one that answers now; else the one that is to")
    ready: bool = Field(description="whether the inference server answers for it now")
    default: bool = Field(description="the one of its kind to pick when a person does not choose")


class Catalogue:
    """Reads checkpoint headers (no torch) and asks the inference server with a picture of one pixel."""

    def __init__(self, settings: WebSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self._seen: dict[str, tuple[float, Parameters | None]] = {}

    async def models(self) -> list[Model]:
        """Every model on offer, by factor, the best of each factor first."""
        infos = await run_in_threadpool(self._infos)
        names = self._names(infos)
        answers = await asyncio.gather(*(self.probe(name) for name in names))
        chosen = {self._default(infos, names, kind) for kind in DOES}
        return [
            _model(name, self._kind(infos, name), infos.get(name), answer, name in chosen)
            for name, answer in zip(names, answers, strict=True)
        ]

    async def default(self, kind: Kind = "enlarger") -> str | None:
        """The default model's name, or None when there is none of this kind."""
        infos = await run_in_threadpool(self._infos)
        return self._default(infos, self._names(infos), kind)

    async def check(self, name: str, kind: Kind = "enlarger") -> None:
        """Raise ModelNotFound, naming those that there are, unless ``name`` is on offer; InvalidOption if it is not
        of this kind.
        """
        infos = await run_in_threadpool(self._infos)
        names = self._names(infos)
        if name not in names:
            fitting = [one for one in names if self._kind(infos, one) == kind]
            raise ModelNotFound(f"no model called {name[:80]!r}; there are {', '.join(fitting) or 'none'}")
        require_kind(name, self._kind(infos, name), kind)

    async def probe(self, name: str) -> Parameters | None:
        """What the inference server says of ``name`` (its version, its factor), or None when it does not answer."""
        when, said = self._seen.get(name, (0.0, None))
        if time.monotonic() - when < FRESH_SECONDS and when:
            return said
        said = await self._ask(name, said)
        self._seen[name] = (time.monotonic(), said)
        return said

    async def _ask(self, name: str, before: Parameters | None) -> Parameters | None:
        url, _ = endpoint(self._settings.inference_url, name)
        try:
            answer = await self._client.post(url, content=_QUESTION, headers={TILE_HEADER: "1"})
        except httpx.TransportError:
            return None
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "retry-after" in answer.headers:
            return before  # full; or still loading, where it has never answered
        if answer.status_code != httpx.codes.OK:
            return None
        try:
            return Answer.model_validate_json(answer.content).parameters
        except ValidationError:
            return None  # something answers there, but no inference server

    def _infos(self) -> dict[str, CheckpointInfo]:
        return {info.name: info for info in list_models(self._settings)}

    def _names(self, infos: Mapping[str, CheckpointInfo]) -> list[str]:
        return list(self._settings.offer_models or infos)

    def _kind(self, infos: Mapping[str, CheckpointInfo], name: str) -> Kind:
        """By its checkpoint; where this process sees none, by what the inference server said last."""
        if name in infos:
            return infos[name].kind
        _, said = self._seen.get(name, (0.0, None))
        return said.kind if said else "enlarger"

    def _default(self, infos: Mapping[str, CheckpointInfo], names: list[str], kind: Kind) -> str | None:
        fitting = [name for name in names if self._kind(infos, name) == kind]
        if self._settings.default_model in fitting:
            return self._settings.default_model
        known = [infos[name] for name in fitting if name in infos]
        if known:
            return default_model(known, kind=kind)
        return fitting[0] if fitting else None


def _model(name: str, kind: Kind, info: CheckpointInfo | None, answer: Parameters | None, default: bool) -> Model:
    about: dict[str, Any] = {"scale": None}
    if info:
        about = info.model_dump(include={"scale", "summary", "parameters", "metrics", "license", "version"})
    if answer:  # it may not have taken what was promoted a moment ago
        about |= {"scale": answer.scale, "version": answer.version}
    return Model(name=name, kind=kind, ready=answer is not None, default=default, **about)


def _question() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1, 1), (128, 128, 128)).save(file, "PNG")
    return request_body(file.getvalue())


_QUESTION = _question()
