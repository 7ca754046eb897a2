"""The kinds of files that tagged papers are published in."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from pipeline.shards import write_lines

_EXPLANATION = pa.list_(pa.struct([('ngram', pa.string()), ('contribution', pa.float32())]))
_PREDICTION = [('label', pa.string()), ('score', pa.float32()), ('accepted', pa.bool_())]


def schema(*, explained: bool) -> pa.Schema:
    """Returns the columns of tagged papers, which scored_paper.schema.json describes.

    Args:
        explained: whether predictions have an explanation.
    """
    predictions = pa.list_(pa.struct([*_PREDICTION, *([('explanation', _EXPLANATION)] if explained else [])]))
    return pa.schema(
        [('id', pa.string()), ('title', pa.string()), ('predictions', predictions), ('model_version', pa.string())]
    )


class FileFormat(NamedTuple):
    """How tagged papers are written.

    Attributes:
        suffix: of the files' names.
        write: writes tagged papers, each a line of JSON, to a local path.
    """

    suffix: str
    write: Callable[[str, Iterable[bytes]], None]


def file_format(name: str, *, explained: bool) -> FileFormat:
    """Returns how tagged papers are written in the format of that name, one of `config.OUTPUT_FORMATS`.

    Args:
        name: of the format.
        explained: whether predictions have an explanation.
    """
    if name == 'jsonl':
        return FileFormat('.jsonl', write_lines)
    return FileFormat('.parquet', functools.partial(write_parquet, explained=explained))


def write_parquet(path: str, papers: Iterable[bytes], *, explained: bool = False) -> None:
    """Writes tagged papers with typed columns, their predictions nested in them.

    Args:
        path: a local file.
        papers: each a line of JSON, without its line feed.
        explained: whether predictions have an explanation.

    Raises:
        pyarrow.ArrowInvalid: if one is no tagged paper.
    """
    columns = schema(explained=explained)
    lines = b''.join(paper + b'\n' for paper in papers)
    table = columns.empty_table()
    if lines:
        table = pa.json.read_json(
            io.BytesIO(lines),
            # A paper may not straddle two blocks.
            pa.json.ReadOptions(block_size=len(lines), use_threads=False),
            pa.json.ParseOptions(explicit_schema=columns, unexpected_field_behavior='error'),
        ).select(columns.names)
    pa.parquet.write_table(table, path, compression='zstd')
