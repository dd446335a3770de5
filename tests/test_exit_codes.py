"""Exit codes tell errors apart: whoever scripts a command reads them."""

from collections import defaultdict
from importlib import import_module
from pkgutil import walk_packages

from loupe.errors import LoupeError

ROOMS = ("loupe", "training", "serving", "pipelines", "frontend")
TOGETHER = {frozenset({"TrainingFailed", "JobFailed"})}  # the same failure here and on a cluster


def kinds(of: type[LoupeError]) -> set[type[LoupeError]]:
    return {of, *(deeper for below in of.__subclasses__() for deeper in kinds(below))}


def test_no_two_kinds_of_errors_share_an_exit_code() -> None:
    for room in ROOMS:
        for module in walk_packages(import_module(room).__path__, f"{room}."):
            if not module.name.endswith("__main__") and module.name != "serving.handler":
                import_module(module.name)
    found = defaultdict(set)
    for kind in kinds(LoupeError):
        if "exit_code" in vars(kind):
            found[kind.exit_code].add(kind.__name__)
    assert len(found) > 20
    shared = {frozenset(names) for names in found.values() if len(names) > 1}
    assert shared == TOGETHER
