"""Papers are divided by label set, the same way every time, and a paper's duplicate is never on the other side."""

import random

import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to

from pipeline.config import SplitConfig
from pipeline.deduplicate import DropDuplicatePapers
from pipeline.hashing import keyed_hash
from pipeline.split import SplitByLabelSet
from pipeline.tally import SumTallies
from tests.helpers import paper

PAPERS = [
    *(paper(f'a{number}', 'cs.LG') for number in range(40)),
    *(paper(f'b{number}', 'cs.LG stat.ML') for number in range(20)),
]
CONFIG = SplitConfig(validation=0.1, test=0.2, seed=3)


def by_hash(prefix, papers, test, validation):
    """Split -> ids: the smallest hashes are for testing, the next for validation."""
    ids = sorted((f'{prefix}{number}' for number in range(papers)), key=lambda id_: keyed_hash(id_, 'split 3'))
    return {'test': ids[:test], 'validation': ids[test : test + validation], 'train': ids[test + validation :]}


EXPECTED = {
    split: by_hash('a', 40, 8, 4)[split] + by_hash('b', 20, 4, 2)[split] for split in ('train', 'validation', 'test')
}


def dividing(papers, expected, transform=None):
    def build(root):
        result = root | beam.Create(papers, reshuffle=True) | (transform or SplitByLabelSet(CONFIG))
        for split, ids in expected.items():
            found = result.by_split[split] | f'{split}Ids' >> beam.Map(lambda found: found.id)
            assert_that(found, equal_to(ids), split)

    return build


def test_each_label_set_is_divided_in_the_shares_asked_for_by_the_hash_of_the_id(run):
    run(dividing(PAPERS, EXPECTED))


def test_the_split_does_not_depend_on_the_order_of_the_papers(run):
    run(dividing(random.Random(1).sample(PAPERS, len(PAPERS)), EXPECTED))


def test_papers_of_other_label_sets_move_no_paper(run):
    others = [paper(f'c{number}', 'math.NA') for number in range(10)]
    more = by_hash('c', 10, 2, 1)
    run(dividing(others + PAPERS, {split: ids + more[split] for split, ids in EXPECTED.items()}))


def test_papers_are_counted_by_split_and_by_label(run):
    counts = {
        ('splits', 'train'): 42,
        ('splits', 'validation'): 6,
        ('splits', 'test'): 12,
        ('labels', 'cs.LG', 'train'): 42,
        ('labels', 'cs.LG', 'validation'): 6,
        ('labels', 'cs.LG', 'test'): 12,
        ('labels', 'stat.ML', 'train'): 14,
        ('labels', 'stat.ML', 'validation'): 2,
        ('labels', 'stat.ML', 'test'): 4,
    }

    def build(root):
        result = root | beam.Create(PAPERS) | SplitByLabelSet(CONFIG)
        assert_that((result.tallies,) | SumTallies(), equal_to([counts]))

    run(build)


def test_a_paper_and_its_duplicate_never_straddle_the_split(run):
    config = SplitConfig(validation=0.25, test=0.25)
    titles = [f'Title {number}' for number in range(100)]
    papers = [
        *(paper(f'{number}', title=title, version=1) for number, title in enumerate(titles)),
        *(paper(f'{number}', 'cs.CV', title=f'{title}!', version=2) for number, title in enumerate(titles)),
        *(paper(f'x{number}', 'stat.ML', title=title.upper()) for number, title in enumerate(titles)),
    ]

    def one_of_each(found):
        keys = [key for key, _ in found]
        assert sorted(keys) == sorted(title.lower() for title in titles)
        assert {split for _, split in found} == {'train', 'validation', 'test'}

    def build(root):
        distinct = (root | beam.Create(papers, reshuffle=True) | DropDuplicatePapers()).kept
        result = distinct | SplitByLabelSet(config)
        found = [
            part | split >> beam.Map(lambda found, split: (found.title.lower().strip('!'), split), split)
            for split, part in result.by_split.items()
        ]
        assert_that(found | beam.Flatten(), one_of_each)

    run(build)


def test_without_papers_the_message_says_which_flag_keeps_some(failure):
    def build(root):
        _ = root | beam.Create([paper('1')]) | beam.Filter(lambda found: found.id == '2') | SplitByLabelSet(CONFIG)

    assert failure(build) == (
        'No paper is left: each label set has fewer papers than --min_label_set_papers. '
        'Say --min_label_set_papers 1 to keep them all.'
    )
