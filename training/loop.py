"""The one training loop: every model, one process or many, started fresh or resumed.

    train(recipe, data=pack, valid=pack, output=Path("runs/edsr_x4"), options=Options())

Leaves in ``output``: ``last.safetensors`` (to resume), ``best.safetensors`` and ``model.safetensors`` (checkpoints of
the averaged weights, best by validation and at the end), ``log.jsonl`` and ``tensorboard/``. With ``Options.mirror``
they are copied to storage too, and a folder that is empty is filled from there.
"""

import copy
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from loupe.checkpoint import CheckpointInfo, describe, save_checkpoint
from training.data import Crops, as_float, load_steps
from training.distributed import Process, join
from training.log import RunLog
from training.mirror import MODEL, STATE, Mirror
from training.objective import Objective, build_objective
from training.pack import Pictures
from training.recipes import Recipe
from training.schedule import learning_rate_at
from training.state import State, restore_state, save_state
from training.validation import Metric

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run, as against what to train. ``precision`` auto: bf16 on a GPU, fp32 on a CPU."""

    device: str = "auto"
    precision: str = "auto"
    compile: bool = False
    workers: int = 1
    log_every: int = 50
    name: str = ""
    """Of the model in its checkpoint; empty: the recipe's."""
    mirror: str = ""
    data_name: str = ""
    data_version: str = ""
    """If given, a run resumes with data of this version only."""
    license: str = ""
    quiet: bool = False


def train(
    recipe: Recipe,
    *,
    data: Pictures,
    valid: Pictures,
    output: Path,
    options: Options,
    weights: tuple[float, ...] | None = None,
) -> Path:
    """Run the recipe to its end and return the final checkpoint. Resumes from ``output/last.safetensors``.

    ``weights``: how often each picture of ``data`` is drawn; a run resumes with the same ones only.
    """
    output.mkdir(parents=True, exist_ok=True)
    with join(options.device) as process:
        objective = build_objective(recipe)
        networks = {name: process.wrap(network) for name, network in objective.networks.items()}
        state = _fresh_state(objective, recipe)
        settings = _settings(recipe, weights, options.data_version)
        mirror = Mirror(options.mirror) if options.mirror and process.is_main else None
        if mirror:
            mirror.restore(output)
        if last := process.share(output / STATE, output / f".rank{process.rank}" / STATE):
            restore_state(last, state, settings)
            logger.info("resuming at step %d of %d", state.step, recipe.steps)
        process.barrier()
        if options.compile:
            networks = {name: cast(nn.Module, torch.compile(network)) for name, network in networks.items()}
        crops = Crops(
            pack=data,
            scale=recipe.scale,
            patch=recipe.patch,
            batch=recipe.batch,
            seed=recipe.seed,
            rank=process.rank,
            world=process.world,
            weights=weights,
            turns=recipe.turns,
        )

        def save() -> None:
            save_state(output / STATE, state, settings)
            if mirror:
                mirror.save(output)

        _run(recipe, objective, networks, state, crops, valid, output, process, options, save)
        final = output / MODEL
        if process.is_main:
            best = {objective.metric.name: objective.metric.sign * state.best}
            save_checkpoint(final, state.ema, _info(recipe, state.ema, best, options))
        if mirror:
            mirror.save(output, must=True)
        process.barrier()
    return final


def _settings(recipe: Recipe, weights: tuple[float, ...] | None, data_version: str) -> str:
    """What a saved state must have been started with to be continued."""
    weighed = "" if weights is None else hashlib.sha256(repr(weights).encode()).hexdigest()
    return " ".join(filter(None, (repr(recipe), weighed, data_version)))


def _fresh_state(objective: Objective, recipe: Recipe) -> State:
    optimizers = {
        name: torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, betas=recipe.betas)
        for name, network in objective.networks.items()
    }
    ema = copy.deepcopy(objective.networks["model"]).requires_grad_(False)
    return State(objective.networks, ema, dict(optimizers))


