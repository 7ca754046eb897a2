"""Duplicates go by id and then by title, and what goes is counted."""

import random

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipeline.deduplicate import DropDuplicatePapers, KeepNewestPapers
from pipeline.tally import SumTallies
from tests.helpers import paper


def expecting(transform, papers, kept, removed):
    """A pipeline that keeps these papers and counts the removed ones; `Papers` come in several bundles."""

    def build(root):
        result = root | beam.Create(papers, reshuffle=True) | transform
        assert_that(result.kept, equal_to(kept), 'kept')
        counts = [{('duplicates',): removed}] if removed else [{}]
        assert_that((result.tallies,) | SumTallies(), equal_to(counts), 'removed')

    return build


def test_of_the_versions_of_an_id_the_newest_is_kept(run):
    old, new = paper('1', title='Old', updated='2018-01-01'), paper('1', title='New', updated='2019-01-01')
    counters = run(expecting(DropDuplicatePapers(), [new, old, paper('2')], [new, paper('2')], 1))
    assert (counters['duplicates/kept'], counters['duplicates/removed']) == (4, 1)


def test_of_papers_whose_titles_differ_in_case_blanks_and_punctuation_one_is_kept(run):
    titles = ['Deep learning: a survey', 'Deep Learning -- A Survey.', 'DEEP  LEARNING A SURVEY', 'Deep learning']
    papers = [paper(str(number), title=title) for number, title in enumerate(titles)]
    run(expecting(DropDuplicatePapers(), papers, [papers[0], papers[3]], 2))


def test_an_old_version_does_not_stand_for_another_paper_of_its_title(run):
    old, new = paper('1', title='Draft', version=1), paper('1', title='Final', version=2)
    other = paper('2', title='Draft')
    run(expecting(DropDuplicatePapers(), [old, new, other], [new, other], 1))


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_what_is_kept_does_not_depend_on_the_order_of_the_papers(run, seed):
    papers = [
        paper(str(number), title=f'T{number % 7}', abstract=str(repetition), version=repetition)
        for number in range(20)
        for repetition in range(3)
    ]
    random.Random(seed).shuffle(papers)
    # Of each title the highest version is kept, and of these the smallest id.
    smallest = [min(str(number) for number in range(title, 20, 7)) for title in range(7)]
    kept = [paper(id_, title=f'T{int(id_) % 7}', abstract='2', version=2) for id_ in smallest]
    run(expecting(DropDuplicatePapers(), papers, kept, 60 - 7))


def test_papers_without_duplicates_are_kept_and_nothing_is_counted(run):
    papers = [paper(str(number)) for number in range(5)]
    run(expecting(KeepNewestPapers(key=lambda found: found.id), papers, papers, 0))
