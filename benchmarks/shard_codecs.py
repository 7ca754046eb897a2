"""Times what it takes to write and to read shards, for each way to gzip them; prints a table.

    benchmarks/shard_codecs.py --data_dir output_of_prepare

All ways have the same records and take turns. What counts is processor time, of all threads, in the best round:
that depends the least on what else the machine does.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pathlib
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import tensorflow as tf
from machine import machine

from pipeline.encoding import ExampleColumns, encode_examples
from pipeline.tfrecords import framed, write_tfrecords
from schemas import features
from trainer import dataset

_BLOCK = 1 << 20
_GZIP = 31


def columns_of(data_dir: str, papers: int) -> ExampleColumns:
    """Reads prepared training papers, from the start again until there are as many as asked for."""
    records = tf.data.TFRecordDataset(dataset.shards(data_dir, 'train'), 'GZIP').repeat().take(papers)
    spec = {
        features.PAPER_ID: tf.io.FixedLenFeature([], tf.string),
        features.LABEL_IDS: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
        features.NGRAM_IDS: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
        features.NGRAM_WEIGHTS: tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64),
    }
    parsed = tf.io.parse_example(next(iter(records.batch(papers))), spec)
    labels, ngrams, weights = (
        parsed[name] for name in (features.LABEL_IDS, features.NGRAM_IDS, features.NGRAM_WEIGHTS)
    )
    return ExampleColumns(
        parsed[features.PAPER_ID].numpy().tolist(),
        labels.values.numpy(),
        labels.row_splits.numpy(),
        ngrams.values.numpy(),
        weights.values.numpy(),
        ngrams.row_splits.numpy(),
    )


def tensorflow_writer(records: list[bytes]) -> Callable[[str], None]:
    """Makes a function that writes a file with TensorFlow's writer: it frames and compresses."""

    def write(path: str) -> None:
        options = tf.io.TFRecordOptions(compression_type='GZIP', compression_level=1)
        with tf.io.TFRecordWriter(path, options) as writer:
            for record in records:
                writer.write(record)

    return write


def compressing(make: Callable[[], Any], content: bytes) -> Callable[[str], None]:
    """Makes a function that writes a file with a compressor: it compresses only."""

    def write(path: str) -> None:
        compressor = make()
        with open(path, 'wb') as file:
            for start in range(0, len(content), _BLOCK):
                file.write(compressor.compress(content[start : start + _BLOCK]))
            file.write(compressor.flush())

    return write


def codecs() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yields names of compressors, and what makes them; zlib-ng only where it is installed."""
    for level in (0, 1, 6):
        yield f'zlib, level {level}', lambda level=level: zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    yield 'zlib, Huffman only', lambda: zlib.compressobj(1, zlib.DEFLATED, _GZIP, 9, zlib.Z_HUFFMAN_ONLY)
    for package, module, levels in (
        ('isal', 'isal.isal_zlib', (0, 1, 2, 3)),
        ('zlib-ng', 'zlib_ng.zlib_ng', (1, 2, 6)),
    ):
        try:
            library = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        for level in levels:
            name = f'{package}, level {level}'
            yield name, lambda library=library, level=level: library.compressobj(level, zlib.DEFLATED, _GZIP)


def read(path: str) -> None:
    """Reads a file as the trainer does, but for shuffling."""
    for records in tf.data.TFRecordDataset([path], 'GZIP').batch(512):
        dataset.parse(records, 1 << 20, 1 << 10)


def least(actions: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Runs all actions in turn, and that again; returns the least processor time, in seconds, that each took."""
    best = dict.fromkeys(actions, float('inf'))
    for _ in range(rounds):
        for name, action in actions.items():
            started = time.process_time()
            action()
            best[name] = min(best[name], time.process_time() - started)
    return best


def main() -> None:
    """Runs the measurement."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument('--data_dir', required=True, help='output of arxiv-tagger prepare')
    flags.add_argument('--papers', type=int, default=34_000)
    flags.add_argument('--rounds', type=int, default=3)
    arguments = flags.parse_args()

    papers = arguments.papers
    columns = columns_of(arguments.data_dir, papers)
    records = list(encode_examples(columns))
    content = b''.join(framed(records))
    ways = {'TensorFlow, level 1 (frames, too)': tensorflow_writer(records)}
    ways |= {name: compressing(make, content) for name, make in codecs()}
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: os.path.join(folder, str(number)) for number, name in enumerate(ways)}
        shard = os.path.join(folder, 'shard')
        other = {
            'encode': lambda: list(encode_examples(columns)),
            'frame': lambda: b''.join(framed(records)),
            'encode, frame, compress and write': lambda: write_tfrecords(shard, encode_examples(columns)),
        }
        writing = {name: lambda name=name: ways[name](paths[name]) for name in ways}
        seconds = least(other | writing, arguments.rounds)
        reading = least({name: lambda name=name: read(paths[name]) for name in ways}, arguments.rounds)
        sizes = {name: pathlib.Path(path).stat().st_size for name, path in paths.items()}

    pairs = len(columns.ngram_ids) / papers
    print(f'{papers:,} papers of {pairs:.0f} n-grams, {len(content) / papers:,.0f} bytes; {machine()}.\n')
    print('| | ms per 1,000 papers | MB/s | bytes a paper | reading: ms per 1,000 papers |\n|---|---:|---:|---:|---:|')
    for name, taken in seconds.items():
        speed = f'{name} | {taken / papers * 1e6:.1f} | {len(content) / taken / 1e6:,.0f}'
        size = f'{sizes[name] / papers:,.0f} | {reading[name] / papers * 1e6:.1f}' if name in sizes else ' | '
        print(f'| {speed} | {size} |')


if __name__ == '__main__':
    main()
