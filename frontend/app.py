"""The application: every route over one set of settings.

    app = create_app(WebSettings())

Nothing happens on import. What has a life of its own (client, sweeper) ends with the app.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from frontend.catalogue import Catalogue
from frontend.guard import Guard
from frontend.jobs import Jobs
from frontend.metrics import Measured, Metrics
from frontend.problems import add_handlers
from frontend.results import Results
from frontend.routes import draw, health, models, pages, preview, results, upscale
from frontend.settings import WebSettings
from frontend.work import Desk
from loupe import __version__
from loupe.errors import StorageError
from loupe.storage import open_storage

logger = logging.getLogger(__name__)
ABOUT = (
    "A small or damaged picture in, a larger and sharper one out. What is sharper is partly invented: "
    "every result says by which model, of which version."
)


def create_app(settings: WebSettings) -> FastAPI:
    """The page's server. Raises StorageError when its storage is no address of one."""
    store = Results(open_storage(settings.storage), ttl=settings.results_ttl)
    jobs = Jobs(settings.jobs, settings.jobs_waiting)
    metrics = Metrics(jobs, observe_share=settings.observe_share)
    client = httpx.AsyncClient(timeout=httpx.Timeout(5, connect=2), trust_env=False)
    catalogue = Catalogue(settings, client)
    desk = Desk(settings=settings, jobs=jobs, results=store, metrics=metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeper = asyncio.create_task(_sweep(store, settings.sweep_every))
        try:
            yield
        finally:
            sweeper.cancel()
            jobs.close()
            await client.aclose()

    app = FastAPI(
        title="Loupe",
        version=__version__,
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    add_handlers(app)
    for router in (
        upscale.router(desk, catalogue),
        draw.router(desk, catalogue),
        results.router(store),
        preview.router(settings),
        models.router(settings, catalogue),
        health.router(catalogue, metrics),
    ):
        app.include_router(router)
    pages.add_pages(app)
    app.add_middleware(Guard, hosts=settings.hosts())
    app.add_middleware(Measured, metrics=metrics)
    return app


async def _sweep(store: Results, every: float) -> None:
    """Remove old results for as long as the app runs; storage that is away for a while does not end it."""
    while True:
        try:
            removed = await run_in_threadpool(store.sweep)
        except StorageError as error:
            logger.warning("old results could not be removed: %s", error)
        else:
            if removed:
                logger.info("removed %d old results", removed)
        await asyncio.sleep(every)
