"""Label sets are counted as wholes, and those of few papers are dropped, and counted."""

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipeline.index import chunks, index_of, label_set, label_set_hash, label_set_names
from pipeline.label_sets import DropRareLabelSets, count_label_sets, merge_names, sum_counts
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
COUNTS = {'cs.LG': 3, 'cs.LG stat.ML': 2, 'cs.CV cs.LG': 1, 'stat.ML': 1}


def dropping(root, min_papers, partitions, names=None):
    rows = root | 'Rows' >> beam.Create([*chunks(index_of(PAPERS, 1), 140)], reshuffle=True)
    some = root | 'Names' >> beam.Create(
        names or [label_set_names(map(label_set, PAPERS[:5])), label_set_names(map(label_set, PAPERS[3:]))]
    )
    return (rows, some) | DropRareLabelSets(min_papers, partitions)


@pytest.mark.parametrize(('min_papers', 'dropped'), [(1, 0), (2, 2), (3, 4), (4, 7)])
@pytest.mark.parametrize('partitions', [1, 3, 40])
def test_a_label_set_needs_as_many_papers_as_asked_for(run, min_papers, dropped, partitions):
    def kept(found):
        names = [name for some in found for name in some]
        assert len(names) == len(set(names))
        assert {name: papers for some in found for name, papers in some.items()} == {
            name: papers for name, papers in COUNTS.items() if papers >= min_papers
        }

    def build(root):
        result = dropping(root, min_papers, partitions)
        assert_that(result.kept, kept, 'kept')
        counts = {('dropped_rare_label_set',): dropped} if dropped else {}
        assert_that((result.tallies,) | SumTallies(), equal_to([counts]), 'dropped')

    assert run(build)['label_sets/dropped_papers'] == dropped


def test_names_that_no_paper_has_any_more_do_no_harm(run):
    names = [label_set_names(map(label_set, [*PAPERS, paper('8', 'math.NA')]))]
    run(lambda root: assert_that(dropping(root, 1, 1, names).kept, equal_to([COUNTS])))


def test_two_label_sets_with_one_hash_end_the_run(failure):
    names = [label_set_names(map(label_set, PAPERS)), {label_set_hash('stat.ML'): 'math.NA'}]
    message = failure(lambda root: dropping(root, 1, 1, names))
    assert message.startswith('The label sets "')
    assert all(part in message for part in ('"math.NA"', '"stat.ML"', 'have the same hash'))


def test_names_of_several_blocks_are_merged():
    assert merge_names([{1: 'a', 2: 'b'}, {}, {2: 'b', 3: 'c'}]) == {1: 'a', 2: 'b', 3: 'c'}


def test_counts_of_chunks_sum_to_the_counts_of_all():
    rows = index_of(PAPERS, 1)
    expected = sorted((label_set_hash(name), papers) for name, papers in COUNTS.items())
    assert count_label_sets(rows).tolist() == expected
    for size in range(1, 8):
        counts = [count_label_sets(rows[start : start + size]) for start in range(0, 7, size)]
        assert sum_counts(np.concatenate(counts[::-1])).tolist() == expected
