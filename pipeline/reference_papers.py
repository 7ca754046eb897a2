"""Publishes some papers of the validation split as they were read, for a model to carry and answer for itself by.

They are held out: the n-grams of training papers are in the vocabulary because these have them, so that a model knows
more of a training paper's words than of a new one's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from isal import igzip

from pipeline.hashing import keyed_hash
from pipeline.index import MAX_CHUNK_BYTES, PLACES, Part, rows_of
from pipeline.paper_blocks import PaperBlock, block_path
from pipeline.shards import Shard, json_line, write_shard
from pipeline.tfrecords import LEVEL
from schemas import features

MAX_PAPERS = 10_000

ReferencePaper = tuple[int, bytes]
"""Hash of a paper's id, by which papers are chosen and ordered, and its line."""

_VALIDATION = features.SPLITS.index('validation')


class WriteReferencePapers(beam.PTransform[Any, Any]):
    """Writes reference_papers.jsonl.gz: id, title and abstract of up to MAX_PAPERS papers of the validation split.

    Of more papers those are taken whose ids have the smallest hashes; they stand in the order of these. A paper of
    more than a megabyte is passed over. Input: for each block its PLACES. Output: a `Shard` for the file.

    Args:
        root: the staging folder.
        folder: where the blocks lie.
    """

    def __init__(self, root: str, folder: str) -> None:
        super().__init__()
        self._root = root
        self._folder = folder

    def expand(self, places: beam.PCollection[Part]) -> beam.PCollection[Shard]:
        """Chooses by hashes alone, then takes the text of those chosen."""
        chosen = (
            places
            | 'HashIds' >> beam.Map(_hashes, self._folder).with_output_types(bytes)
            | 'Smallest' >> beam.CombineGlobally(smallest)
        )
        papers = places | 'TakePapers' >> beam.FlatMap(
            _papers, self._folder, beam.pvalue.AsSingleton(chosen)
        ).with_output_types(ReferencePaper)
        return (
            places.pipeline
            | 'Once' >> beam.Create([None])
            | 'Write' >> beam.Map(_write, self._root, beam.pvalue.AsList(papers))
        )


def id_hashes(block: PaperBlock, rows: np.ndarray) -> np.ndarray:
    """Returns the hashes of the ids of some of a block's papers: int64 [n] for integers [n]."""
    ids = block.paper_ids
    return np.array([keyed_hash(ids[row].decode(), 'reference paper') for row in rows.tolist()], np.int64)


def smallest(chunks: Iterable[bytes]) -> bytes:
    """Returns the MAX_PAPERS smallest of all hashes, or as many as there are, ascending: int64 as bytes in and out."""
    return np.sort(np.frombuffer(b''.join(chunks), np.int64))[:MAX_PAPERS].tobytes()


def reference_papers(block: PaperBlock, rows: np.ndarray, chosen: bytes) -> Iterator[ReferencePaper]:
    """Yields the lines of those papers that are chosen.

    Args:
        block: the block.
        rows: integers [n]: its papers of the validation split.
        chosen: the hashes of all chosen papers, as `smallest` gives them.
    """
    hashes = id_hashes(block, rows)
    is_chosen = np.isin(hashes, np.frombuffer(chosen, np.int64))
    found = rows[is_chosen].tolist()
    for hash_, row, (title, abstract) in zip(hashes[is_chosen].tolist(), found, block.texts(found), strict=True):
        line = json_line({'id': block.paper_ids[row].decode(), 'title': title, 'abstract': abstract})
        if len(line) <= MAX_CHUNK_BYTES:
            yield hash_, line


def _hashes(part: Part, folder: str) -> bytes:
    return id_hashes(PaperBlock.load(block_path(folder, part[0])), _validation_rows(part)).tobytes()


def _papers(part: Part, folder: str, chosen: bytes) -> Iterator[ReferencePaper]:
    yield from reference_papers(PaperBlock.load(block_path(folder, part[0])), _validation_rows(part), chosen)


def _validation_rows(part: Part) -> np.ndarray:
    places = rows_of([part[1]], PLACES)
    return np.asarray(places['row'][places['split'] == _VALIDATION])


def _write(_: None, root: str, papers: list[ReferencePaper]) -> Shard:
    # Without a time, and by isal, which writes the same bytes on every processor: as the TFRecords are.
    content = igzip.compress(b''.join(line + b'\n' for _, line in sorted(papers)), LEVEL, mtime=0)

    def write(path: str) -> None:
        with open(path, 'wb') as file:
            file.write(content)

    return write_shard(root, features.REFERENCE_PAPERS_FILE, write, len(papers))
