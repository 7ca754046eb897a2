"""Papers come out of the shards as they went in, in an order that the seed alone decides."""

import json

import numpy as np
import pytest
import tensorflow as tf

from schemas.errors import JobError
from trainer.dataset import batches, count_papers, parse, shards, vocabularies


def serialized(paper):
    def integers(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    feature = {
        'paper_id': tf.train.Feature(bytes_list=tf.train.BytesList(value=[f'p{paper}'.encode()])),
        'ngram_ids': integers(range(paper % 4)),
        'ngram_weights': tf.train.Feature(float_list=tf.train.FloatList(value=[paper] * (paper % 4))),
        'label_ids': integers([paper % 3]),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    (folder / 'examples' / 'train').mkdir(parents=True)
    for shard, papers in enumerate([range(1, 8), [], range(8, 24)]):
        path = str(folder / 'examples' / 'train' / f'part-0000{shard}-of-00003.tfrecord.gz')
        with tf.io.TFRecordWriter(path, 'GZIP') as writer:
            for paper in papers:
                writer.write(serialized(paper))
    return str(folder)


def papers_of(dataset):
    """The paper numbers of each batch: the weight of each n-gram is the number of its paper."""
    return [tf.sparse.reduce_max(weights, axis=1).numpy().astype(int).tolist() for weights, _ in dataset]


def read(data_dir, **kwargs):
    return batches(shards(data_dir, 'train'), ngrams=5, labels=3, batch_size=10, **kwargs)


def test_a_batch_is_parsed_to_sparse_weights_and_multi_hot_labels():
    ids, weights, applies = parse(tf.constant([serialized(2), serialized(4), serialized(7)]), 5, 3)
    assert ids.numpy().tolist() == [b'p2', b'p4', b'p7']
    assert tf.sparse.to_dense(weights).numpy().tolist() == [[2, 2, 0, 0, 0], [0, 0, 0, 0, 0], [7, 7, 7, 0, 0]]
    assert applies.numpy().tolist() == [[0, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_without_a_seed_papers_come_in_the_order_of_the_shards_and_empty_shards_do_no_harm(data_dir):
    dataset = read(data_dir)
    in_order = [paper if paper % 4 else 0 for paper in range(1, 24)]
    assert papers_of(dataset) == [in_order[:10], in_order[10:20], in_order[20:]]
    assert dataset.cardinality() == 3
    assert count_papers(shards(data_dir, 'train')) == 23


def test_the_seed_decides_the_order_and_each_pass_has_another(data_dir):
    dataset = read(data_dir, shuffle_seed=1)
    first, second = papers_of(dataset), papers_of(dataset)
    again = read(data_dir, shuffle_seed=1)
    assert [papers_of(again), papers_of(again)] == [first, second]
    assert first != second
    assert first != papers_of(read(data_dir, shuffle_seed=2))
    assert sorted(np.concatenate(first)) == sorted(paper if paper % 4 else 0 for paper in range(1, 24))


def test_a_split_without_papers_gives_no_batches(data_dir):
    for files in ([], shards(data_dir, 'train')[1:2]):
        dataset = batches(files, ngrams=5, labels=3, batch_size=10, shuffle_seed=1)
        assert dataset.cardinality() == 0
        assert list(dataset) == []


LABELS = 'label\tid\tpapers\ncs.LG\t0\t9\nstat.ML\t1\t4\n'
STATISTICS = json.dumps({'ngrams': {'distinct': 70, 'vocabulary': 50, 'occurrences': 400}})


def described(folder, labels=LABELS, statistics=STATISTICS):
    """A folder with what `prepare` says of the vocabularies; None leaves a file out."""
    (folder / 'vocabulary').mkdir()
    for name, content in (('vocabulary/labels.tsv', labels), ('statistics.json', statistics)):
        if content is not None:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder)


def test_the_labels_come_in_the_order_of_their_ids_with_the_number_of_ngrams(tmp_path):
    assert vocabularies(described(tmp_path)) == (['cs.LG', 'stat.ML'], 50)


@pytest.mark.parametrize(
    ('damage', 'what'),
    [
        ({'labels': None}, 'vocabulary/labels.tsv is missing'),
        ({'labels': ''}, 'vocabulary/labels.tsv cannot be read or is damaged'),
        ({'labels': 'label\tid\tpapers\n'}, 'vocabulary/labels.tsv cannot be read or is damaged'),
        ({'labels': LABELS.removeprefix('label\tid\tpapers\n')}, 'vocabulary/labels.tsv cannot be read or is damaged'),
        ({'labels': LABELS.replace('cs.LG\t0\t9\n', '')}, 'vocabulary/labels.tsv cannot be read or is damaged'),
        ({'labels': LABELS[:-5]}, 'vocabulary/labels.tsv cannot be read or is damaged'),
        ({'labels': b'\xff\n'}, 'vocabulary/labels.tsv cannot be read or is damaged'),
        ({'statistics': None}, 'statistics.json is missing'),
        ({'statistics': STATISTICS[:-2]}, 'statistics.json cannot be read or is damaged'),
        ({'statistics': '{"ngrams": {}}'}, 'statistics.json cannot be read or is damaged'),
        ({'statistics': '[]'}, 'statistics.json cannot be read or is damaged'),
    ],
)
def test_what_is_missing_or_damaged_is_told_with_what_to_do(tmp_path, damage, what):
    with pytest.raises(JobError) as error:
        vocabularies(described(tmp_path, **damage))
    assert str(error.value) == f'{tmp_path}/{what}. Run "arxiv-tagger prepare" again, with --overwrite.'
