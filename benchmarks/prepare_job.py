"""From clean, divided papers in memory to TFRecords and transform graph: ours, or stock tf.Transform, in one process.

    python benchmarks/prepare_job.py ours --papers FILE --output_dir DIR --result FILE

Time counts from the papers in memory to the last file; imports and loading are told apart.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pathlib
import resource
import shutil
import time
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import stock_prepare
from machine import process_age
from prepare_inputs import load_papers

from pipeline.config import NgramConfig
from pipeline.count_ngrams import CountNgrams
from pipeline.examples import WriteExamples
from pipeline.index import PLACES, Part
from pipeline.paper_blocks import PaperBlock, batches, block_path
from pipeline.partitions import partitions_of
from pipeline.readers import Dump
from pipeline.runners import make_pipeline
from pipeline.spell_ngrams import WriteVocabulary
from pipeline.transform_graph import WriteTransformGraph
from schemas import features, outputs


def build_ours(root: beam.Pipeline, path: str, config: NgramConfig, folder: str) -> None:
    """Wires what `prepare` does behind cleaning and splitting; the list of n-grams is part of it.

    Args:
        root: the pipeline.
        path: file of the papers.
        config: the product's defaults.
        folder: where everything is written.
    """
    papers, splits = load_papers(path)
    blocks = outputs.join(folder, '.blocks')
    os.makedirs(blocks)
    cuts = [0, *itertools.accumulate(len(batch) for batch in batches(papers))]
    size = sum(len(paper.title) + len(paper.abstract) for paper in papers)
    partitions = partitions_of([Dump(path, size, '', 'json_lines')], config.ngram_max)
    labels = root | 'Labels' >> beam.Create([_labels(path)])
    number = {split: splits.count(place) for place, split in enumerate(features.SPLITS)}
    places = (
        root
        | 'Cuts' >> beam.Create(list(itertools.pairwise(cuts)), reshuffle=False)
        | 'MakeBlocks' >> beam.Map(_make_block, path, config, blocks).with_output_types(Part)
    )
    counted = places | 'CountNgrams' >> CountNgrams(blocks, config, partitions.ngram_bits)
    _ = root | 'WriteTransformGraph' >> WriteTransformGraph(
        config,
        outputs.join(folder, features.TRANSFORM_GRAPH_DIR),
        counted.vocabulary,
        counted.documents,
        labels,
    )
    _ = places | 'WriteVocabulary' >> WriteVocabulary(folder, blocks, counted.vocabulary)
    _ = (places, root | 'Papers' >> beam.Create([number])) | 'WriteExamples' >> WriteExamples(
        folder, blocks, config, None, counted.vocabulary, counted.documents, labels
    )


def main() -> None:
    """Runs one of the two jobs and says what it took."""
    flags = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    flags.add_argument('whose', choices=('ours', 'stock'))
    flags.add_argument('--papers', required=True, metavar='FILE')
    flags.add_argument('--output_dir', required=True, metavar='DIR')
    flags.add_argument('--result', required=True, type=pathlib.Path, metavar='FILE')
    arguments = flags.parse_args()
    shutil.rmtree(arguments.output_dir, ignore_errors=True)
    os.makedirs(arguments.output_dir)
    imported, imported_cpu = process_age(), _cpu_seconds()
    papers = load_papers(arguments.papers).papers

    started, started_cpu = time.perf_counter(), _cpu_seconds()
    config = NgramConfig()
    build = build_ours if arguments.whose == 'ours' else stock_prepare.build
    pipeline = make_pipeline(['--direct_num_workers=1'])
    build(pipeline, arguments.papers, config, arguments.output_dir)
    pipeline.run().wait_until_finish()
    result = {
        'papers': len(papers),
        'import_seconds': imported,
        'import_cpu_seconds': imported_cpu,
        'job_seconds': time.perf_counter() - started,
        'job_cpu_seconds': _cpu_seconds() - started_cpu,
        'files': _files(pathlib.Path(arguments.output_dir)),
    }
    arguments.result.write_text(json.dumps(result, indent=2) + '\n', 'utf-8')


def _make_block(cut: tuple[int, int], path: str, config: NgramConfig, folder: str) -> Part:
    begin, end = cut
    papers, splits = load_papers(path)
    block = PaperBlock.of(papers[begin:end], begin, config)
    outputs.write_bytes(block_path(folder, begin), block.to_bytes())
    places = np.empty(end - begin, PLACES)
    places['row'], places['split'] = np.arange(end - begin), splits[begin:end]
    return begin, places.tobytes()


def _labels(path: str) -> list[str]:
    """Returns the labels of training papers, the most frequent first."""
    papers, splits = load_papers(path)
    train = features.SPLITS.index('train')
    names = [label for paper, split in zip(papers, splits, strict=True) if split == train for label in paper.labels]
    distinct, number = np.unique(names, return_counts=True)
    return [str(label) for label in distinct[np.lexsort((distinct, -number))]]


def _files(folder: pathlib.Path) -> dict[str, int]:
    """Returns the bytes of what was written, by its first two folders."""
    sizes: dict[str, int] = {}
    for file in _visible(folder):
        name = '/'.join(file.relative_to(folder).parts[:2][: 1 + (file.parent.parent != folder)])
        sizes[name] = sizes.get(name, 0) + file.stat().st_size
    return dict(sorted(sizes.items()))


def _visible(folder: pathlib.Path) -> Iterator[Any]:
    for file in folder.rglob('*'):
        if file.is_file() and not any(part.startswith('.') for part in file.relative_to(folder).parts):
            yield file


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == '__main__':
    # Under its own name, so that what Beam pickles is found by it.
    import prepare_job

    prepare_job.main()
