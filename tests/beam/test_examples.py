"""Blocks of papers become the shards of their splits: every paper once, and the same bytes however they come."""

import gzip
import random

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that, equal_to

from pipeline.config import NgramConfig
from pipeline.count_ngrams import _chunks
from pipeline.examples import WriteExamples
from pipeline.index import PLACES
from pipeline.ngrams import count_rows, merge_counts, most_frequent
from pipeline.paper_blocks import PaperBlock, block_path
from schemas import outputs
from schemas.features import SPLITS
from tests.conftest import files_below
from tests.helpers import paper

PAPERS = [
    paper(f'id {number}', ('cs.CV cs.LG', 'cs.LG', 'math.NA')[number % 3], abstract=f'w{number % 7} w{number % 4} a b')
    for number in range(60)
]
SPLIT_OF = {paper.id: (0, 0, 1, 0, 2)[number % 5] for number, paper in enumerate(PAPERS)}
NUMBERS = {name: sum(SPLIT_OF[paper.id] == split for paper in PAPERS) for split, name in enumerate(SPLITS)}
LABELS = ['cs.LG', 'cs.CV']
CONFIG = NgramConfig(vocabulary_size=30)


def vocabulary():
    block = PaperBlock.of(PAPERS, 0, CONFIG)
    training = np.array([SPLIT_OF[paper.id] == 0 for paper in PAPERS])
    return list(_chunks(most_frequent(merge_counts([count_rows(block.ngrams, training)]), CONFIG.vocabulary_size)))


def writing(folder, papers, size, shards, check=None):
    """A pipeline that writes papers as shards; they lie in blocks of that size."""
    places = []
    for number, start in enumerate(range(0, len(papers), size)):
        some = papers[start : start + size]
        content = PaperBlock.of(some, number, CONFIG).to_bytes()
        outputs.write_bytes(block_path(f'{folder}/.blocks', number), content)
        rows = np.array([(row, SPLIT_OF[paper.id]) for row, paper in enumerate(some)], PLACES)
        places.append((number, rows.tobytes()))

    def build(root):
        written = (
            root | 'Places' >> beam.Create(places, reshuffle=True),
            root | 'Papers' >> beam.Create([NUMBERS if papers else dict.fromkeys(SPLITS, 0)]),
        ) | WriteExamples(
            f'{folder}/out',
            f'{folder}/.blocks',
            CONFIG,
            shards,
            root | 'Vocabulary' >> beam.Create(vocabulary()),
            root | 'Documents' >> beam.Create([NUMBERS['train']]),
            root | 'Labels' >> beam.Create([LABELS]),
        )
        if check:
            assert_that(written, check)

    return build


def ids(folder, split):
    found = []
    for file in sorted((folder / 'out' / 'examples' / split).iterdir()):
        for record in tf.data.TFRecordDataset(str(file), 'GZIP'):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            found.append(feature['paper_id'].bytes_list.value[0].decode())
    return found


def test_every_paper_is_in_the_shards_of_its_split_once(tmp_path, run):
    run(writing(tmp_path, PAPERS, 13, None))
    assert sorted(files_below(tmp_path / 'out')) == [
        f'examples/{split}/part-00000-of-00001.tfrecord.gz' for split in sorted(SPLITS)
    ]
    for number, split in enumerate(SPLITS):
        assert sorted(ids(tmp_path, split)) == sorted(id_ for id_, of in SPLIT_OF.items() if of == number)


@pytest.mark.parametrize('flags', [[], ['--direct_num_workers=2']])
def test_neither_the_blocks_nor_the_order_of_papers_nor_the_number_of_workers_shows(tmp_path, run, flags):
    run(writing(tmp_path / 'one', PAPERS, 60, 3))
    run(writing(tmp_path / 'other', random.Random(1).sample(PAPERS, 60), 7, 3), *flags)
    assert files_below(tmp_path / 'one' / 'out') == files_below(tmp_path / 'other' / 'out')
    assert len(files_below(tmp_path / 'one' / 'out')) == 9


@pytest.mark.parametrize(('shards', 'number'), [(4, 4), (None, 1)])
def test_every_shard_is_written_even_if_there_is_no_paper(tmp_path, run, shards, number):
    run(writing(tmp_path, [], 1, shards))
    found = files_below(tmp_path / 'out')
    assert sorted(found) == [
        f'examples/{split}/part-{shard:05d}-of-{number:05d}.tfrecord.gz'
        for split in sorted(SPLITS)
        for shard in range(number)
    ]
    assert {gzip.decompress(content) for content in found.values()} == {b''}


def test_each_shard_is_described(tmp_path, run):
    run(writing(tmp_path, PAPERS, 20, 1))
    sizes = {name: len(content) for name, content in files_below(tmp_path / 'out').items()}

    def described(shards):
        assert {shard['file']: (shard['records'], shard['bytes']) for shard in shards} == {
            f'examples/{split}/part-00000-of-00001.tfrecord.gz': (
                NUMBERS[split],
                sizes[f'examples/{split}/part-00000-of-00001.tfrecord.gz'],
            )
            for split in SPLITS
        }

    run(writing(tmp_path, PAPERS, 20, 1, described))


def test_pieces_travel_as_plain_integers_and_bytes_of_two_megabytes_at_most():
    part = beam.typehints.native_type_compatibility.convert_to_beam_type(tuple[int, bytes])
    seen = []

    class Spy(beam.pipeline.PipelineVisitor):
        def visit_transform(self, node):
            if isinstance(node.transform, beam.GroupByKey) and 'GroupByShard' in node.full_label:
                seen.append(node.inputs[0].element_type)

    root = beam.Pipeline()
    _ = (root | 'Places' >> beam.Create([(0, b'')]), root | 'Papers' >> beam.Create([NUMBERS])) | WriteExamples(
        'out',
        'blocks',
        CONFIG,
        None,
        root | 'Vocabulary' >> beam.Create([(0, b'')]),
        root | 'Documents' >> beam.Create([1]),
        root | 'Labels' >> beam.Create([LABELS]),
    )
    root.visit(Spy())
    assert seen == [part]


def test_a_number_of_shards_is_that_of_each_split(tmp_path, run):
    run(writing(tmp_path, PAPERS, 60, 2, lambda shards: equal_to([2 * 3])([len(shards)])))
