"""The peer: the same job with tf.Transform's stock analyzers, as the product itself did it before it had its own.

`compute_and_apply_vocabulary` over strings, document frequencies as a `tft.sum` of each batch's dense vector (what
`tft.tfidf` does), `AnalyzeDataset`, `TransformDataset`, tfx-bsl's encoder. The shards are written by the product's own
writer, which is faster than Beam's, and the list of n-grams with their counts is not made: both speak for the peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from prepare_inputs import load_papers
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from pipeline.config import NgramConfig
from pipeline.hashing import keyed_hash
from pipeline.preprocessing import split_words, text_of
from pipeline.raw_papers import tensor_adapter_config
from pipeline.shards import ShardRecord, WriteShards
from pipeline.tfrecords import write_tfrecords
from schemas import features, outputs

_BATCH_PAPERS = 1000

Tensors = dict[str, Any]


def build(root: beam.Pipeline, path: str, config: NgramConfig, folder: str) -> None:
    """Wires the job: analyze the training papers, transform and write all.

    Args:
        root: the pipeline.
        path: file of the papers.
        config: which n-grams; weighted by tf_idf_l2.
        folder: where everything is written.
    """
    papers, splits = load_papers(path)
    with tft_beam.Context(temp_dir=outputs.join(folder, '.transform')):
        raw = {}
        for place, split in enumerate(features.SPLITS):
            mine = [number for number in range(len(papers)) if splits[number] == place]
            cuts = _batched(mine)
            raw[split] = (
                root
                | f'Cuts[{split}]' >> beam.Create(list(cuts), reshuffle=False)
                | f'ToRecordBatch[{split}]' >> beam.Map(_record_batch, path).with_output_types(pa.RecordBatch),
                tensor_adapter_config(),
            )
        function = raw['train'] | 'Analyze' >> tft_beam.AnalyzeDataset(_preprocessing_fn(config))
        _ = function | 'WriteGraph' >> tft_beam.WriteTransformFn(outputs.join(folder, features.TRANSFORM_GRAPH_DIR))
        for split, batches in raw.items():
            transformed = (batches, function) | f'Transform[{split}]' >> tft_beam.TransformDataset(
                output_record_batches=True
            )
            _ = (
                transformed[0]
                | f'Encode[{split}]' >> beam.FlatMap(_shard_records).with_output_types(ShardRecord)
                | f'Write[{split}]'
                >> WriteShards(folder, f'{features.EXAMPLES_DIR}/{split}', '.tfrecord.gz', write_tfrecords)
            )


def _preprocessing_fn(config: NgramConfig) -> Callable[[Tensors], Tensors]:
    def preprocess(inputs: Tensors) -> Tensors:
        words = split_words(text_of(inputs[features.TITLE], inputs[features.ABSTRACT], config.text))
        widths = tuple(range(1, config.ngram_max + 1))
        ngrams = tf.strings.ngrams(words, ngram_width=widths, separator=' ')
        ids, weights = _weigh(ngrams, config)
        label_ids = tft.compute_and_apply_vocabulary(inputs[features.LABELS], vocab_filename='labels')
        label_rows, labels, _ = _count_ids(label_ids, 1 << 31)
        return {
            features.NGRAM_IDS: ids,
            features.NGRAM_WEIGHTS: weights,
            features.LABEL_IDS: _sparse_rows(label_rows, labels, label_ids.dense_shape[0]),
            features.PAPER_ID: inputs[features.PAPER_ID],
        }

    return preprocess


def _weigh(ngrams: tf.RaggedTensor, config: NgramConfig) -> tuple[tf.SparseTensor, tf.SparseTensor]:
    size = config.vocabulary_size
    found = tft.compute_and_apply_vocabulary(ngrams.to_sparse(), top_k=size, vocab_filename='ngrams')
    rows, ids, counts = _count_ids(found, size)
    seen = tf.math.bincount(tf.cast(ids, tf.int32), minlength=size, maxlength=size, dtype=tf.int64)
    frequencies = tft.sum(seen[tf.newaxis, :], reduce_instance_dims=False, name='document_frequencies')
    documents = tft.sum(tf.cast(ngrams.nrows(), tf.int64)[tf.newaxis], name='documents')
    # While it still analyzes, tf.Transform runs this graph with scalars where the analyzers' results will stand.
    df = tf.cast(tf.gather(tf.broadcast_to(frequencies, [size]), ids), tf.float32)
    idf = tf.math.log(1.0 + tf.cast(tf.reshape(documents, []), tf.float32) / (1.0 + df))
    weights = tf.cast(counts, tf.float32) * idf
    norms = tf.math.sqrt(tf.math.segment_sum(tf.square(weights), rows))
    weights = tf.math.divide_no_nan(weights, tf.gather(norms, rows))
    return _sparse_rows(rows, ids, ngrams.nrows()), _sparse_rows(rows, weights, ngrams.nrows())


def _count_ids(ids: tf.SparseTensor, size: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    known = ids.values >= 0
    rows = tf.boolean_mask(ids.indices[:, 0], known)
    keys, _, counts = tf.unique_with_counts(tf.sort(rows * size + tf.boolean_mask(ids.values, known)), out_idx=tf.int64)
    return keys // size, keys % size, counts


def _sparse_rows(rows: tf.Tensor, values: tf.Tensor, batch: tf.Tensor) -> tf.SparseTensor:
    return tf.RaggedTensor.from_value_rowids(values, rows, nrows=batch).to_sparse()


def _record_batch(numbers: tuple[int, ...], path: str) -> pa.RecordBatch:
    papers = [load_papers(path).papers[number] for number in numbers]
    columns = {
        features.TITLE: [[paper.title.encode()] for paper in papers],
        features.ABSTRACT: [[paper.abstract.encode()] for paper in papers],
        features.LABELS: [[label.encode() for label in paper.labels] for paper in papers],
        features.PAPER_ID: [[paper.id.encode()] for paper in papers],
    }
    strings = pa.large_list(pa.large_binary())
    return pa.RecordBatch.from_arrays([pa.array(column, strings) for column in columns.values()], list(columns))


def _shard_records(batch: tuple[pa.RecordBatch, Any]) -> Iterator[ShardRecord]:
    transformed = batch[0]
    ids = transformed.column(features.PAPER_ID).flatten().to_pylist()
    for id_, example in zip(ids, RecordBatchToExamplesEncoder().encode(transformed), strict=True):
        hash_ = keyed_hash(id_.decode(), 'shard')
        yield hash_, hash_.to_bytes(8, 'big') + id_, example


def _batched(numbers: list[int]) -> Iterator[tuple[int, ...]]:
    for start in range(0, len(numbers), _BATCH_PAPERS):
        yield tuple(numbers[start : start + _BATCH_PAPERS])
