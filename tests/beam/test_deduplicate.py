"""Duplicates go by id and then by title, and what goes is counted."""

import random

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipeline.deduplicate import DropDuplicatePapers
from pipeline.index import INDEX, chunks, index_of, rows_of
from pipeline.tally import SumTallies
from tests.helpers import paper


def expecting(papers, kept, removed, partitions=3, max_bytes=200):
    """A pipeline that keeps these papers and counts the removed ones; chunks of rows come in several bundles."""

    def kept_papers(found):
        rows = rows_of(found, INDEX)['row'].tolist()
        assert sorted(papers[row].id for row in rows) == sorted(keeping.id for keeping in kept)
        assert all(papers[row] in kept for row in rows)

    def build(root):
        rows = root | beam.Create([*chunks(index_of(papers, 1), max_bytes)], reshuffle=True)
        result = rows | DropDuplicatePapers(partitions)
        assert_that(result.kept, kept_papers, 'kept')
        counts = [{('duplicates',): removed}] if removed else [{}]
        assert_that((result.tallies,) | SumTallies(), equal_to(counts), 'removed')

    return build


def test_of_the_versions_of_an_id_the_newest_is_kept(run):
    old, new = paper('1', title='Old', updated='2018-01-01'), paper('1', title='New', updated='2019-01-01')
    counters = run(expecting([new, old, paper('2')], [new, paper('2')], 1))
    assert (counters['duplicates/kept'], counters['duplicates/removed']) == (2, 1)


def test_of_papers_whose_titles_differ_in_case_blanks_and_punctuation_one_is_kept(run):
    titles = ['Deep learning: a survey', 'Deep Learning -- A Survey.', 'DEEP  LEARNING A SURVEY', 'Deep learning']
    papers = [paper(str(number), title=title, version=9 - number) for number, title in enumerate(titles)]
    counters = run(expecting(papers, [papers[0], papers[3]], 2))
    assert (counters['duplicates/kept'], counters['duplicates/removed']) == (2, 2)


def test_an_old_version_does_not_stand_for_another_paper_of_its_title(run):
    old, new = paper('1', title='Draft', version=1), paper('1', title='Final', version=2)
    other = paper('2', title='Draft')
    run(expecting([old, new, other], [new, other], 1))


@pytest.mark.parametrize(('seed', 'partitions', 'max_bytes'), [(0, 1, 68), (1, 4, 1000), (2, 50, 1 << 20)])
def test_what_is_kept_does_not_depend_on_how_the_papers_come(run, seed, partitions, max_bytes):
    papers = [
        paper(str(number), title=f'T{number % 7}', abstract=str(repetition), version=100 * repetition - number)
        for number in range(20)
        for repetition in (1, 2, 3)
    ]
    random.Random(seed).shuffle(papers)
    # Of each title the papers 0 to 6 have the highest version.
    kept = [paper(str(number), title=f'T{number}', abstract='3', version=300 - number) for number in range(7)]
    run(expecting(papers, kept, 60 - 7, partitions, max_bytes))


def test_a_dump_that_is_given_twice_is_kept_once(run):
    rows = index_of([paper('1'), paper('2')], 3)

    def build(root):
        result = root | beam.Create([rows.tobytes(), rows.tobytes()]) | DropDuplicatePapers(2)

        def once(found):
            assert sorted(rows_of(found, INDEX).tolist()) == sorted(rows.tolist())

        assert_that(result.kept, once)
        assert_that((result.tallies,) | SumTallies(), equal_to([{('duplicates',): 2}]), 'removed')

    run(build)


def test_papers_without_duplicates_are_kept_and_nothing_is_counted(run):
    papers = [paper(str(number)) for number in range(5)]
    counters = run(expecting(papers, papers, 0))
    assert (counters['duplicates/kept'], counters['duplicates/removed']) == (5, 0)


def test_of_no_papers_none_is_kept(run):
    run(expecting([], [], 0))


def test_rows_travel_as_plain_integers_and_bytes():
    part = beam.typehints.native_type_compatibility.convert_to_beam_type(tuple[int, bytes])
    coder = beam.coders.registry.get_coder(part)
    assert coder == beam.coders.TupleCoder([beam.coders.VarIntCoder(), beam.coders.BytesCoder()])

    seen = []

    class Spy(beam.pipeline.PipelineVisitor):
        def visit_transform(self, node):
            if isinstance(node.transform, beam.GroupByKey):
                seen.append(node.inputs[0].element_type)

    root = beam.Pipeline()
    _ = root | beam.Create([np.empty(0, INDEX).tobytes()]) | DropDuplicatePapers(2)
    root.visit(Spy())
    assert seen == [part, part]
