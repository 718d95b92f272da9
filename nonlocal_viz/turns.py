"""Whose turn it is: one at a time, the cheapest first, and of equals whoever came first.

Encoding uses every core already, so two at once would only make each other slow. What is long is done in
many short turns, between which whoever wants little goes first: a photo never waits for a whole clip.
"""

import heapq
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock with an order. Not for threads that hold it already."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._tickets = itertools.count()
        self._taken = False

    @contextmanager
    def turn(self, price: int) -> Iterator[None]:
        """Wait for a turn and hold it.

        Args:
            price: how much is asked for in all, e.g. frames; the smallest is served first.
        """
        ticket = price, next(self._tickets)
        with self._condition:
            heapq.heappush(self._waiting, ticket)
            try:
                self._condition.wait_for(lambda: not self._taken and self._waiting[0] == ticket)
            finally:
                # Whoever is interrupted while waiting must not be waited for.
                self._waiting.remove(ticket)
                heapq.heapify(self._waiting)
            self._taken = True
        try:
            yield
        finally:
            with self._condition:
                self._taken = False
                self._condition.notify_all()
