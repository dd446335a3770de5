"""Runs on this machine: what is told of them, what the cache answers, and the page that is left. Real kfp runs."""

import io
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from rich.console import Console

from components import component
from pipelines.running import REPORT, count_steps, run_here
from pipelines.summary import Summary, result_of, table_of


@component
def count(
    words: str, page: dsl.Output[dsl.HTML], metrics: dsl.Output[dsl.Metrics], note: dsl.Output[dsl.Markdown]
) -> list[str]:
    """Split ``words``; fails on none."""
    from pathlib import Path

    print("counting", words)
    if not words:
        raise ValueError("words: got none, expected some")
    Path(page.path).write_text(f"<p>{len(words.split())} words</p>")
    Path(note.path).write_text(f"{len(words.split())} words")
    metrics.log_metric("words", len(words.split()))
    return words.split()


@component
def shout(word: str, text: dsl.Output[dsl.Markdown]) -> str:
    """In capitals."""
    from pathlib import Path

    print("shouting", word)
    Path(text.path).write_text(f"<script>{word.upper()}</script>")
    return word.upper()


def _pipeline(words: str = "one two three") -> None:
    counted = count(words=words)
    with dsl.ParallelFor(counted.outputs["Output"], parallelism=2) as word:
        shout(word=word)
    with dsl.If(words == "never"):
        shout(word="not reached")


PIPELINE: Any = dsl.pipeline(name="count-and-shout")(_pipeline)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=100, highlight=False)


@pytest.fixture
def first(tmp_path: Path, console: Console) -> Summary:
    return run_here(PIPELINE, {"words": "one two three"}, tmp_path, console=console)


def told(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_steps_are_told_as_they_end_and_summed_up(first: Summary, console: Console) -> None:
    assert [(row.name, row.state, row.times) for row in first.rows] == [("count", "done", 1), ("shout", "done", 3)]
    assert not first.failed
    assert first.seconds > 0
    lines = told(console).splitlines()
    assert [line.split()[:2] for line in lines] == [["count", "done"]] + [["shout", "done"]] * 3
    assert [result_of(row) for row in first.rows] == ["words 3", "THREE"]
    console.print(table_of(first))
    assert "shout x3" in told(console)


def test_what_the_steps_said_is_in_the_log_and_kfps_own_is_not(first: Summary) -> None:
    lines = (first.folder / "run.log").read_text().splitlines()
    assert lines[0] == "count: counting one two three"
    assert sorted(lines[1:]) == ["shout: shouting one", "shout: shouting three", "shout: shouting two"]


def test_a_second_run_is_answered_from_the_cache(first: Summary, tmp_path: Path, console: Console) -> None:
    second = run_here(PIPELINE, {"words": "one two three"}, tmp_path, console=console)
    assert [(row.name, row.state, row.times) for row in second.rows] == [("count", "cached", 1), ("shout", "cached", 3)]
    assert result_of(second.rows[0]) == result_of(first.rows[0])
    assert second.folder != first.folder
    assert "&lt;p&gt;3 words" in (second.folder / REPORT).read_text()
    other = run_here(PIPELINE, {"words": "one two"}, tmp_path, console=console)
    assert [(row.name, row.state) for row in other.rows] == [("count", "done"), ("shout", "cached")]
    again = run_here(PIPELINE, {"words": "one two"}, tmp_path, cache=False, console=console)
    assert {row.state for row in again.rows} == {"done"}


def test_a_failed_step_says_why_and_stops_the_rest(tmp_path: Path, console: Console) -> None:
    failed = run_here(PIPELINE, {"words": ""}, tmp_path, console=console)
    assert failed.failed == "count: ValueError: words: got none, expected some"
    assert [row.state for row in failed.rows] == ["failed"]
    assert "words: got none, expected some" in (failed.folder / REPORT).read_text()


def test_the_page_escapes_what_steps_wrote_and_holds_their_pages(first: Summary) -> None:
    page = (first.folder / REPORT).read_text()
    assert 'srcdoc="&lt;p&gt;3 words&lt;/p&gt;"' in page
    assert "<script>" not in page
    assert "&lt;script&gt;TWO&lt;/script&gt;" in page
    assert "http" not in page


def test_steps_are_counted_through_loops_and_conditions() -> None:
    assert count_steps(PIPELINE) == 3


def test_afterwards_print_and_logging_are_as_before(tmp_path: Path, console: Console, capsys: Any) -> None:
    import builtins
    import logging

    before = builtins.print, logging.getLogger().level, logging.getLogger().handlers[:]
    run_here(PIPELINE, {"words": "one"}, tmp_path, console=console)
    assert (builtins.print, logging.getLogger().level, logging.getLogger().handlers) == before
    print("here")
    assert capsys.readouterr().out == "here\n"
