"""Measures what a worker process of an engine holds, by the number of its threads; docs/running-on-dataflow.md has it.

    .venv/bin/python benchmarks/worker_memory.py --input 'build/bench/arxiv100k/mixed-*.jsonl.zst' --model_dir MODEL

Each figure is the peak resident memory of a fresh process that imports what a worker imports, and then makes blocks of
papers, or tags them, in so many threads. It needs 100,000 papers for 4 threads.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from report import table

_BLOCKS_A_THREAD, _BATCHES_A_THREAD, _BATCH = 2, 4, 1024
_BLOCK_THREADS, _TAG_THREADS = (1, 2, 4), (1, 2, 12)


def peak_megabytes() -> int:
    """Returns the largest resident memory that this process has had."""
    with open('/proc/self/status') as status:
        [line] = [line for line in status if line.startswith('VmHWM')]
    return int(line.split()[1]) * 1024 // 10**6


def read_papers(patterns: Sequence[str], skip: int) -> Iterator[object]:
    """Yields valid papers of dumps, from the one at `skip` on."""
    from pipeline.config import InputConfig
    from pipeline.inputs import byte_ranges, find_dumps
    from pipeline.read import papers_of
    from pipeline.readers.format import ReadOptions
    from pipeline.tally import Counts
    from schemas.paper import Paper

    config = InputConfig(patterns=tuple(patterns))
    options = ReadOptions.of(config, labelled=True)
    parts = (part for dump in find_dumps(config, labelled=True) for part in byte_ranges(dump))
    found = (paper for part in parts for paper in papers_of(part, options, Counts(), fail_on_damage=True))
    return itertools.islice((paper for paper in found if isinstance(paper, Paper)), skip, None)


def make_blocks(patterns: Sequence[str], thread: int) -> None:
    """Makes a thread's blocks, each let go before the next."""
    from pipeline.config import NgramConfig
    from pipeline.paper_blocks import MAX_PAPERS, PaperBlock, batches

    papers = read_papers(patterns, thread * _BLOCKS_A_THREAD * MAX_PAPERS % 70_000)
    for batch in itertools.islice(batches(papers), _BLOCKS_A_THREAD):
        PaperBlock.of(batch, 1, NgramConfig()).to_bytes()


def tagging(model_dir: str, patterns: Sequence[str]) -> Callable[[int], None]:
    """Loads a model; returns what tags a thread's papers with it."""
    from pipeline.exports import newest_export
    from pipeline.models import PinnedModel

    model = PinnedModel(newest_export(model_dir)).open().current()

    def tag(thread: int) -> None:
        papers = read_papers(patterns, thread * _BATCH)
        for _ in range(_BATCHES_A_THREAD):
            batch = list(itertools.islice(papers, _BATCH))
            model.call('tag', [paper.title for paper in batch], [paper.abstract for paper in batch], k=10)

    return tag


def measure(what: str, threads: int, patterns: Sequence[str], model_dir: str) -> None:
    """Does the work in this process, and prints its peak."""
    from pipeline import quiet

    with quiet.importing_tensorflow():
        from pipeline import prepare, score  # noqa: F401 - they count
    if what == 'block':
        work: Callable[[int], None] = lambda thread: make_blocks(patterns, thread)  # noqa: E731
    elif what == 'tag':
        work = tagging(model_dir, patterns)
    running = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    print(peak_megabytes())


def main() -> None:
    """Measures all, and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--input', action='append', required=True)
    parser.add_argument('--model_dir', required=True)
    parser.add_argument('--one', nargs=2, metavar=('WHAT', 'THREADS'), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.one[0], int(arguments.one[1]), arguments.input, arguments.model_dir)
        return
    print(table(['what', 'threads', 'peak'], []), flush=True)
    for what, numbers in (('imports', (0,)), ('tag', (0, *_TAG_THREADS)), ('block', _BLOCK_THREADS)):
        for threads in numbers:
            command = [sys.executable, __file__, *sys.argv[1:], '--one', what, str(threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f'| {what} | {threads} | {int(done.stdout.split()[-1]) / 1000:.2f} GB |', flush=True)


if __name__ == '__main__':
    main()
