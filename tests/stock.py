"""The reference: vocabulary and weights by tf.Transform's stock analyzers, as `prepare` computed them at first.

They see each paper as strings, and know a document frequency as a sum of dense vectors. What takes their place counts
integers; it must find the same n-grams and the same weights. benchmarks/prepare.py measures how much faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam

from pipeline.config import NgramConfig
from pipeline.preprocessing import Tensors, split_words, text_of
from pipeline.raw_papers import tensor_adapter_config
from schemas import features
from schemas.paper import Paper

# A worker with 2 GB of memory holds this many papers and their n-grams with ease.
BATCH_PAPERS = 1000

# Of the output: int64 SparseTensor, in the order of the ids.
NGRAM_COUNTS = 'ngram_counts'
# Files in the transform graph's assets folder: the n-grams and the labels, one a line, in the order of their ids.
NGRAM_VOCABULARY = 'ngrams'
LABEL_VOCABULARY = 'labels'


def raw_record_batch(papers: Sequence[Paper]) -> pa.RecordBatch:
    """Makes the transform graph's input of papers: a list<binary> column for each feature of raw_paper.pbtxt."""
    columns = {
        features.TITLE: [[paper.title.encode()] for paper in papers],
        features.ABSTRACT: [[paper.abstract.encode()] for paper in papers],
        features.LABELS: [[label.encode() for label in paper.labels] for paper in papers],
        features.PAPER_ID: [[paper.id.encode()] for paper in papers],
    }
    strings = pa.large_list(pa.large_binary())
    return pa.RecordBatch.from_arrays([pa.array(column, strings) for column in columns.values()], list(columns))


class BatchPapers(beam.PTransform[Any, Any]):
    """Batches papers into the transform graph's input."""

    def expand(self, papers: beam.PCollection[Paper]) -> beam.PCollection[pa.RecordBatch]:
        """Batches."""
        return (
            papers
            | 'Batch' >> beam.BatchElements(min_batch_size=BATCH_PAPERS, max_batch_size=BATCH_PAPERS)
            | 'ToRecordBatch' >> beam.Map(raw_record_batch).with_output_types(pa.RecordBatch)
        )


class TransformPapers(beam.PTransform[Any, Any]):
    """Analyzes the training papers, writes the transform graph, and transforms the papers of each split.

    Input: split -> papers; 'train' is analyzed. Output: split -> transformed record batches, each in a pair.

    Args:
        config: the text, the vocabulary and the weighting.
        folder: where the transform graph is written.
        scratch: a folder for temporary files.
    """

    def __init__(self, config: NgramConfig, folder: str, scratch: str) -> None:
        super().__init__()
        self._config = config
        self._folder = folder
        self._scratch = scratch

    def expand(self, papers: dict[str, beam.PCollection[Paper]]) -> dict[str, beam.PCollection[Any]]:
        """Batches, analyzes and transforms."""
        with tft_beam.Context(temp_dir=self._scratch):
            raw = {
                split: (part | f'Batch[{split}]' >> BatchPapers(), tensor_adapter_config())
                for split, part in papers.items()
            }
            function = raw['train'] | 'Analyze' >> tft_beam.AnalyzeDataset(preprocessing_fn(self._config))
            _ = function | 'WriteTransformGraph' >> tft_beam.WriteTransformFn(self._folder)
            return {
                split: (
                    (part, function) | f'Transform[{split}]' >> tft_beam.TransformDataset(output_record_batches=True)
                )[0]
                for split, part in raw.items()
            }


