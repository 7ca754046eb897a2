"""What /openapi.json says holds: requests that are made from it, good ones and bad ones, are answered as it says."""

from __future__ import annotations

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode

_EXAMPLES = 30


@pytest.fixture(scope='module')
def described(server):
    return schemathesis.openapi.from_url(f'{server.url}/openapi.json')


@pytest.mark.parametrize('mode', [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_requests_for_labels_are_answered_as_they_are_described(described, mode):
    check(described['/v1/tag']['POST'], mode)


@pytest.mark.parametrize('path', ['/v1/labels', '/v1/model', '/healthz', '/readyz', '/metrics'])
def test_other_addresses_answer_as_they_are_described(described, path):
    check(described[path]['GET'], GenerationMode.POSITIVE)


def check(operation, mode):
    @hypothesis.settings(max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None)
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def answers(case):
        case.call_and_validate(timeout=30)

    answers()


def test_every_address_is_among_these(described):
    assert len(list(described.get_all_operations())) == 6
