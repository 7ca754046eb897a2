"""Equal transform graphs are equal bytes, whichever run wrote them and wherever, and do what `prepare` does."""

import random

import apache_beam as beam
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from pipeline.config import InputConfig, NgramConfig
from pipeline.count_ngrams import CountNgrams
from pipeline.examples import WriteExamples
from pipeline.index import Part
from pipeline.runners import make_pipeline
from pipeline.transform_graph import WriteTransformGraph, canonical_saved_model
from schemas import features
from tests import blocks
from tests.conftest import SAMPLES, files_below
from tests.helpers import paper

# The second vocabulary is larger than what exists.
CONFIGS = {
    'tf_idf_l2': NgramConfig(vocabulary_size=3000, ngram_max=3, sublinear_tf=True),
    'tf_idf': NgramConfig(vocabulary_size=100_000, text='abstract', weighting='tf_idf'),
}


def write(folder, config, papers, size, labels, split_of):
    """Writes transform graph and examples of papers into a folder, in blocks of `size`."""
    places = blocks.write_blocks(folder / 'blocks', blocks.cut(papers, size), config, split_of)
    number = {split: sum(split_of(paper) == split for paper in papers) for split in features.SPLITS}
    with make_pipeline(['--direct_num_workers=1']) as root:
        parts = root | beam.Create(places).with_output_types(Part)
        names, papers_of_split = root | 'Labels' >> beam.Create([labels]), root | 'Papers' >> beam.Create([number])
        counted = parts | CountNgrams(str(folder / 'blocks'), config, 3)
        _ = root | WriteTransformGraph(config, str(folder / 'graph'), counted.vocabulary, counted.documents, names)
        _ = (parts, papers_of_split) | WriteExamples(
            str(folder), str(folder / 'blocks'), config, 2, counted.vocabulary, counted.documents, names
        )
    return folder


@pytest.fixture(scope='module')
def papers():
    """Two hundred and fifty real papers, and odd ones."""
    found = blocks.read_papers(InputConfig(patterns=(str(SAMPLES / 'train.csv.zst'),)))[:250]
    return [
        *found,
        paper('empty', title='!!!', abstract='...'),
        paper('one word', title='Alone', abstract='?'),
        paper('long', title='Long', abstract='a very long abstract ' * 25_000),
        *(paper(f'same {number}', title='Same', abstract='The same.') for number in range(3)),
        paper('unknown label', 'q-fin.TR', title='Trading', abstract='with graphs'),
        paper('last empty', title='?', abstract='!'),
    ]


@pytest.fixture(scope='module')
def labels(papers):
    return sorted({label for paper in papers for label in paper.labels} - {'q-fin.TR'})


def split_of(paper):
    return {0: 'validation', 1: 'test'}.get(len(paper.title) % 9, 'train')


@pytest.fixture(scope='module')
def written(papers, labels, tmp_path_factory):
    """Config -> what was written with it."""
    return {
        name: write(tmp_path_factory.mktemp(name), config, papers, 100, labels, split_of)
        for name, config in CONFIGS.items()
    }


@pytest.fixture(scope='module')
def written_again(papers, labels, written, tmp_path_factory):
    """The same papers in another order, other blocks and another folder, when TensorFlow has traced other graphs."""
    shuffled = random.Random(0).sample(papers, len(papers))
    return write(tmp_path_factory.mktemp('again'), CONFIGS['tf_idf_l2'], shuffled, 64, labels, split_of)


def examples(folder, split):
    """Paper id -> (n-gram ids, weights, label ids) of a split's TFRecords."""
    found = {}
    for file in sorted((folder / 'examples' / split).iterdir()):
        for record in tf.data.TFRecordDataset(str(file), 'GZIP'):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            [id_] = feature[features.PAPER_ID].bytes_list.value
            found[id_.decode()] = (
                list(feature[features.NGRAM_IDS].int64_list.value),
                list(feature[features.NGRAM_WEIGHTS].float_list.value),
                list(feature[features.LABEL_IDS].int64_list.value),
            )
    return found


@pytest.mark.parametrize('name', CONFIGS)
def test_the_graph_makes_of_raw_text_what_the_examples_hold_to_the_bit(written, papers, name):
    layer = tft.TFTransformOutput(str(written[name] / 'graph')).transform_features_layer()
    expected = {split: examples(written[name], split) for split in features.SPLITS}
    for split, found in expected.items():
        assert found.keys() == {paper.id for paper in papers if split_of(paper) == split}
    everything = {id_: row for found in expected.values() for id_, row in found.items()}
    for size in (1, 100):
        some = papers[-10:] if size == 1 else papers
        found = {}
        for batch in blocks.cut(some, size):
            found |= blocks.rows_of(layer(blocks.raw_tensors(batch)))
        assert found == {paper.id: everything[paper.id] for paper in some}
    assert everything['empty'][:2] == everything['last empty'][:2] == ([], [])
    assert everything['unknown label'][2] == []
    assert sum(len(ids) for ids, _, _ in everything.values()) > 1000


def test_papers_in_another_order_and_other_blocks_give_the_same_bytes(written, written_again):
    for part in ('graph', 'examples'):
        expected, found = files_below(written['tf_idf_l2'] / part), files_below(written_again / part)
        assert sorted(found) == sorted(expected)
        assert [name for name in found if found[name] != expected[name]] == []


def test_the_graph_holds_neither_the_time_nor_the_place_of_the_run(written):
    content = files_below(written['tf_idf'] / 'graph')
    assert sorted(content) == [
        'transform_fn/saved_model.pb',
        'transform_fn/variables/variables.data-00000-of-00001',
        'transform_fn/variables/variables.index',
        'transformed_metadata/schema.pbtxt',
    ]
    assert [name for name, found in content.items() if str(written['tf_idf']).encode() in found] == []


def test_other_configs_make_other_graphs(written):
    models = {(written[name] / 'graph/transform_fn/saved_model.pb').read_bytes() for name in CONFIGS}
    assert len(models) == len(CONFIGS)


def test_the_canonical_form_is_its_own(written):
    content = (written['tf_idf'] / 'graph/transform_fn/saved_model.pb').read_bytes()
    assert canonical_saved_model(content) == content


def test_tf_transform_describes_the_graphs_output(written):
    schema = tft.TFTransformOutput(str(written['tf_idf'] / 'graph')).transformed_metadata.schema
    assert sorted(feature.name for feature in schema.feature) == [
        'known_ngrams',
        'label_ids',
        'ngram_ids',
        'ngram_weights',
        'ngrams',
        'paper_id',
        'words',
    ]
