"""Papers whose combination of labels is rare are dropped, and counted."""

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipeline.label_sets import CountLabelSets, DropRareLabelSets
from pipeline.tally import SumTallies
from tests.helpers import paper

PAPERS = [
    paper('1', 'cs.LG'),
    paper('2', 'cs.LG'),
    paper('3', 'cs.LG'),
    paper('4', 'cs.LG stat.ML'),
    paper('5', 'cs.LG stat.ML'),
    paper('6', 'cs.CV cs.LG'),
    paper('7', 'stat.ML'),
]


@pytest.mark.parametrize(('min_papers', 'kept'), [(1, '1234567'), (2, '12345'), (3, '123'), (4, '')])
def test_a_label_set_needs_as_many_papers_as_asked_for(run, min_papers, kept):
    dropped = 7 - len(kept)

    def build(root):
        result = root | beam.Create(PAPERS) | DropRareLabelSets(min_papers)
        assert_that(result.kept, equal_to([found for found in PAPERS if found.id in kept]), 'kept')
        counts = {('dropped_rare_label_set',): dropped} if dropped else {}
        assert_that((result.tallies,) | SumTallies(), equal_to([counts]), 'dropped')

    assert run(build)['label_sets/dropped_papers'] == dropped


def test_label_sets_are_counted_as_wholes(run):
    counts = {'cs.LG': 3, 'cs.LG stat.ML': 2, 'cs.CV cs.LG': 1, 'stat.ML': 1}
    run(lambda root: assert_that(root | beam.Create(PAPERS) | CountLabelSets(), equal_to([counts])))
