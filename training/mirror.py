"""A run's folder, copied to storage as it goes, so that a pod that lost its disk resumes where the last copy ended.

    mirror = Mirror("s3://bucket/runs/edsr-x4-1")
    mirror.restore(output)      # into a folder without a state, if there is one in storage
    mirror.save(output)         # after each state; results first, the state last

Who reads the copy sees whole files, and never a state whose results are not there yet.
"""

import logging
from pathlib import Path

from loupe.errors import StorageError
from loupe.storage import FileStorage, open_storage

STATE = "last.safetensors"
MODEL = "model.safetensors"
LOG = "log.jsonl"
FILES = ("best.safetensors", MODEL, LOG, STATE)  # in the order of copying

logger = logging.getLogger(__name__)


class Mirror:
    """``uri``: s3://bucket/prefix or file:///folder, for this run alone."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._storage = open_storage(uri)
        self._sent: dict[str, tuple[int, int]] = {}

    def restore(self, output: Path) -> bool:
        """Fill ``output`` unless it has a state of its own; True if there was something to fill it with."""
        if (output / STATE).exists() or not self._storage.exists(STATE):
            return False
        local = FileStorage(output)
        have = {entry.key for entry in self._storage.list()}
        for name in FILES:
            if name in have:
                with self._storage.open_read(name) as stream:
                    local.write(name, stream)
        logger.info("restored %s from %s", output, self._uri)
        return True

    def save(self, output: Path, *, must: bool = False) -> None:
        """Copy what has changed since the last copy. A failure is logged, or raised (StorageError) if ``must``."""
        try:
            for name in FILES:
                path = output / name
                if not path.exists():
                    continue
                status = path.stat()
                mark = (status.st_mtime_ns, status.st_size)
                if self._sent.get(name) != mark:
                    with path.open("rb") as stream:
                        self._storage.write(name, stream)
                    self._sent[name] = mark
        except StorageError as error:
            if must:
                raise
            logger.warning("the run goes on without this copy: %s", error)
