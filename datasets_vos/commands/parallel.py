"""Work on many clips or images at once: processes, progress, and results in order."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import TypeVar

import cv2

from datasets_vos.commands import progress_bar

_T = TypeVar("_T")
_R = TypeVar("_R")

# Starting a process takes about as long as reading 300 masks; below twice that, one is faster.
_PARALLEL_FILES = 600


def work_through(
    label: str,
    function: Callable[[_T], _R],
    jobs: Sequence[_T],
    *,
    files: int,
    workers: int | None = None,
) -> list[_R]:
    """Return ``function(job)`` of every job, in order, with a progress bar.

    Args:
        label: What is being done, for the bar.
        function: Must be importable by a new process, like its jobs and results.
        jobs: What to work on.
        files: How many files the jobs read in all; few are not worth the start of a process.
        workers: Number of processes; None is one a CPU, or this one alone for few files.
    """
    if workers is None:
        workers = (os.cpu_count() or 1) if files >= _PARALLEL_FILES else 1
    workers = min(workers, len(jobs))
    with progress_bar(label, len(jobs)) as advance:
        if workers <= 1:
            results = []
            for job in jobs:
                results.append(function(job))
                advance()
            return results
        # spawned, because a forked child may inherit locks of the threads of torch and OpenCV
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _prepare_worker) as pool:
            try:
                with _interrupts_held_back():
                    futures = [pool.submit(function, job) for job in jobs]
                for future in futures:
                    future.add_done_callback(lambda _: advance())
                return [future.result() for future in futures]
            finally:
                pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Start processes that Ctrl-C never interrupts; here it comes when the block ends.

    It goes to every process, and only this one answers; they inherit what is held back.
    """
    resource_tracker.ensure_running()  # its start would end the holding back
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker() -> None:
    cv2.setNumThreads(1)
