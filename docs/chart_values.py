"""The chart's values as a table, and as descriptions in its schema: both are made of the comments in values.yaml.

    python -m docs.chart_values             # rewrites charts/loupe/README.md and values.schema.json
    python -m docs.chart_values --check     # exit code 1 if they are not what the comments say

A value is a key with a comment right above it; a mapping without one is a group, whose keys are values.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHART = Path(__file__).parents[1] / "charts" / "loupe"
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"


class Value(NamedTuple):
    """One value: ``("web", "replicas")``, its default, its comment."""

    path: tuple[str, ...]
    default: Any
    meaning: str


def read_values(text: str) -> list[Value]:
    """In the order of the file. ValueError names one without a comment."""
    return list(_values(yaml.compose(text), text.splitlines(), ()))


def _values(node: yaml.MappingNode, lines: list[str], path: tuple[str, ...]) -> Iterator[Value]:
    for key, value in node.value:
        here = (*path, key.value)
        meaning = _comment(lines, key.start_mark.line)
        if meaning:
            yield Value(here, yaml.safe_load(yaml.serialize(value)), meaning)
        elif isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            yield from _values(value, lines, here)
        else:
            raise ValueError(f"{'.'.join(here)}: got no comment, expected one on the line above")


def _comment(lines: list[str], line: int) -> str:
    """The comment that ends on the line above."""
    above: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        above.insert(0, lines[line].lstrip().lstrip("#").strip())
    return " ".join(above)


def table_of(values: list[Value]) -> str:
    """Markdown."""
    rows = ["| value | default | meaning |", "|---|---|---|"]
    for value in values:
        default = json.dumps(value.default, separators=(", ", ": "))
        rows.append(f"| `{'.'.join(value.path)}` | `{default}` | {value.meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def described(schema: dict[str, Any], values: list[Value]) -> dict[str, Any]:
    """The schema with each value's comment as its description, in place. KeyError for a value that it does not know."""
    for value in values:
        node = schema
        for name in value.path:
            node = node["properties"][name]
        node.pop("description", None)
        items = dict(node)
        node.clear()
        node.update({"description": value.meaning, **items})
    return schema


def main() -> int:
    """Write both files, or say which are stale."""
    parser = argparse.ArgumentParser(prog="python -m docs.chart_values", description="README and schema of the chart.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if something is stale")
    check = parser.parse_args().check
    values = read_values((CHART / "values.yaml").read_text())
    readme, schema = CHART / "README.md", CHART / "values.schema.json"
    before, _, rest = readme.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    wanted = {
        readme: f"{before}{BEGIN}\n{table_of(values)}\n{END}{after}",
        schema: json.dumps(described(json.loads(schema.read_text()), values), indent=1) + "\n",
    }
    stale = [path for path, text in wanted.items() if path.read_text() != text]
    for path in stale:
        if not check:
            path.write_text(wanted[path])
        print(f"{path.name}: {'stale; run python -m docs.chart_values' if check else 'written'}", file=sys.stderr)  # noqa: T201
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
