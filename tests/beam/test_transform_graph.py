"""Equal transform graphs are equal bytes, whichever run wrote them and wherever."""

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata

from pipeline.examples import NgramStatistics
from pipeline.transform_graph import canonical_saved_model, canonicalize, ngram_table, read_vocabulary
from tests.conftest import files_below


def word_ids(inputs):
    ids = tft.compute_and_apply_vocabulary(inputs['word'], vocab_filename='ngrams')
    return {'ngram_ids': ids, 'ngram_counts': ids}


def write_graph(run, folder, words):
    """Writes a transform graph that looks words up."""
    metadata = dataset_metadata.DatasetMetadata.from_feature_spec({'word': tf.io.VarLenFeature(tf.string)})

    def build(root):
        with tft_beam.Context(temp_dir=f'{folder}/temp'):
            data = root | beam.Create([{'word': [word]} for word in words])
            function = (data, metadata) | tft_beam.AnalyzeDataset(word_ids)
            _ = function | tft_beam.WriteTransformFn(f'{folder}/graph')

    run(build)
    return folder / 'graph'


def saved_model(graph):
    """(saved_model.pb, assets) of a graph."""
    folder = graph / 'transform_fn'
    return (folder / 'saved_model.pb').read_bytes(), {
        file.name: file.read_bytes() for file in (folder / 'assets').iterdir()
    }


@pytest.fixture(scope='module')
def graphs(tmp_path_factory):
    """Two graphs of the same words, in two folders, and one of other words."""
    from pipeline.runners import make_pipeline

    def run(build):
        with make_pipeline([]) as root:
            build(root)

    folder = tmp_path_factory.mktemp('graphs')
    words = {'one': ['b', 'a', 'b'], 'same': ['a', 'b', 'b'], 'other': ['a', 'c', 'c']}
    return {name: write_graph(run, folder / name, words[name]) for name in words}


def test_two_runs_write_the_same_graph_in_the_same_bytes(graphs):
    one, same = saved_model(graphs['one']), saved_model(graphs['same'])
    assert one[0] != same[0]
    assert one[1] == same[1] == {'ngrams': b'b\na\n'}
    assert canonical_saved_model(*one) == canonical_saved_model(*same)


def test_the_canonical_form_is_its_own(graphs):
    content, assets = saved_model(graphs['one'])
    canonical = canonical_saved_model(content, assets)
    assert canonical_saved_model(canonical, assets) == canonical


def test_tables_are_named_after_what_they_hold_so_that_two_models_share_only_equal_ones(graphs):
    one, other = (canonical_saved_model(*saved_model(graphs[name])) for name in ('one', 'other'))
    # python -c "import hashlib; print(hashlib.sha256(b'b\na\n').hexdigest()[:16])"
    assert one.count(b'ngrams-aea8a04c2f293417') == other.count(b'ngrams-83bf753600468d0e') > 0
    assert b'ngrams-83bf753600468d0e' not in one
    assert b'/temp/' not in one


def test_the_canonical_graph_on_disk_does_what_the_written_one_did(graphs):
    found = {}
    for name in ('one', 'same'):
        assert canonicalize(str(graphs[name])) == str(graphs[name])
        layer = tft.TFTransformOutput(str(graphs[name])).transform_features_layer()
        words = tf.sparse.from_dense([['a'], ['b'], ['c']])
        found[name] = tf.sparse.to_dense(layer({'word': words})['ngram_ids'], default_value=-2).numpy().tolist()
    assert found == {'one': [[1], [0], [-1]], 'same': [[1], [0], [-1]]}
    assert files_below(graphs['one']) == files_below(graphs['same'])
    assert 'transform_fn/fingerprint.pb' not in files_below(graphs['one'])
    assert read_vocabulary(str(graphs['one'])) == [b'b', b'a']
    schema = tft.TFTransformOutput(str(graphs['one'])).transformed_metadata.schema
    assert [feature.name for feature in schema.feature] == ['ngram_ids']


def test_the_table_of_ngrams_is_tab_separated_with_a_header():
    statistics = NgramStatistics(np.array([9, 2, 0]), np.array([4, 2, 0]))
    assert ngram_table([b'the', 'the größe'.encode()], statistics) == (
        'ngram\tid\toccurrences\tpapers\nthe\t0\t9\t4\nthe größe\t1\t2\t2\n'.encode()
    )
    assert ngram_table([], statistics) == b'ngram\tid\toccurrences\tpapers\n'
