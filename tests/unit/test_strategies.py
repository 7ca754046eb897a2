"""What the devices are given: every batch whole, in pieces of any number or in one fixed shape."""

import numpy as np
import pytest
import tensorflow as tf

from schemas.errors import JobError
from trainer.strategies import distributed, dtype_policy, find_strategy, needs_static_shapes, padded, pieces

# Three papers, of which the last one has no n-grams.
WEIGHTS = np.array([[0, 0.2, 0, 0.6, 0.4], [0.1, 0, 0, 0, 0], [0, 0, 0, 0, 0]], np.float32)
APPLIES = np.array([[1, 0], [0, 1], [1, 1]], np.float32)


def papers():
    return tf.data.Dataset.from_tensors((tf.sparse.from_dense(WEIGHTS), tf.constant(APPLIES)))


@pytest.mark.parametrize('number', [1, 2, 3, 5])
def test_the_pieces_of_a_batch_are_the_batch(number):
    cut = list(pieces(papers(), number))
    assert len(cut) == number
    np.testing.assert_array_equal(np.concatenate([tf.sparse.to_dense(weights) for weights, _, _ in cut]), WEIGHTS)
    np.testing.assert_array_equal(np.concatenate([applies for _, applies, _ in cut]), APPLIES)


def test_papers_of_uneven_pieces_count_so_that_the_mean_of_the_means_is_that_of_the_batch():
    counts = [count.numpy().tolist() for _, _, count in pieces(papers(), 2)]
    assert counts == [[pytest.approx(2 / 3)], [pytest.approx(4 / 3)] * 2]
    assert [count.numpy().tolist() for _, _, count in pieces(papers(), 3)] == [[1], [1], [1]]


def test_a_padded_batch_has_its_heaviest_ngrams_first_and_repeats_the_heaviest_without_weight():
    [((ids, weights), applies, counts)] = padded(papers(), batch_size=4, ngrams_per_paper=4)
    assert ids.numpy().tolist() == [[3, 4, 1, 3], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    expected = np.array([[0.6, 0.4, 0.2, 0], [0.1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    np.testing.assert_array_equal(weights, expected)
    assert applies.numpy().tolist() == [[1, 0], [0, 1], [1, 1], [0, 0]]
    np.testing.assert_allclose(counts, [4 / 3, 4 / 3, 4 / 3, 0])


def test_of_a_paper_with_too_many_ngrams_the_lightest_go():
    [((ids, weights), _, _)] = padded(papers(), batch_size=3, ngrams_per_paper=2)
    assert ids.numpy()[0].tolist() == [3, 4]
    assert weights.numpy()[0].tolist() == [np.float32(0.6), np.float32(0.4)]


def test_padded_batches_have_one_shape():
    (ids, weights), applies, counts = padded(papers(), batch_size=4, ngrams_per_paper=7).element_spec
    assert [spec.shape.as_list() for spec in (ids, weights, applies, counts)] == [[4, 7], [4, 7], [4, 2], [4]]


def test_one_device_takes_the_batches_as_they_are():
    strategy = find_strategy('one_device')
    data = papers()
    assert distributed(strategy, data, batch_size=3) is data
    assert not needs_static_shapes(strategy)


def test_a_tpu_that_is_not_there_is_one_clear_line(monkeypatch):
    monkeypatch.delenv('TPU_NAME', raising=False)
    with pytest.raises(JobError) as refusal:
        find_strategy('tpu')
    message = '--strategy tpu finds no TPU: none is attached, and TPU_NAME is not set. Say auto.'
    assert str(refusal.value) == message


@pytest.mark.skipif(len(tf.config.list_physical_devices('GPU')) > 1, reason='this machine has several GPUs')
def test_gpus_that_are_not_there_are_one_clear_line():
    with pytest.raises(JobError, match=r'^--strategy mirrored needs several GPUs; this machine has [01]\. Say auto\.$'):
        find_strategy('mirrored')


@pytest.mark.skipif(bool(tf.config.list_physical_devices('GPU')), reason='this machine has a GPU')
def test_without_accelerator_auto_is_one_device_in_float32(monkeypatch):
    monkeypatch.delenv('TPU_NAME', raising=False)
    strategy = find_strategy('auto')
    assert strategy.num_replicas_in_sync == 1
    assert dtype_policy('auto', strategy) == 'float32'


def test_a_precision_that_was_named_is_taken():
    assert dtype_policy('mixed_float16', find_strategy('one_device')) == 'mixed_float16'
