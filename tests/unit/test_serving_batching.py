"""Requests that come together are answered together; what is wrong with one is told to that one."""

import asyncio
import threading
import time

import pytest

from serving.batching import Batcher, ItemError
from serving.errors import RequestError


class Model:
    """Stands for a model that can be held back; it says the number of an item, and what else it was asked."""

    def __init__(self, version='1'):
        self.version = version
        self.calls = []
        self.then = lambda: None
        self.go_on = threading.Event()
        self.go_on.set()

    def call(self, items, k, n):
        self.calls.append((list(items), k, n))
        assert self.go_on.wait(10)
        if items[0] != 'first':
            self.then()
        if 'bad' in items:
            raise ValueError('it is bad')
        return [[f'{item}{rank}' for rank in range(k)] for item in items]


class Served:
    """A batcher with its model."""

    def __init__(self, **limits):
        self.model = Model()
        self.batcher = Batcher(
            lambda: self.model,
            lambda model, items, k, n: model.call(items, k, n),
            **{'batch_items': lambda k, n: 4, 'many_items': 1000, 'queue_items': 100, **limits},
        )

    async def hold(self):
        """Has the model busy with something else; returns what waits for that."""
        self.model.go_on.clear()
        self.model.calls.clear()
        first = asyncio.create_task(self.batcher.submit(['first'], 1, 0))
        while not self.model.calls:
            await asyncio.sleep(0.001)
        self.model.calls.clear()
        return first

    async def ask(self, *requests):
        """Asks all at once while the model is busy; returns the answers."""
        return (await self.ask_beside(*requests))[1]

    async def ask_beside(self, *requests):
        """The same, and returns before them what the model is asked while it is busy."""
        first = await self.hold()
        tasks = [asyncio.create_task(self.batcher.submit(*request)) for request in requests]
        await asyncio.sleep(0.05)
        beside = [items for items, _, _ in self.model.calls]
        self.model.go_on.set()
        await first
        return beside, await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def served():
    made = []

    def make(**limits):
        made.append(Served(**limits))
        return made[-1]

    yield make
    for one in made:
        one.model.go_on.set()
        one.batcher.stop()


def answers(found):
    return [answer for _, answer in found]


def test_one_request_is_answered_at_once(served):
    one = served()
    begin = time.monotonic()
    model, found = asyncio.run(one.batcher.submit(['a', 'b'], 2, 3))
    assert (model.version, found) == ('1', [['a0', 'a1'], ['b0', 'b1']])
    assert one.model.calls == [(['a', 'b'], 2, 3)]
    assert time.monotonic() - begin < 1


def test_requests_that_come_together_make_one_call_and_each_gets_as_many_labels_as_it_asked_for(served):
    one = served()
    found = asyncio.run(one.ask((['a'], 1, 0), (['b', 'c'], 3, 0), (['d'], 2, 0), (['e'], 1, 0)))
    assert answers(found) == [[['a0']], [['b0', 'b1', 'b2'], ['c0', 'c1', 'c2']], [['d0', 'd1']], [['e0']]]
    assert one.model.calls == [(['a', 'b', 'c', 'd'], 3, 0), (['e'], 1, 0)]


def test_explanations_are_asked_for_apart_and_with_none_but_their_like(served):
    one = served()
    asyncio.run(one.ask((['a'], 1, 0), (['b'], 2, 5), (['c'], 9, 0), (['d'], 2, 5), (['e'], 3, 5)))
    assert one.model.calls == [(['a', 'c'], 9, 0), (['b', 'd'], 2, 5), (['e'], 3, 5)]


