"""``loupe registry``: the versions of models in storage, and which of them serves.

loupe registry list
loupe registry promote edsr_x4 3
loupe registry rollback edsr_x4
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from loupe.records import folder_of
from loupe.settings import Settings
from loupe.storage import Storage, open_storage
from loupe.terminal import errors_shown, out
from loupe.versions import list_versions, read_pointer, serving_version, show
from loupe.versions import promote as promote_version
from loupe.versions import rollback as rollback_version

registry = typer.Typer(
    help="Versions of models in storage: which there are, and which one serves.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="A model's name.", show_default=False)]
Where = Annotated[
    str | None, typer.Option("--storage", help="file://folder or s3://bucket/prefix; default: LOUPE_STORAGE.")
]
AsJSON = Annotated[bool, typer.Option("--json", help="For programs.")]
HEADLINE = 4  # figures in a list


@registry.command("list")
def list_command(
    name: Annotated[str | None, typer.Argument(help="Of this model only.")] = None,
    storage: Where = None,
    as_json: AsJSON = False,
) -> None:
    """List versions, the oldest of each model first."""
    with _opened(storage) as opened:
        versions = list_versions(opened, name)
        if as_json:
            typer.echo(json.dumps([version.model_dump(mode="json") for version in versions]))
            return
        table = Table("model", "version", "stage", "created", "run", "figures", box=None, pad_edge=False)
        table.columns[0].overflow = "fold"
        for version in versions:
            created = f"{version.lineage.created:%Y-%m-%d %H:%M}"
            figures = ", ".join(f"{key} {value:g}" for key, value in _headline(version.metrics))
            run = escape(version.lineage.run)
            table.add_row(version.name, version.version, version.stage, created, run, escape(figures))
        _print(table if versions else "no versions are registered")


def _headline(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """A few: PSNR and SSIM as a whole and by set, without what was measured for comparison. ``show`` tells all."""
    told = {name: value for name, value in metrics.items() if not name.startswith(("bicubic_", "robust_", "slice_"))}
    chosen = [item for item in sorted(told.items()) if item[0].endswith(("psnr_y", "ssim_y"))] or sorted(told.items())
    return sorted(chosen, key=lambda item: item[0] not in ("psnr_y", "ssim_y"))[:HEADLINE]


@registry.command("show")
def show_command(
    name: Name,
    version: Annotated[str | None, typer.Argument(help="Default: the one that serves, else the newest.")] = None,
    storage: Where = None,
    as_json: AsJSON = False,
) -> None:
    """Show one version: where it comes from, what was measured, its files, and the history of the model."""
    with _opened(storage) as opened:
        serving = serving_version(opened, name) if version is None else None
        newest = [each.version for each in list_versions(opened, name)][-1:] if version is None else []
        found = serving or show(opened, name, version or "".join(newest) or "1")
        pointer = read_pointer(opened, name)
        files = [entry.key for entry in opened.list(f"{folder_of(name, found.version)}/")]
        if as_json:
            history = pointer.model_dump(mode="json")["history"] if pointer else []
            typer.echo(json.dumps({**found.model_dump(mode="json"), "files": files, "history": history}))
            return
        lineage = found.lineage.model_dump(mode="json")
        table = Table("", "", box=None, pad_edge=False, show_header=False)
        for key, value in {"model": found.name, "version": found.version, "stage": found.stage, **lineage}.items():
            table.add_row(key, escape(value or "unknown"))
        table.add_row("sha256", found.sha256)
        for key, figure in sorted(found.metrics.items()):
            table.add_row(escape(key), f"{figure:g}")
        for key in files:
            table.add_row("file", key)
        for change in pointer.history if pointer else ():
            table.add_row(f"{change.at:%Y-%m-%d %H:%M}", f"{change.action} {change.version}")
        _print(table)


@registry.command()
def promote(
    name: Name,
    version: Annotated[str, typer.Argument(help="The version that is to serve.", show_default=False)],
    storage: Where = None,
) -> None:
    """Let a version serve; embedded servers that run take it within seconds, TorchServe at its next start."""
    with _opened(storage) as opened:
        pointer = promote_version(opened, name, version)
        after = f", after {pointer.before[-1]}" if pointer.before else ""
        _print(f"{name}: version {pointer.current} serves{after}")


@registry.command()
def rollback(name: Name, storage: Where = None) -> None:
    """Let the version serve that did before."""
    with _opened(storage) as opened:
        _print(f"{name}: version {rollback_version(opened, name).current} serves again")


@contextmanager
def _opened(storage: str | None) -> Iterator[Storage]:
    """The storage, with our errors shown as everywhere on the command line."""
    with errors_shown():
        yield open_storage(storage or Settings().storage)


def _print(what: Table | str) -> None:
    out.print(what, soft_wrap=isinstance(what, str), markup=False)