def _run(
    recipe: Recipe,
    objective: Objective,
    networks: dict[str, nn.Module],
    state: State,
    crops: Crops,
    valid: Pictures,
    output: Path,
    process: Process,
    options: Options,
    save: Callable[[], None],
) -> None:
    dtype = _autocast_dtype(options.precision, process.device)
    pin = process.device.type == "cuda"
    batches = load_steps(crops, state.step, recipe.steps, workers=options.workers, pin=pin)
    quiet = options.quiet or not process.is_main
    folder = output if process.is_main else output / f".rank{process.rank}"
    folder.mkdir(exist_ok=True)
    with RunLog(folder, first=state.step, steps=recipe.steps, quiet=quiet, told=process.is_main) as log:
        clock = Clock(recipe.batch)
        for step in range(state.step, recipe.steps):
            batch = next(batches)
            clock.data_ready()
            lr, hr = as_float(batch.lr, process.device), as_float(batch.hr, process.device)
            rate = learning_rate_at(step, recipe)
            figures: dict[str, Tensor] = {}
            for turn in objective.turns:
                optimizer = state.optimizers[turn]
                for group in optimizer.param_groups:
                    group["lr"] = rate
                with torch.autocast(process.device.type, dtype or torch.bfloat16, enabled=dtype is not None):
                    loss, turn_figures = objective.loss(turn, networks, lr, hr)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                if recipe.clip_norm:
                    nn.utils.clip_grad_norm_(networks[turn].parameters(), recipe.clip_norm)
                optimizer.step()
                figures |= turn_figures
            _average(state.ema, objective.networks["model"], recipe.ema, step)
            state.step = step + 1
            clock.step_done()
            _report(recipe, state, figures, rate, clock, log, options)
            if process.is_main and (state.step % recipe.validate_every == 0 or state.step == recipe.steps):
                _validate_and_keep_best(recipe, objective.metric, state, valid, output, process, log, options)
            if process.is_main and (state.step % recipe.save_every == 0 or state.step == recipe.steps):
                save()
            clock.ready_for_data()


def _report(
    recipe: Recipe,
    state: State,
    figures: dict[str, Tensor],
    rate: float,
    clock: "Clock",
    log: RunLog,
    options: Options,
) -> None:
    if state.step % options.log_every and state.step != recipe.steps:
        log.advance(state.step)
        return
    values = {name: value.item() for name, value in figures.items()}
    if not all(value == value and abs(value) != float("inf") for value in values.values()):  # noqa: PLR0124  (NaN)
        raise FloatingPointError(
            f"step {state.step}: got {values}, expected finite; lower learning_rate or clip_norm of {recipe.name}"
        )
    log.record(state.step, **values, learning_rate=rate, **clock.read())


def _validate_and_keep_best(
    recipe: Recipe,
    metric: Metric,
    state: State,
    valid: Pictures,
    output: Path,
    process: Process,
    log: RunLog,
    options: Options,
) -> None:
    score = metric.measure(state.ema, valid, recipe.scale, process.device)
    log.record(state.step, **{metric.name: score})
    if metric.sign * score > state.best:
        state.best = metric.sign * score
        info = _info(recipe, state.ema, {metric.name: score}, options)
        save_checkpoint(output / "best.safetensors", state.ema, info)


def _info(recipe: Recipe, model: nn.Module, metrics: dict[str, float], options: Options) -> CheckpointInfo:
    return describe(
        model,
        name=options.name or recipe.name,
        architecture=recipe.architecture,
        scale=recipe.scale,
        summary=recipe.summary,
        metrics={name: round(value, 4) for name, value in metrics.items()},
        data=options.data_name,
        license=options.license,
    )


@torch.no_grad()
def _average(ema: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average; shorter at the start, where old weights are of no use."""
    decay = min(decay, (1 + step) / (10 + step))
    averaged: list[Tensor] = list(ema.parameters())
    torch._foreach_lerp_(averaged, list(model.parameters()), 1 - decay)


def _autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    if precision == "auto":
        precision = "bf16" if device.type == "cuda" else "fp32"
    return {"fp32": None, "bf16": torch.bfloat16}[precision]


class Clock:
    """Seconds between two reports: how many images a second, and which share of the time was spent waiting for data."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self._mark = time.perf_counter()
        self._waited = self._worked = 0.0
        self._steps = 0

    def ready_for_data(self) -> None:
        self._mark = time.perf_counter()

    def data_ready(self) -> None:
        now = time.perf_counter()
        self._waited += now - self._mark
        self._mark = now

    def step_done(self) -> None:
        self._worked += time.perf_counter() - self._mark
        self._steps += 1

    def read(self) -> dict[str, float]:
        """Figures since the last read, then start anew."""
        total = self._waited + self._worked
        figures = {"images_per_second": self.batch * self._steps / total, "data_wait": self._waited / total}
        self._waited = self._worked = 0.0
        self._steps = 0
        return figures
