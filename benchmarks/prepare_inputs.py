"""Makes the inputs of prepare.py's measurements out of the dumps, once: each is a program of its own.

    python benchmarks/prepare_inputs.py cut --input 'dumps/*.zst' --output FOLDER      equal, mixed files
    python benchmarks/prepare_inputs.py texts --input 'dumps/*.zst' --output FILE      what vectorizers take
    python benchmarks/prepare_inputs.py papers --input 'dumps/*.zst' --output FILE     what the two Beam jobs take

What was made stays as it is: prepare.py takes it again. `cut --number 100000` makes a fair sample of so many papers,
always the same: `mixed-*.jsonl.zst` in its folder.
"""

from __future__ import annotations

import argparse
import functools
import glob
import io
import itertools
import os
import pickle
import random
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import zstandard

if TYPE_CHECKING:
    from schemas.paper import Paper

# Small enough that 50,000 papers make eight files: work for two workers that does not end at one file.
CUT_PAPERS = 6250
_ZSTD_LEVEL = 9


class SplitPapers(NamedTuple):
    """Papers that are clean and divided: where the two Beam jobs begin.

    Attributes:
        papers: in any order.
        splits: of each paper a position in `schemas.features.SPLITS`: 90, 5 and 5 %.
    """

    papers: list[Paper]
    splits: list[int]


def load_texts(path: str) -> list[str]:
    """Reads what `texts` wrote."""
    return _load(path)


@functools.lru_cache(maxsize=1)
def load_papers(path: str) -> SplitPapers:
    """Reads what `papers` wrote, once a process."""
    return SplitPapers(*_load(path))


def cut_name(number: int) -> str:
    """Returns the name of a file that `cut` wrote."""
    return f'mixed-{number:05d}.jsonl.zst'


def main() -> None:
    """Makes one input."""
    flags = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    flags.add_argument('what', choices=('cut', 'texts', 'papers'))
    flags.add_argument('--input', required=True, metavar='PATTERN')
    flags.add_argument('--output', required=True, metavar='PATH')
    flags.add_argument('--number', type=int, metavar='N', help='papers, or records to cut (default: all)')
    arguments = flags.parse_args()
    if not glob.glob(arguments.input):
        raise SystemExit(f'benchmarks: --input {arguments.input} matches no file')
    temporary = f'{arguments.output}.tmp'
    if arguments.what == 'cut':
        os.makedirs(temporary, exist_ok=True)
        lines = _mixed_lines(sorted(glob.glob(arguments.input)))
        _cut(itertools.islice(lines, arguments.number), temporary)
    else:
        papers = itertools.islice(_papers(arguments.input), arguments.number)
        value = _texts(papers) if arguments.what == 'texts' else _split(papers)
        with open(temporary, 'wb') as file:
            pickle.dump(value, file, pickle.HIGHEST_PROTOCOL)
    # What was made in half is made anew.
    os.rename(temporary, arguments.output)


def _load(path: str) -> Any:
    with open(path, 'rb') as file:
        return pickle.load(file)


def _mixed_lines(paths: list[str]) -> Iterator[bytes]:
    """Yields the lines of JSON Lines files, shuffled: every prefix is a fair sample of all, whatever their order."""
    lines = [line for path in paths for line in io.BufferedReader(zstandard.open(path, 'rb'))]
    random.Random(0).shuffle(lines)
    yield from lines


def _cut(lines: Iterator[bytes], folder: str) -> None:
    """Writes lines to files of CUT_PAPERS each, the first 1,000 also to one of their own."""
    number = 0
    while some := list(itertools.islice(lines, CUT_PAPERS)):
        _write(os.path.join(folder, cut_name(number)), some)
        if not number:
            _write(os.path.join(folder, 'thousand.jsonl.zst'), some[:1000])
        number += 1


def _write(path: str, lines: list[bytes]) -> None:
    with open(path, 'wb') as file:
        file.write(zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(b''.join(lines)))


def _papers(pattern: str) -> Iterator[Paper]:
    """Yields the valid papers of dumps, of each id the first one: cleaned as `prepare` cleans."""
    from pipeline.config import InputConfig
    from pipeline.inputs import byte_ranges, find_dumps
    from pipeline.read import papers_of
    from pipeline.readers.format import ReadOptions
    from pipeline.tally import Counts
    from schemas.paper import Paper

    config = InputConfig(patterns=(pattern,))
    options = ReadOptions.of(config, labelled=True)
    seen: set[str] = set()
    for part in (part for dump in find_dumps(config, labelled=True) for part in byte_ranges(dump)):
        for found in papers_of(part, options, Counts(), fail_on_damage=True):
            if isinstance(found, Paper) and found.id not in seen:
                seen.add(found.id)
                yield found


def _texts(papers: Iterable[Paper]) -> list[str]:
    return [f'{paper.title} {paper.abstract}' for paper in papers]


def _split(papers: Iterable[Paper]) -> tuple[list[Paper], list[int]]:
    from pipeline.hashing import keyed_hash
    from schemas.features import SPLITS

    taken = list(papers)
    train, others = SPLITS.index('train'), [place for place, name in enumerate(SPLITS) if name != 'train']
    twentieth = [keyed_hash(paper.id, 'benchmark') % 20 for paper in taken]
    return taken, [others[number] if number < len(others) else train for number in twentieth]


if __name__ == '__main__':
    main()
