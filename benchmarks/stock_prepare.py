"""The peer: the same job with tf.Transform's stock analyzers, as the product itself did it before it had its own.

`tests/stock.py` has the analyzers, which are the tests' reference, too. The shards are written by the product's own
writer, which is faster than Beam's, and the list of n-grams with their counts is not made: both speak for the peer.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
from prepare_inputs import load_papers
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from pipeline.config import NgramConfig
from pipeline.hashing import keyed_hash
from pipeline.shards import ShardRecord, WriteShards
from pipeline.tfrecords import write_tfrecords
from schemas import features, outputs
from schemas.paper import Paper

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from tests.stock import BATCH_PAPERS, NGRAM_COUNTS, TransformPapers


def build(root: beam.Pipeline, path: str, config: NgramConfig, folder: str) -> None:
    """Wires the job: analyze the training papers, transform and write all.

    Args:
        root: the pipeline.
        path: file of the papers.
        config: which n-grams; weighted by tf_idf_l2.
        folder: where everything is written.
    """
    splits = load_papers(path)[1]
    papers = {
        split: root
        | f'Cuts[{split}]' >> beam.Create(_cuts(splits, place), reshuffle=False)
        | f'Papers[{split}]' >> beam.FlatMap(_papers, path).with_output_types(Paper)
        for place, split in enumerate(features.SPLITS)
    }
    transformed = papers | TransformPapers(
        config, outputs.join(folder, features.TRANSFORM_GRAPH_DIR), outputs.join(folder, '.transform')
    )
    for split, batches in transformed.items():
        _ = (
            batches
            | f'Encode[{split}]' >> beam.FlatMap(_shard_records).with_output_types(ShardRecord)
            | f'Write[{split}]'
            >> WriteShards(folder, f'{features.EXAMPLES_DIR}/{split}', '.tfrecord.gz', write_tfrecords)
        )


def _cuts(splits: Any, place: int) -> list[tuple[int, ...]]:
    mine = [number for number, split in enumerate(splits) if split == place]
    return [tuple(mine[start : start + BATCH_PAPERS]) for start in range(0, len(mine), BATCH_PAPERS)]


def _papers(numbers: tuple[int, ...], path: str) -> Iterator[Paper]:
    papers = load_papers(path)[0]
    return (papers[number] for number in numbers)


def _shard_records(batch: tuple[pa.RecordBatch, Any]) -> Iterator[ShardRecord]:
    names = batch[0].schema.names
    transformed = batch[0].select([name for name in names if name != NGRAM_COUNTS])
    ids = transformed.column(features.PAPER_ID).flatten().to_pylist()
    for id_, example in zip(ids, RecordBatchToExamplesEncoder().encode(transformed), strict=True):
        hash_ = keyed_hash(id_.decode(), 'shard')
        yield hash_, hash_.to_bytes(8, 'big') + id_, example
