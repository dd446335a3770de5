"""Promoted versions, taken by a server that runs: nobody restarts anything.

    follower = Follower(found, settings)            # name -> checkpoint: what the server starts with
    await follower.run(models, make_predictor)      # for as long as the server lives

Every ``reload_seconds`` it looks at which checkpoints count (``loupe/registry.py``). Another one of a model that is
served is loaded beside it and takes over once it has computed a first picture; a model that is new appears; one that is
gone (withdrawn, and none ships under its name) disappears. What cannot be loaded is logged once, and left alone until
another version counts: the old one goes on. While storage is away, everything stays as it is.
"""

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from loupe.errors import LoupeError
from loupe.registry import find_models
from serving.coalesce import open_shared
from serving.settings import ServingSettings
from serving.workers import Opener

logger = logging.getLogger(__name__)


class Served(Protocol):
    """What serves one model; ``serving.predictor.Predictor`` is."""

    name: str
    ready: bool

    @property
    def version(self) -> str | None: ...
    def load(self) -> bool: ...
    def swap(self, open_model: Opener) -> None: ...


class Models(Protocol):
    """The models of a server by name, as KServe keeps them."""

    def get_models(self) -> dict[str, Served]: ...


class Follower:
    """Brings a server's models to what is promoted."""

    def __init__(self, found: Mapping[str, Path], settings: ServingSettings) -> None:
        self._settings = settings
        self._taken = dict(found)  # also what could not be loaded: it is not tried again

    async def run(self, models: Models, make: Callable[[str, Opener], Served]) -> None:
        """Look again and again; only cancelling ends it."""
        while True:
            await asyncio.sleep(self._settings.reload_seconds)
            try:
                await self.look(models, make)
            except Exception:  # a defect must neither end this nor go unseen
                logger.exception("promoted versions could not be looked for")

    async def look(self, models: Models, make: Callable[[str, Opener], Served]) -> None:
        """Once. The models change in the event loop alone, as its other tasks walk over them."""
        found = await asyncio.to_thread(self.find)
        for name in self._taken.keys() - found.keys():
            del self._taken[name]
            if models.get_models().pop(name, None):
                logger.warning("%s is served no longer: it was withdrawn and there is no other", name)
        for name, path in found.items():
            if self._taken.get(name) != path:
                self._taken[name] = path
                await self._take(name, path, models, make)

    def find(self) -> dict[str, Path]:
        """The checkpoints that count now, of the names that this server may serve."""
        found, names = find_models(self._settings, self._taken), self._settings.model_names
        return {name: path for name, path in found.items() if not names or name in names}

    async def _take(self, name: str, path: Path, models: Models, make: Callable[[str, Opener], Served]) -> None:
        served, opener = models.get_models().get(name), partial(open_shared, path, self._settings)
        if served is None:
            served = make(name, opener)
            if await asyncio.to_thread(served.load):  # else it has said why
                models.get_models()[name] = served
                logger.info("%s version %s serves: it is new", name, served.version)
            return
        before = served.version
        try:
            await asyncio.to_thread(served.swap, opener)
        except LoupeError as error:
            logger.error("%s stays at version %s: %s", name, before, error)
        except Exception:  # torch has many words for no memory
            logger.exception("%s stays at version %s: another could not be loaded", name, before)
        else:
            logger.info("%s went from version %s to %s", name, before, served.version)
        await asyncio.to_thread(gc.collect)  # a network's memory is not to wait for the collector
