"""Paper blocks: some thousand papers as columns, in a file: their n-grams and, compressed, their text.

A block is made once, where its papers are read, and is all that the rest of `prepare` reads: to count, to look up and
to spell n-grams. Of the text it reads that of a few papers, which it publishes.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import zstandard

from pipeline.config import NgramConfig
from pipeline.index import index_of, label_set
from pipeline.ngrams import BlockNgrams, block_ngrams
from schemas import outputs
from schemas.errors import JobError
from schemas.paper import Paper
from schemas.remote import is_remote

# A worker makes a block in some 550 MB of memory; what a 64-bit key must hold is bounded by the same limits.
MAX_PAPERS = 1 << 14
MAX_TEXT_BYTES = 16 << 20
_TEXT_LEVEL = 1


class Words(NamedTuple):
    """The words of some texts.

    Attributes:
        tokens: int64 [tokens], positions in `spelled`.
        row_splits: int64 [texts + 1], where each text's tokens begin and end.
        spelled: the distinct words, UTF-8.
        hashes: int64 [distinct words].
    """

    tokens: np.ndarray
    row_splits: np.ndarray
    spelled: list[bytes]
    hashes: np.ndarray


class PaperBlock:
    """A block of papers.

    Attributes (each read from the file when it is first asked for):
        index: `INDEX` rows, one a paper.
        paper_ids: the papers' ids, UTF-8.
        label_sets: the distinct label sets of the block's papers.
        label_set_of: int64 [papers], position in `label_sets`.
        words: the distinct words, UTF-8.
        ngrams: the n-grams.
    """

    def __init__(self, columns: Any) -> None:
        self._columns = columns

    @classmethod
    def of(cls, papers: Sequence[Paper], block: int, config: NgramConfig) -> PaperBlock:
        """Makes a block.

        Args:
            papers: at most MAX_PAPERS, and MAX_TEXT_BYTES of text and one paper more.
            block: its id.
            config: which text is read, and how long n-grams become.
        """
        words = split(papers, config.text)
        ngrams = block_ngrams(words.tokens, words.row_splits, words.hashes, config.ngram_max)
        sets: dict[str, int] = {}
        label_set_of = [sets.setdefault(label_set(paper), len(sets)) for paper in papers]
        ids = [paper.id.encode() for paper in papers]
        texts = [text.encode() for paper in papers for text in (paper.title, paper.abstract)]
        return cls(
            {
                'index': index_of(papers, block),
                'ids': np.frombuffer(b''.join(ids), np.uint8),
                'id_ends': np.cumsum([len(id_) for id_ in ids]),
                'label_sets': np.frombuffer('\n'.join(sets).encode(), np.uint8),
                'label_set_of': np.array(label_set_of, np.int64),
                'texts': np.frombuffer(zstandard.ZstdCompressor(_TEXT_LEVEL).compress(b''.join(texts)), np.uint8),
                'text_ends': np.cumsum([len(text) for text in texts]),
                'spelled': np.frombuffer(b'\n'.join(words.spelled), np.uint8),
                **ngrams._asdict(),
            }
        )

    @classmethod
    def load(cls, path: str) -> PaperBlock:
        """Opens a block's file."""
        return cls(np.load(io.BytesIO(outputs.read_bytes(path)) if is_remote(path) else path))

    def to_bytes(self) -> bytes:
        """Returns the file's content: NumPy's .npz, uncompressed."""
        buffer = io.BytesIO()
        np.savez(buffer, **self._columns)
        return buffer.getvalue()

    @functools.cached_property
    def index(self) -> np.ndarray:
        return np.asarray(self._columns['index'])

    @functools.cached_property
    def paper_ids(self) -> list[bytes]:
        ends = self._columns['id_ends'].tolist()
        ids = self._columns['ids'].tobytes()
        return [ids[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]

    def texts(self, rows: Iterable[int]) -> Iterator[tuple[str, str]]:
        """Yields title and abstract of each paper in `rows`, in their order."""
        content = zstandard.ZstdDecompressor().decompress(self._columns['texts'].tobytes())
        ends = np.append(0, self._columns['text_ends'])
        for row in rows:
            begin, between, end = ends[2 * row : 2 * row + 3].tolist()
            yield content[begin:between].decode(), content[between:end].decode()

    @functools.cached_property
    def label_sets(self) -> list[str]:
        return self._columns['label_sets'].tobytes().decode().split('\n')

    @functools.cached_property
    def label_set_of(self) -> np.ndarray:
        return np.asarray(self._columns['label_set_of'])

    def label_ids(self, rows: np.ndarray, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the label ids of some papers, without labels that no training paper has.

        Args:
            rows: integers [n]: which papers.
            labels: in the order of their ids.

        Returns:
            int64 [ids], ascending within a paper, and int64 [n + 1], where each paper's begin and end.
        """
        id_of = {label: id_ for id_, label in enumerate(labels)}
        sets = [sorted(id_of[label] for label in names.split() if label in id_of) for names in self.label_sets]
        wanted = [sets[position] for position in self.label_set_of[rows].tolist()]
        ids = np.array([id_ for some in wanted for id_ in some], np.int64)
        return ids, np.append(0, np.cumsum([len(some) for some in wanted], dtype=np.int64))

    @functools.cached_property
    def words(self) -> list[bytes]:
        return self._columns['spelled'].tobytes().split(b'\n')

    @functools.cached_property
    def ngrams(self) -> BlockNgrams:
        return BlockNgrams(*(self._columns[name] for name in BlockNgrams._fields))


def block_path(folder: str, block: int) -> str:
    """Returns where a block lies."""
    return outputs.join(folder, f'{block:016x}.npz')


def batches(papers: Iterable[Paper]) -> Iterator[list[Paper]]:
    """Cuts papers into as many as make a block."""
    batch: list[Paper] = []
    size = 0
    for paper in papers:
        batch.append(paper)
        size += len(paper.title) + len(paper.abstract)
        if len(batch) == MAX_PAPERS or size >= MAX_TEXT_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def split(papers: Sequence[Paper], text: str) -> Words:
    """Splits papers' text into words, by the transform graph's own functions.

    Raises:
        JobError: if two words have the same hash: of ten million distinct words, two in 200,000 such sets.
    """
    import tensorflow as tf

    values, row_splits, hashes = _split_and_hash(text)(
        tf.constant([paper.title.encode() for paper in papers]),
        tf.constant([paper.abstract.encode() for paper in papers]),
    )
    encoded = pa.array(hashes.numpy()).dictionary_encode()
    tokens = encoded.indices.to_numpy().astype(np.int64)
    distinct = encoded.dictionary.to_numpy()
    first = np.empty(len(distinct), np.int64)
    first[tokens[::-1]] = np.arange(len(tokens))[::-1]  # Of several tokens of a word the last one written stays.
    spelled = tf.gather(values, first)
    if not tf.reduce_all(tf.equal(values, tf.gather(spelled, tokens))):
        raise JobError(
            'Two different words have the same hash. That is one chance in 200,000 for ten million distinct '
            'words; please report it. Leave out one dump after another to find a set without them.'
        )
    return Words(tokens, row_splits.numpy(), spelled.numpy().tolist(), distinct)


@functools.lru_cache(maxsize=3)
def _split_and_hash(text: str) -> Any:
    import tensorflow as tf

    from pipeline import preprocessing

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2)
    def graph(title: tf.Tensor, abstract: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        words = preprocessing.split_words(preprocessing.text_of(title, abstract, text))
        return words.values, words.row_splits, preprocessing.hash_words(words.values)

    return graph
