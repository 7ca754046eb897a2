"""Runs a pipeline in this process, as the commands do with one worker."""

import collections

import pytest

from pipeline.failures import explain
from pipeline.runners import make_pipeline


@pytest.fixture
def run():
    """Builds and runs a pipeline; gives its counters, name -> count, summed over its steps."""

    def run(build, *flags):
        pipeline = make_pipeline(['--direct_num_workers=1', *flags])
        build(pipeline)
        result = pipeline.run()
        result.wait_until_finish()
        counters = collections.Counter()
        for found in result.metrics().query()['counters']:
            counters[f'{found.key.metric.namespace}/{found.key.metric.name}'] += found.committed
        return counters

    return run


@pytest.fixture
def failure(run):
    """Builds and runs a pipeline that must fail; gives the line that the user sees."""

    def failure(build):
        with pytest.raises(Exception) as error:  # noqa: PT011 - runners wrap what a worker raised
            run(build)
        return explain(error.value)

    return failure
