"""One thread of torch for work made of many small steps, after each of which its threads would spin and wait.

with one_thread(): ...

On a busy machine of two cores, two threads took 12 s for what one did in 1.1 s. In torch the number is each thread's
own; a thread that does its first work in torch meanwhile starts with one, too.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_lock = threading.Lock()
_before: list[int] = []  # what the first of those inside found, once for each of them


@contextmanager
def one_thread() -> Iterator[None]:
    """May be entered by several threads at once; by one only once."""
    with _lock:
        _before.append(_before[0] if _before else torch.get_num_threads())
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            torch.set_num_threads(_before.pop())
