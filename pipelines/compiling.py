"""From a pipeline to the YAML that Kubeflow Pipelines takes, on the image that holds our packages.

write_yaml(prepare_data, Path("prepare_data.yaml"), image="registry/loupe-worker:0.1.0")
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from kfp.compiler import Compiler

from components import IMAGE
from loupe.errors import InvalidOption
from loupe.files import write_whole

WORKER_IMAGE = "LOUPE_WORKER_IMAGE"
# After the last slash: a colon before it is a registry's port.
PINNED = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}|([^\s@]+/)?[^\s/:@]+:(?!latest$)[\w][\w.-]{0,127}")


def require_pinned(image: str) -> str:
    """The image itself. InvalidOption unless it names a digest, or a tag other than ``latest``."""
    if not PINNED.fullmatch(image):
        raise InvalidOption(f"image: got {image!r}, expected a tag other than latest, or a digest (name@sha256:...)")
    return image


def write_yaml(pipeline: Any, path: Path, *, image: str = IMAGE) -> Path:  # kfp is untyped
    """Compile to ``path``, whole or not at all, with every step on ``image``. Raises InvalidOption and StorageError."""
    require_pinned(image)
    with TemporaryDirectory() as folder:  # kfp writes files only
        draft = Path(folder) / "draft.yaml"
        Compiler().compile(pipeline, str(draft))
        text = draft.read_text()
    heading = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    documents = [_on_image(document, image) for document in yaml.safe_load_all(text)]
    write_whole(path, (heading + yaml.safe_dump_all(documents, sort_keys=True)).encode())
    return path


def _on_image(document: dict[str, Any], image: str) -> dict[str, Any]:
    """The document, a pipeline's or its platform's, with our image's stand-in replaced.

    Steps are told of it too: one that submits a training runs that on the same image.
    """
    for executor in document.get("deploymentSpec", {}).get("executors", {}).values():
        container = executor.get("container", {})
        if container.get("image") == IMAGE:
            container["image"] = image
            container.setdefault("env", []).append({"name": WORKER_IMAGE, "value": image})
    return document
