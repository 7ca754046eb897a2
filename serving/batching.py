"""Joins the papers of concurrent requests into batches for the model.

While the model is called, requests gather, and all of them make the next batch. So a request that comes alone never
waits for others, and under load batches grow by themselves. A second call begins beside one only if many wait: if it
took what there is, batches would be half as large, and each call has its price.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from serving.errors import RequestError

Item = TypeVar('Item')
Model = TypeVar('Model')
Call = Callable[[Model, Sequence[Item], int, int], Sequence[Any]]


class ItemError(Exception):
    """The model fails on an item.

    Attributes:
        index: of the item in its request.
        error: what the model raised.
    """

    def __init__(self, index: int, error: Exception) -> None:
        super().__init__(f'item {index}: {error}')
        self.index, self.error = index, error


class _Job(Generic[Item]):
    """What a request asks, and what it has got so far."""

    def __init__(self, items: Sequence[Item], k: int, n: int, answer: asyncio.Future[Any]) -> None:
        self.items, self.k, self.n, self.answer = items, k, n, answer
        self.loop = answer.get_loop()
        self.model: Any = None
        self.begun = 0
        self.results: list[Any] = [None] * len(items)
        self.unanswered = len(items)
        self.error: ItemError | None = None

    @property
    def left(self) -> int:
        return len(self.items) - self.begun


class _Part(NamedTuple, Generic[Item]):
    """Items of a job, from one on, that make part of a batch."""

    job: _Job[Item]
    begin: int
    items: Sequence[Item]


class Batcher(Generic[Model, Item]):
    """A queue of requests, and the threads that answer them."""

    def __init__(
        self,
        current: Callable[[], Model],
        call: Call[Model, Item],
        *,
        batch_items: Callable[[int, int], int],
        many_items: int,
        queue_items: int,
    ) -> None:
        """Starts the threads.

        Args:
            current: gives the model to use now; all papers of a request are answered by one.
            call: asks the model for the k best of each item, and n n-grams each; or raises.
            batch_items: gives how many items to ask for in a call, at most, of those k and n.
            many_items: so many that wait are worth a second call beside one.
            queue_items: so many may wait.
        """
        self._current, self._call = current, call
        self._batch_items, self._queue_items = batch_items, queue_items
        self._jobs: collections.deque[_Job[Item]] = collections.deque()
        self._many_items = many_items
        self._condition = threading.Condition()
        self._waiting = 0
        self._calling = 0
        self._ended = False
        self._threads = [
            threading.Thread(target=self._work, name=f'call_model_{number}', daemon=True) for number in (1, 2)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Items that wait."""
        return self._waiting

    @property
    def alive(self) -> bool:
        """Whether the threads run."""
        return all(thread.is_alive() for thread in self._threads)

    async def submit(self, items: Sequence[Item], k: int, n: int) -> tuple[Model, list[Any]]:
        """Has items answered.

        Returns:
            The model that did, and its answers in order.

        Raises:
            RequestError: if too many wait already.
            ItemError: if the model fails on an item.
        """
        job = _Job(items, k, n, asyncio.get_running_loop().create_future())
        with self._condition:
            if self._waiting and self._waiting + len(items) > self._queue_items:
                raise RequestError(
                    503,
                    'overloaded',
                    f'{self._waiting} papers wait for the model already. Ask again in a second.',
                    headers={'Retry-After': '1'},
                )
            self._waiting += len(items)
            self._jobs.append(job)
            if self._enough:
                self._condition.notify()
        return await job.answer

    def stop(self) -> None:
        """Ends the threads when what waits is answered."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()
        for thread in self._threads:
            thread.join()

    @property
    def _enough(self) -> bool:
        """Whether enough items wait to begin a call."""
        return self._waiting >= (self._many_items if self._calling else 1)

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._enough:
                    if self._ended:
                        return
                    self._condition.wait()
                model = self._jobs[0].model or self._current()
                parts = self._next_batch(model)
                self._calling += 1
                if self._enough:
                    self._condition.notify()
            self._answer(model, parts)
            # Neither shall keep a model that has left while nothing comes.
            del model, parts
            with self._condition:
                self._calling -= 1

    def _next_batch(self, model: Model) -> list[_Part[Item]]:
        """Takes from the queue what can be asked together with its first job; large ones give way to others."""
        first = self._jobs[0]
        room = self._batch_items(first.k, first.n)
        parts, others, unfinished = [], [], []
        while self._jobs and room:
            job = self._jobs.popleft()
            if job.answer.cancelled() or job.error:
                self._waiting -= job.left
            elif (job.n, job.k * bool(job.n)) != (first.n, first.k * bool(first.n)) or job.model not in (None, model):
                others.append(job)
            else:
                taken = min(room, job.left)
                parts.append(_Part(job, job.begun, job.items[job.begun : job.begun + taken]))
                job.model = model
                job.begun += taken
                room -= taken
                self._waiting -= taken
                if job.left:
                    unfinished.append(job)
        self._jobs.extendleft(reversed(others))
        self._jobs.extend(unfinished)
        return parts

    def _answer(self, model: Model, parts: Sequence[_Part[Item]]) -> None:
        """Asks the model, and gives each request its part; what it raises, to the request that has the item alone."""
        if not parts:
            return
        items = [item for part in parts for item in part.items]
        try:
            answers = self._call(model, items, max(part.job.k for part in parts), parts[0].job.n)
        except Exception as error:
            self._answer_apart(model, parts, error)
            return
        left = iter(answers)
        for job, begin, some in parts:
            job.results[begin : begin + len(some)] = [answer[: job.k] for answer in itertools.islice(left, len(some))]
        with self._condition:
            for job, _, some in parts:
                job.unanswered -= len(some)
            done = [job for job, _, _ in parts if not job.unanswered]
        self._give(done)

    def _answer_apart(self, model: Model, parts: Sequence[_Part[Item]], error: Exception) -> None:
        if len(parts) > 1:
            # One of them is to blame, and no other shall suffer.
            for part in parts:
                self._answer(model, [part])
            return
        [(job, begin, items)] = parts
        if len(items) == 1:
            job.error = ItemError(begin, error)
            self._give([job])
            return
        middle = len(items) // 2
        for half in (_Part(job, begin, items[:middle]), _Part(job, begin + middle, items[middle:])):
            if job.error is None:
                self._answer(model, [half])

    def _give(self, jobs: Sequence[_Job[Item]]) -> None:
        """Wakes those that wait for these jobs, all of an event loop at once."""
        for loop in {job.loop for job in jobs}:
            some = [job for job in jobs if job.loop is loop]
            # A server that ends at once leaves nobody to tell.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_set_results, some)


def _set_results(jobs: Sequence[_Job[Any]]) -> None:
    for job in jobs:
        if job.answer.done():
            continue
        if job.error:
            job.answer.set_exception(job.error)
        else:
            job.answer.set_result((job.model, job.results))
