"""Columns of papers in, serialized tf.Examples out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas import features

# One or two megabytes of tf.Examples; slices of 250 to 4,000 papers take as long.
_SLICE_PAPERS = 1000

Integers = npt.NDArray[np.integer[Any]]


class ExampleColumns(NamedTuple):
    """Papers in the order of their records.

    Attributes:
        paper_ids: one a paper.
        label_ids: int64 [labels of all papers], ascending within a paper.
        label_splits: int64 [papers + 1]: the labels of paper i are label_ids[label_splits[i] : label_splits[i + 1]].
        ngram_ids: int64 or uint32 [n-grams of all papers], ascending within a paper.
        ngram_weights: float32 [n-grams of all papers].
        ngram_splits: int64 [papers + 1], of the n-grams' ids and of their weights.
    """

    paper_ids: Sequence[bytes]
    label_ids: Integers
    label_splits: Integers
    ngram_ids: Integers
    ngram_weights: npt.NDArray[np.float32]
    ngram_splits: Integers


def encode_examples(columns: ExampleColumns) -> Iterator[bytes]:
    """Encodes papers as tf.Examples, equal papers as equal bytes, whichever papers stand beside them.

    Features stand in alphabetical order, which protocol buffers themselves do not promise of a map. A feature without
    values is an empty list of its type.

    Args:
        columns: any number of papers; only what is made of 1,000 at a time takes memory.

    Yields:
        A serialized tf.Example for each paper, in order.
    """
    for start in range(0, len(columns.paper_ids), _SLICE_PAPERS):
        lists = _lists(between(columns, start, start + _SLICE_PAPERS))
        # Feature by feature, so that their order is ours.
        encoded = [map(_message_field, _single_feature_examples(name, lists[name])) for name in sorted(lists)]
        for row in zip(*encoded, strict=True):
            content = b''.join(row)
            yield b'\n' + _varint(len(content)) + content


def between(columns: ExampleColumns, start: int, stop: int) -> ExampleColumns:
    """Returns the papers from `start` to before `stop`, or to the last."""
    labels, ngrams = columns.label_splits[start : stop + 1], columns.ngram_splits[start : stop + 1]
    return ExampleColumns(
        columns.paper_ids[start:stop],
        columns.label_ids[labels[0] : labels[-1]],
        labels - labels[0],
        columns.ngram_ids[ngrams[0] : ngrams[-1]],
        columns.ngram_weights[ngrams[0] : ngrams[-1]],
        ngrams - ngrams[0],
    )


def _lists(columns: ExampleColumns) -> dict[str, pa.LargeListArray]:
    ids = columns.paper_ids
    return {
        features.LABEL_IDS: _list(columns.label_splits, columns.label_ids, pa.int64()),
        features.NGRAM_IDS: _list(columns.ngram_splits, columns.ngram_ids, pa.int64()),
        features.NGRAM_WEIGHTS: _list(columns.ngram_splits, columns.ngram_weights, pa.float32()),
        features.PAPER_ID: _list(np.arange(len(ids) + 1), ids, pa.large_binary()),
    }


def _list(splits: Integers, values: Sequence[bytes] | npt.NDArray[Any], type_: pa.DataType) -> pa.LargeListArray:
    return pa.LargeListArray.from_arrays(pa.array(splits, pa.int64()), pa.array(values, type_))


def _single_feature_examples(name: str, column: pa.LargeListArray) -> list[bytes]:
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    return RecordBatchToExamplesEncoder().encode(pa.RecordBatch.from_arrays([column], [name]))


def _message_field(example: bytes) -> bytes:
    """Returns the content of a serialized tf.Example's only field, its Features."""
    header = 1
    while example[header] & 0x80:
        header += 1
    return example[header + 1 :]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
