"""Papers come out of the shards as they went in, in an order that the seed alone decides."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from schemas.errors import JobError
from trainer.dataset import batches, complaint, parse, require_features, shuffled_batches, steps, vocabularies
from trainer.shards import Shard


def serialized(paper, **changed):
    feature = {
        'paper_id': tf.train.Feature(bytes_list=tf.train.BytesList(value=[f'p{paper}'.encode()])),
        'ngram_ids': integers(range(paper % 4)),
        'ngram_weights': floats([paper] * (paper % 4)),
        'label_ids': integers([paper % 3]),
    } | changed
    present = {name: value for name, value in feature.items() if value is not None}
    return tf.train.Example(features=tf.train.Features(feature=present)).SerializeToString()


def integers(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def floats(values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def write_shard(path, records):
    with tf.io.TFRecordWriter(str(path), 'GZIP') as writer:
        for record in records:
            writer.write(record)
    return Shard(str(path), len(records), path.stat().st_size, '')


@pytest.fixture(scope='module')
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    return [
        write_shard(folder / f'part-0000{number}-of-00003.tfrecord.gz', [serialized(paper) for paper in papers])
        for number, papers in enumerate([range(1, 8), [], range(8, 24)])
    ]


def papers_of(dataset):
    """The paper numbers of each batch: the weight of each n-gram is the number of its paper."""
    return [tf.sparse.reduce_max(weights, axis=1).numpy().astype(int).tolist() for weights, _ in dataset]


SIZES = {'ngrams': 5, 'labels': 3, 'batch_size': 10}
IN_ORDER = [paper if paper % 4 else 0 for paper in range(1, 24)]


def test_a_batch_is_parsed_to_sparse_weights_and_multi_hot_labels():
    ids, weights, applies = parse(tf.constant([serialized(2), serialized(4), serialized(7)]), 5, 3)
    assert ids.numpy().tolist() == [b'p2', b'p4', b'p7']
    assert tf.sparse.to_dense(weights).numpy().tolist() == [[2, 2, 0, 0, 0], [0, 0, 0, 0, 0], [7, 7, 7, 0, 0]]
    assert applies.numpy().tolist() == [[0, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_papers_come_in_the_order_of_the_shards_and_empty_shards_do_no_harm(shards):
    dataset = batches(shards, **SIZES)
    assert papers_of(dataset) == [IN_ORDER[:10], IN_ORDER[10:20], IN_ORDER[20:]]
    assert dataset.cardinality() == steps(shards, 10) == 3


def test_the_order_of_an_epoch_depends_on_the_seed_and_its_number_alone(shards):
    def orders(seed, epochs):
        dataset = shuffled_batches(shards, **SIZES, seed=seed, epochs=epochs)
        assert dataset.cardinality() == 3 * len(epochs)
        papers = papers_of(dataset)
        assert [len(batch) for batch in papers] == [10, 10, 3] * len(epochs)
        return [np.concatenate(papers[epoch : epoch + 3]).tolist() for epoch in range(0, len(papers), 3)]

    first = orders(1, range(4))
    for process_seed in (0, 7):
        tf.random.set_seed(process_seed)
        assert orders(1, range(2, 4)) == first[2:]
    assert orders(1, range(3, 4)) == first[3:]
    assert all(sorted(order) == sorted(IN_ORDER) for order in first)
    assert len({tuple(order) for order in [*first, *orders(2, range(4)), IN_ORDER]}) == 9


def test_a_split_without_papers_gives_no_batches(shards):
    for none in ([], shards[1:2]):
        for dataset in (batches(none, **SIZES), shuffled_batches(none, **SIZES, seed=1, epochs=range(3))):
            assert dataset.cardinality() == 0
            assert list(dataset) == []


def fails(shards):
    """The error that reading ends with, the same in both ways of reading, and what is told of it."""
    for dataset in (batches(shards, **SIZES), shuffled_batches(shards, **SIZES, seed=1, epochs=range(2))):
        with pytest.raises(tf.errors.OpError):
            list(dataset)
    return complaint(shards, ngrams=5, labels=3)


AGAIN = 'Run "arxiv-tagger prepare" again, with --overwrite.'


@pytest.mark.parametrize(
    ('changed', 'what'),
    [
        (
            {'ngram_ids': floats([0.0, 1.0])},
            'Name: <unknown>, Key: ngram_ids, Index: 399.  '
            "Data types don't match. Expected type: int64, Actual type: float.",
        ),
        (
            {'ngram_weights': integers([3, 3])},
            'Name: <unknown>, Key: ngram_weights, Index: 399.  '
            "Data types don't match. Expected type: float, Actual type: int64.",
        ),
        ({'ngram_ids': None}, 'ngram_ids and ngram_weights differ in number.'),
        ({'ngram_weights': floats([1.0])}, 'ngram_ids and ngram_weights differ in number.'),
        ({'ngram_ids': integers([0, 1, 5])}, 'ngram_ids are not all from 0 to 4.'),
        ({'ngram_ids': integers([-1, 0, 1])}, 'ngram_ids are not all from 0 to 4.'),
        ({'label_ids': integers([3])}, 'label_ids are not all from 0 to 2.'),
        ({'label_ids': integers([-1])}, 'label_ids are not all from 0 to 2.'),
    ],
)
def test_a_paper_that_cannot_be_used_ends_reading_and_its_shard_is_named(shards, tmp_path, changed, what):
    path = tmp_path / 'part-00003.tfrecord.gz'
    bad = write_shard(path, [serialized(paper) for paper in range(1, 400)] + [serialized(3, **changed)])
    assert fails([*shards, bad]) == f'{path} cannot be used: {what} {AGAIN}'


def test_a_shard_that_holds_more_or_fewer_papers_than_the_manifest_says_is_named(shards):
    for papers in (15, 17):
        told = fails([*shards[:2], shards[2]._replace(papers=papers)])
        assert told.startswith(f'{shards[2].path} cannot be used: ')
        assert f'expected to contain {papers} elements' in told


@pytest.mark.parametrize('cut', [1, 40, 200, 2000])
def test_a_shard_that_was_cut_off_is_named(shards, tmp_path, cut):
    path = tmp_path / 'part-00003.tfrecord.gz'
    shard = write_shard(path, [serialized(paper) for paper in range(1, 2000)])
    path.write_bytes(path.read_bytes()[:-cut] if cut > 1 else path.read_bytes()[:1])
    assert fails([*shards, shard]).startswith(f'{path} cannot be used: ')


def test_nothing_is_said_of_shards_that_can_be_read(shards):
    assert complaint(shards, ngrams=5, labels=3) == ''


def test_a_feature_that_is_missing_or_of_another_type_is_told_before_training(shards, tmp_path):
    def refusal(**changed):
        shard = write_shard(path, [serialized(3, **changed)])
        with pytest.raises(JobError) as error:
            require_features([shards[1], shard])
        return str(error.value)

    path = pathlib.Path(tmp_path / 'part-0.tfrecord.gz')
    assert refusal(ngram_ids=None) == f'{path}: its papers have no feature ngram_ids. {AGAIN}'
    assert refusal(label_ids=floats([1])) == (
        f'{path}: the feature label_ids is a float_list, not the int64_list that training needs. {AGAIN}'
    )
    require_features(shards)
    require_features([])


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
