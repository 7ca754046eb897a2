"""Joins the papers of concurrent requests into batches for the model.

One thread calls the model; while it does, requests gather, and all of them make the next batch. So a request that
comes alone never waits for others, and under load batches grow by themselves.
"""

from __future__ import annotations

import asyncio
import collections
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from serving.errors import RequestError

Item = TypeVar('Item')
Model = TypeVar('Model')
Call = Callable[[Model, Sequence[Item], int, int], Sequence[Any]]


class _Job(Generic[Item]):
    """What a request asks, and what it has got so far."""

    def __init__(self, items: Sequence[Item], k: int, n: int, answer: asyncio.Future[Any]) -> None:
        self.items, self.k, self.n, self.answer = items, k, n, answer
        self.loop = answer.get_loop()
        self.model: Any = None
        self.begun = 0
        self.results: list[Any] = []

    @property
    def left(self) -> int:
        return len(self.items) - self.begun


class Batcher(Generic[Model, Item]):
    """A queue of requests, and the thread that answers them."""

    def __init__(
        self,
        current: Callable[[], Model],
        call: Call[Model, Item],
        *,
        batch_items: int,
        queue_items: int,
        observe: Callable[[int], None] = lambda items: None,
    ) -> None:
        """Starts the thread.

        Args:
            current: gives the model to use now; all papers of a request are answered by one.
            call: asks the model for the k best of each item, and n n-grams each; or raises.
            batch_items: so many at most in a call.
            queue_items: so many may wait.
            observe: is told the size of each batch.
        """
        self._current, self._call, self._observe = current, call, observe
        self._batch_items, self._queue_items = batch_items, queue_items
        self._jobs: collections.deque[_Job[Item]] = collections.deque()
        self._condition = threading.Condition()
        self._waiting = 0
        self._ended = False
        self._thread = threading.Thread(target=self._work, name='call_model', daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Items that wait."""
        return self._waiting

    async def submit(self, items: Sequence[Item], k: int, n: int) -> tuple[Model, list[Any]]:
        """Has items answered.

        Returns:
            The model that did, and its answers in order.

        Raises:
            RequestError: if too many wait already, or the model fails on an item.
        """
        job = _Job(items, k, n, asyncio.get_running_loop().create_future())
        with self._condition:
            if self._ended or self._waiting + len(items) > max(self._queue_items, len(items) * (not self._waiting)):
                raise RequestError(
                    503,
                    'overloaded',
                    f'{self._waiting} papers wait for the model already. Ask again in a second.',
                    headers={'Retry-After': '1'},
                )
            self._waiting += len(items)
            self._jobs.append(job)
            self._condition.notify()
        return await job.answer

    def stop(self) -> None:
        """Ends the thread when what waits is answered."""
        with self._condition:
            self._ended = True
            self._condition.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._jobs:
                    if self._ended:
                        return
                    self._condition.wait()
                model = self._jobs[0].model or self._current()
                parts = self._next_batch(model)
            self._answer(model, parts)
            # Neither shall keep a model that has left while nothing comes.
            del model, parts

    def _next_batch(self, model: Model) -> list[tuple[_Job[Item], Sequence[Item]]]:
        """Takes from the queue what can be asked together with its first job; large ones give way to others."""
        first = self._jobs[0]
        room, parts, others, unfinished = self._batch_items, [], [], []
        while self._jobs and room:
            job = self._jobs.popleft()
            if job.answer.cancelled():
                self._waiting -= job.left
            elif (job.n, job.k * bool(job.n)) != (first.n, first.k * bool(first.n)) or job.model not in (None, model):
                others.append(job)
            else:
                taken = min(room, job.left)
                parts.append((job, job.items[job.begun : job.begun + taken]))
                job.model = model
                job.begun += taken
                room -= taken
                self._waiting -= taken
                if job.left:
                    unfinished.append(job)
        self._jobs.extendleft(reversed(others))
        self._jobs.extend(unfinished)
        return parts

    def _answer(self, model: Model, parts: list[tuple[_Job[Item], Sequence[Item]]]) -> None:
        if not parts:
            return
        items = [item for _, some in parts for item in some]
        self._observe(len(items))
        try:
            answers = self._call(model, items, max(job.k for job, _ in parts), parts[0][0].n)
        except Exception as error:
            if len(parts) > 1:
                # One of them is to blame, and no other shall suffer.
                for part in parts:
                    self._answer(model, [part])
            else:
                self._give(parts[0][0], error)
            return
        begin = 0
        for job, some in parts:
            job.results += [answer[: job.k] for answer in answers[begin : begin + len(some)]]
            begin += len(some)
            if len(job.results) == len(job.items):
                self._give(job, None)

    def _give(self, job: _Job[Item], error: Exception | None) -> None:
        def give() -> None:
            if job.answer.done():
                return
            if error is None:
                job.answer.set_result((job.model, job.results))
            else:
                job.answer.set_exception(error)

        job.loop.call_soon_threadsafe(give)