def preprocessing_fn(config: NgramConfig) -> Callable[[Tensors], Tensors]:
    """Makes the function that tf.Transform traces.

    Args:
        config: the text, the vocabulary and the weighting; without its limits of document frequencies, and without
            `sublinear_tf`, which the stock analyzers do not have.

    Returns:
        A function of the features of raw_paper.pbtxt. It gives what `pipeline.preprocessing` gives, and the n-grams'
        occurrences in the paper as NGRAM_COUNTS.
    """

    def preprocess(inputs: Tensors) -> Tensors:
        words = split_words(text_of(inputs[features.TITLE], inputs[features.ABSTRACT], config.text))
        ngrams = tf.strings.ngrams(words, ngram_width=tuple(range(1, config.ngram_max + 1)), separator=' ')
        ids, counts, weights = weigh_ngrams(ngrams, config)
        labels = tft.compute_and_apply_vocabulary(inputs[features.LABELS], vocab_filename=LABEL_VOCABULARY)
        label_rows, label_ids, _ = count_ids(labels, 1 << 31)
        return {
            features.NGRAM_IDS: ids,
            NGRAM_COUNTS: counts,
            features.NGRAM_WEIGHTS: weights,
            features.LABEL_IDS: _sparse_rows(label_rows, label_ids, ngrams.nrows()),
            features.PAPER_ID: inputs[features.PAPER_ID],
        }

    return preprocess


def weigh_ngrams(
    ngrams: tf.RaggedTensor, config: NgramConfig
) -> tuple[tf.SparseTensor, tf.SparseTensor, tf.SparseTensor]:
    """Looks n-grams up in the vocabulary of the training papers and weighs them.

    The vocabulary is that of the most frequent n-grams by occurrences (of equally frequent ones the later string
    stays, as in Keras); the document frequencies are a dense vector.

    Args:
        ngrams: string RaggedTensor [batch, n].
        config: the vocabulary's size and the weighting.

    Returns:
        SparseTensors [batch, n]: ids (int64, ascending, each once), counts (int64) and weights (float32).
    """
    ids = tft.compute_and_apply_vocabulary(
        ngrams.to_sparse(), top_k=config.vocabulary_size, vocab_filename=NGRAM_VOCABULARY
    )
    rows, ids, counts = count_ids(ids, config.vocabulary_size)
    weights = tf.cast(counts, tf.float32)
    if config.weighting != 'count':
        seen = tf.math.bincount(
            tf.cast(ids, tf.int32),
            minlength=config.vocabulary_size,
            maxlength=config.vocabulary_size,
            dtype=tf.int64,
        )
        document_frequencies = tft.sum(seen[tf.newaxis, :], reduce_instance_dims=False, name='document_frequencies')
        documents = tft.sum(tf.cast(ngrams.nrows(), tf.int64)[tf.newaxis], name='documents')
        # While it still analyzes, tf.Transform runs this graph with scalars where the analyzers' results will stand.
        document_frequencies = tf.broadcast_to(document_frequencies, [config.vocabulary_size])
        weights *= inverse_document_frequencies(tf.gather(document_frequencies, ids), tf.reshape(documents, []))
    if config.weighting == 'tf_idf_l2':
        norms = tf.math.sqrt(tf.math.segment_sum(tf.square(weights), rows))
        weights = tf.math.divide_no_nan(weights, tf.gather(norms, rows))
    batch = ngrams.nrows()
    return _sparse_rows(rows, ids, batch), _sparse_rows(rows, counts, batch), _sparse_rows(rows, weights, batch)


def inverse_document_frequencies(papers: tf.Tensor, documents: tf.Tensor) -> tf.Tensor:
    """Returns log(1 + N / (1 + df)), as keras.layers.TextVectorization(output_mode='tf_idf') computes it."""
    return tf.math.log(1.0 + tf.cast(documents, tf.float32) / (1.0 + tf.cast(papers, tf.float32)))


def count_ids(ids: tf.SparseTensor, size: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Counts how often each id occurs in each row.

    Args:
        ids: int64 SparseTensor [batch, n]; -1 stands for what is not in the vocabulary and is left out.
        size: above every id.

    Returns:
        int64 vectors of equal length, sorted by row and then by id: row, id, and count.
    """
    known = ids.values >= 0
    rows = tf.boolean_mask(ids.indices[:, 0], known)
    keys, _, counts = tf.unique_with_counts(tf.sort(rows * size + tf.boolean_mask(ids.values, known)), out_idx=tf.int64)
    return keys // size, keys % size, counts


def _sparse_rows(rows: tf.Tensor, values: tf.Tensor, batch: tf.Tensor) -> tf.SparseTensor:
    """Packs a value and its row number into a SparseTensor [batch, n] whose rows are filled from the left."""
    return tf.RaggedTensor.from_value_rowids(values, rows, nrows=batch).to_sparse()