def test_what_takes_longer_is_asked_for_in_smaller_batches(served):
    one = served(batch_items=lambda k, n: 4 // k if n else 4)
    asyncio.run(one.ask((['a', 'b', 'c'], 2, 1), (['d'], 2, 0)))
    assert one.model.calls == [(['a', 'b'], 2, 1), (['d'], 2, 0), (['c'], 2, 1)]


def test_a_large_request_gives_way_to_small_ones_between_its_batches(served):
    one = served()
    large = [f'x{number}' for number in range(10)]
    found = asyncio.run(one.ask((large, 1, 0), (['a'], 1, 0), (['b'], 1, 0)))
    assert answers(found) == [[[f'{name}0'] for name in large], [['a0']], [['b0']]]
    assert [items for items, _, _ in one.model.calls] == [large[:4], ['a', 'b', *large[4:6]], large[6:]]


def test_all_papers_of_a_request_are_answered_by_one_model_though_another_takes_over(served):
    one = served()
    old = one.model

    async def ask():
        first = await one.hold()
        large = asyncio.create_task(one.batcher.submit(list('abcdefgh'), 1, 0))
        await asyncio.sleep(0.01)
        # When half of it has been asked for.
        old.then = lambda: setattr(one, 'model', Model('2'))
        old.go_on.set()
        await first
        small = asyncio.create_task(one.batcher.submit(['z'], 1, 0))
        return await asyncio.gather(large, small)

    (model, found), (small_model, _) = asyncio.run(ask())
    assert (model.version, small_model.version) == ('1', '2')
    assert found == [[f'{name}0'] for name in 'abcdefgh']


def test_an_item_on_which_the_model_fails_is_named_to_its_request_and_harms_no_other(served):
    one = served(batch_items=lambda k, n: 8)
    found = asyncio.run(one.ask((['a'], 1, 0), (['b', 'c', 'bad', 'd'], 1, 0), (['e', 'f'], 1, 0)))
    assert found[0][1] == [['a0']]
    assert found[2][1] == [['e0'], ['f0']]
    assert isinstance(found[1], ItemError)
    assert (found[1].index, str(found[1].error)) == (2, 'it is bad')
    assert answers([asyncio.run(one.batcher.submit(['g'], 1, 0))]) == [[['g0']]]


def test_the_place_of_a_bad_item_is_told_of_large_requests_too(served):
    one = served()
    with pytest.raises(ItemError) as caught:
        asyncio.run(one.batcher.submit([*'abcdef', 'bad', *'ghij'], 1, 0))
    assert caught.value.index == 6
    assert one.batcher.waiting == 0


def test_many_that_wait_are_asked_for_in_a_second_call_beside_the_first_and_few_are_not(served):
    beside, found = asyncio.run(served(many_items=3).ask_beside((['a'], 1, 0), (['b', 'c'], 1, 0)))
    assert beside == [['a', 'b', 'c']]
    assert answers(found) == [[['a0']], [['b0'], ['c0']]]
    one = served(many_items=4)
    beside, found = asyncio.run(one.ask_beside((['a'], 1, 0), (['b', 'c'], 1, 0)))
    assert beside == []
    assert answers(found) == [[['a0']], [['b0'], ['c0']]]
    assert [items for items, _, _ in one.model.calls] == [['a', 'b', 'c']]


def test_there_are_two_calls_at_most(served):
    beside, found = asyncio.run(served(many_items=1).ask_beside(*(([name], 1, 0) for name in 'abcdefgh')))
    assert len(beside) == 1
    assert answers(found) == [[[f'{name}0']] for name in 'abcdefgh']


def test_the_papers_of_a_request_that_two_threads_ask_for_come_in_its_order(served):
    """The first call is the slower one."""
    one = served(many_items=4)
    begun = threading.Barrier(2, timeout=10)
    second_done = threading.Event()

    call = one.model.call

    def slow_first(items, k, n):
        if items[0] in ('a', 'e'):
            begun.wait()
        if items[0] == 'a':
            assert second_done.wait(10)
        found = call(items, k, n)
        if items[0] == 'e':
            second_done.set()
        return found

    one.model.call = slow_first
    _, found = asyncio.run(one.batcher.submit(list('abcdefghij'), 1, 0))
    assert found == [[f'{name}0'] for name in 'abcdefghij']
    assert sorted(items for items, _, _ in one.model.calls) == [list('abcd'), list('efgh'), list('ij')]


def test_a_bad_item_of_a_request_that_two_threads_ask_for_is_named_and_harms_no_other(served):
    one = served(many_items=4)
    found = asyncio.run(one.ask(([*'abcdef', 'bad', *'ghijkl'], 1, 0), (['z'], 1, 0)))
    assert isinstance(found[0], ItemError)
    assert found[0].index == 6
    assert found[1][1] == [['z0']]
    assert one.batcher.waiting == 0


def test_more_than_the_queue_holds_is_refused_but_for_a_request_that_comes_alone(served):
    one = served(queue_items=3)

    async def ask():
        assert len((await one.batcher.submit(list('abcdef'), 1, 0))[1]) == 6
        first = await one.hold()
        some = asyncio.create_task(one.batcher.submit(['a', 'b'], 1, 0))
        await asyncio.sleep(0.01)
        with pytest.raises(RequestError) as caught:
            await one.batcher.submit(['c', 'd'], 1, 0)
        one.model.go_on.set()
        await asyncio.gather(first, some)
        return caught.value

    error = asyncio.run(ask())
    assert (error.status, error.headers) == (503, {'Retry-After': '1'})
    assert error.body['error'] == {
        'code': 'overloaded',
        'message': '2 papers wait for the model already. Ask again in a second.',
    }


def test_what_nobody_waits_for_is_not_computed(served):
    one = served()

    async def ask():
        first = await one.hold()
        gone, stays = (asyncio.create_task(one.batcher.submit([name], 1, 0)) for name in ('gone', 'stays'))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0.01)
        one.model.go_on.set()
        await asyncio.gather(first, stays)

    asyncio.run(ask())
    assert [items for items, _, _ in one.model.calls] == [['stays']]
    assert one.batcher.waiting == 0


def test_it_ends_when_what_waits_is_answered(served):
    one = served()

    async def ask():
        first = await one.hold()
        task = asyncio.create_task(one.batcher.submit(['a'], 1, 0))
        await asyncio.sleep(0.01)
        ended = asyncio.create_task(asyncio.to_thread(one.batcher.stop))
        await asyncio.sleep(0.01)
        one.model.go_on.set()
        await asyncio.gather(first, ended)
        return await task

    assert one.batcher.alive
    assert asyncio.run(ask())[1] == [['a0']]
    assert not one.batcher.alive
