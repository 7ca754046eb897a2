"""The shards of training data that `prepare` lists in its manifest, and whether they still are what it wrote."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from concurrent import futures
from typing import NamedTuple

import tensorflow as tf

from schemas import features, outputs, scratch
from schemas.errors import JobError
from schemas.remote import is_remote

PREPARE_AGAIN = 'Run "arxiv-tagger prepare" again, with --overwrite.'
_MISSING = f'is missing, though {features.MANIFEST_FILE} lists it.'
_BLOCK = 1 << 22


class Shard(NamedTuple):
    """A gzipped TFRecord file of papers, as the manifest has it.

    Attributes:
        path: of the file.
        papers: records in it; there can be none.
        bytes: its size.
        sha256: of its bytes, in hexadecimal.
        copy: path of a local copy, if there is one.
    """

    path: str
    papers: int
    bytes: int
    sha256: str
    copy: str = ''

    @property
    def readable(self) -> str:
        """Where TensorFlow reads it."""
        return self.copy or self.path


def shards(data_dir: str, split: str) -> list[Shard]:
    """Lists the shards of a split, in the order of their names.

    Args:
        data_dir: output folder of `prepare`.
        split: one of `schemas.features.SPLITS`.

    Raises:
        JobError: if the manifest is missing or damaged.
    """
    path = outputs.join(data_dir, features.MANIFEST_FILE)
    try:
        entries = [
            Shard(outputs.join(data_dir, entry['file']), entry['records'], entry['bytes'], entry['sha256'])
            for entry in outputs.read_json(path)['shards']
            if entry['file'].startswith(f'{features.EXAMPLES_DIR}/{split}/')
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = 'is missing' if isinstance(error, FileNotFoundError) else 'cannot be read or is damaged'
        raise JobError(f'{path} {what}. {PREPARE_AGAIN}') from error
    return sorted(entries)


def within_reach(files: Sequence[Shard], folder: str) -> list[Shard]:
    """Copies shards into a local folder, if they are where TensorFlow cannot read: at `s3://`, for example.

    What has `gs://` is read where it is, over and over: it need not fit on the local disk.

    Raises:
        JobError: names the first one that cannot be copied.
    """
    known = tf.io.gfile.get_registered_schemes()

    def reached(shard: Shard) -> Shard:
        if not is_remote(shard.path) or shard.path.partition('://')[0] in known:
            return shard
        local = outputs.join(folder, shard.path.rpartition('/')[2])
        try:
            scratch.copy(shard.path, local)
        except FileNotFoundError as error:
            raise JobError(f'{shard.path} {_MISSING} {PREPARE_AGAIN}') from error
        except OSError as error:
            raise JobError(f'{shard.path} cannot be read: {one_line(error)}. {PREPARE_AGAIN}') from error
        return shard._replace(copy=local)

    with futures.ThreadPoolExecutor() as threads:
        return list(threads.map(reached, files))


def count_papers(files: Iterable[Shard]) -> int:
    """Adds up the papers that the manifest says are in the shards."""
    return sum(shard.papers for shard in files)


def digest(data_dir: str) -> str:
    """Names the training data by its content: shards of all splits and the table of labels; not by its folder.

    Returns:
        16 hexadecimal digits.
    """
    contents = [[split, shard.papers, shard.sha256] for split in features.SPLITS for shard in shards(data_dir, split)]
    labels = outputs.read_bytes(outputs.join(data_dir, features.LABELS_FILE))
    return hashlib.sha256(json.dumps(contents).encode() + labels).hexdigest()[:16]


def verify(files: Iterable[Shard]) -> None:
    """Checks that each shard is the file that the manifest describes, by its bytes: about 1 GB a second and core.

    Raises:
        JobError: names the first one that is not.
    """
    with futures.ThreadPoolExecutor() as threads:
        for problem in threads.map(_problem, files):
            if problem:
                raise JobError(f'{problem} {PREPARE_AGAIN}')


def _problem(shard: Shard) -> str:
    try:
        found = tf.io.gfile.stat(shard.readable).length
        if found != shard.bytes:
            return f'{shard.path} has {found:,} bytes, not the {shard.bytes:,} that {features.MANIFEST_FILE} says.'
        if _sha256(shard.readable) != shard.sha256:
            return f'{shard.path} is damaged: its SHA-256 is not the one in {features.MANIFEST_FILE}.'
    except tf.errors.NotFoundError:
        return f'{shard.path} {_MISSING}'
    except tf.errors.OpError as error:
        return f'{shard.path} cannot be read: {one_line(error)}.'
    return ''


def _sha256(path: str) -> str:
    read = hashlib.sha256()
    with tf.io.gfile.GFile(path, 'rb') as file:
        while block := file.read(_BLOCK):
            read.update(block)
    return read.hexdigest()


def one_line(error: OSError | tf.errors.OpError) -> str:
    """What an error says, without the operations of TensorFlow that it came through.

    >>> one_line(tf.errors.DataLossError(None, None, '{{function_node __wrapped__X}} truncated record at 12 [Op:X]'))
    'truncated record at 12'
    """
    text = (error.strerror or str(error)) if isinstance(error, OSError) else error.message
    first = next(iter(text.strip().splitlines()), '')
    return re.sub(r'\{\{.*?\}\}|\[Op:.*', '', first).strip(' .') or type(error).__name__
