"""The survey itself: items to workers, rows to parts. The only importer of Ray.

Invariant: a worker that dies is begun anew and its batch with it, and what was found meanwhile is on disk:
neither it nor the driver's own end loses more than the batches that were on their way.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from nonlocal_viz.errors import NonlocalVizError
from nonlocal_viz.survey.items import Item, find_items
from nonlocal_viz.survey.parts import Parts, begin_anew
from nonlocal_viz.survey.worker import Look, Worker


@dataclass(frozen=True)
class Plan:
    """How a survey is carried out; none of it changes a number.

    Attributes:
        workers: processes, each with a network of its own; None: one for each core, or GPU.
        gpus: of each worker; a fraction where several share one.
        address: of a Ray cluster that runs; "": one is begun here, and ended.
        batch: pictures a worker takes at once.
        force: whether what is there already is replaced.
        progress: told how many pictures of how many are done, how many of them failed, and seconds.
    """

    workers: int | None = None
    gpus: float = 0.0
    address: str = ""
    batch: int = 4
    force: bool = False
    progress: Callable[[int, int, int, float], None] = field(default=lambda *_: None, repr=False)


def survey(source: str, out: Path, look: Look, plan: Plan) -> pa.Table:
    """Survey a source, and write the rows to ``out``; goes on where an earlier one of the same stopped.

    Returns:
        all rows, those of earlier runs included.

    Raises:
        MediaError: there is nothing to survey.
        WritingError: it cannot be written, or another survey is there.
        NonlocalVizError: Ray is missing, or does not answer.
        CheckpointError: there is no such network.
    """
    items = find_items(source)
    if plan.force:
        begin_anew(out)
    parts = Parts(out, asdict(look) | {"folder": ""})
    done = parts.done()
    left = [item for item in items if item.name not in done]
    if left:
        # Here, where it costs a second, rather than in every worker.
        look.lens("cpu")
        with _cluster(plan) as ray:
            _carry_out(ray, left, look, plan, parts, len(items))
    return parts.finish()


def _carry_out(
    ray: Any, left: list[Item], look: Look, plan: Plan, parts: Parts, total: int
) -> None:
    workers = plan.workers or _usual(ray, plan.gpus)
    workers = max(1, min(workers, -(-len(left) // plan.batch)))
    blocks = -(-len(left) // plan.batch)
    items = ray.data.from_items([item._asdict() for item in left], override_num_blocks=blocks)
    # However often a worker dies (another may eat the machine's memory), Ray begins it and its batch anew.
    found = items.map_batches(
        Worker,
        fn_constructor_args=(look, "cuda" if plan.gpus else "cpu"),
        batch_format="pyarrow",
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=1,
        num_gpus=plan.gpus or None,
    )
    began, done, failed = time.monotonic(), total - len(left), 0
    for table in found.iter_batches(batch_size=None, batch_format="pyarrow"):
        parts.add(table)
        done += len(set(table.column("name").to_pylist()))
        failed += sum(1 for said in table.column("error").to_pylist() if said)
        plan.progress(done, total, failed, time.monotonic() - began)


def _usual(ray: Any, gpus: float) -> int:
    there = ray.cluster_resources()
    return int(there.get("GPU", 0) // gpus) if gpus else int(there.get("CPU", 1))


@contextmanager
def _cluster(plan: Plan) -> Iterator[Any]:
    """Ray, begun here or joined."""
    try:
        # Of its own accord Ray tells its makers that it was used.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        import ray
        import ray.data
    except ImportError:
        raise NonlocalVizError(
            "A survey is carried out by Ray, which is not installed: pip install 'ray[data]' pyarrow."
        ) from None
    began = not ray.is_initialized()
    if began:
        _begin(ray, plan)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield ray
    except ray.exceptions.RayError as error:
        last = str(error).strip().splitlines()[-1:] or ["no reason given"]
        raise NonlocalVizError(
            f"The survey stopped ({last[0][:200]}); begin it again, and it goes on from here."
        ) from None
    finally:
        if began:
            ray.shutdown()


def _begin(ray: Any, plan: Plan) -> None:
    local = {"num_cpus": plan.workers, "include_dashboard": False}
    where = {"address": plan.address} if plan.address else local
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        said = str(error).strip().partition("\n")[0][:200]
        place = f"at {plan.address}" if plan.address else "here"
        raise NonlocalVizError(f"No Ray cluster answers {place} ({said}).") from None
