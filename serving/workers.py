"""What serves one model: an Enlarger or a Drawer, by what was opened.

worker = make_worker("edsr_x4", open_local("edsr_x4", settings), settings)
request = parse_v2(message, read=worker.read_options)
"""

from collections.abc import Callable

from loupe.artists import Artist
from loupe.upscale import Upscaler
from serving.draw import Drawer
from serving.enlarge import Enlarger
from serving.settings import ServingSettings

Engine = Upscaler | Artist
Opener = Callable[[], Engine]
Worker = Enlarger | Drawer


def make_worker(name: str, engine: Engine, settings: ServingSettings) -> Worker:
    """``name`` is what the server calls the model."""
    return Enlarger(name, engine) if isinstance(engine, Upscaler) else Drawer(name, engine, settings)
