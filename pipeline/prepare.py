"""The prepare job: dumps in, training data out."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam

from pipeline.config import PrepareConfig
from pipeline.count_ngrams import CountNgrams
from pipeline.deduplicate import DropDuplicatePapers
from pipeline.examples import WriteExamples
from pipeline.inputs import HashDumps
from pipeline.overview import CountByLabel, DescribePapers, write_overview
from pipeline.partitions import partitions_of
from pipeline.read_blocks import ReadBlocks
from pipeline.readers.format import Dump
from pipeline.reference_papers import WriteReferencePapers
from pipeline.runners import run_to_end
from pipeline.shards import WriteDeadLetters, WriteJson
from pipeline.spell_ngrams import WriteVocabulary
from pipeline.split import SplitByLabelSet
from pipeline.tally import SumTallies, nested
from pipeline.transform_graph import WriteTransformGraph
from schemas import features, outputs
from schemas.errors import JobError

# Below the staging folder, and gone when the job ends.
_BLOCKS = '.blocks'


def build(root: beam.Pipeline, config: PrepareConfig, dumps: Sequence[Dump], staging: str) -> None:
    """Wires the job: everything that it publishes is written below `staging`."""
    blocks = config.analysis_cache_dir or outputs.join(staging, _BLOCKS)
    partitions = partitions_of(dumps, config.ngrams.ngram_max)
    read = root | 'ReadBlocks' >> ReadBlocks(dumps, config, blocks)
    distinct = read.rows | 'DropDuplicatePapers' >> DropDuplicatePapers(partitions.papers)
    split = (distinct.kept, read.label_sets) | 'SplitByLabelSet' >> SplitByLabelSet(
        config.split, config.min_label_set_papers, partitions.papers
    )
    tallies = (split.tallies,) | 'SplitTallies' >> SumTallies()
    labels = tallies | 'Labels' >> beam.Map(lambda counts: [label for label, _ in labels_by_frequency(counts)])
    papers = tallies | 'Papers' >> beam.Map(
        lambda counts: {name: counts.get(('splits', name), 0) for name in features.SPLITS}
    )

    counted = split.places | 'CountNgrams' >> CountNgrams(blocks, config.ngrams, partitions.ngram_bits)
    graph = outputs.join(staging, features.TRANSFORM_GRAPH_DIR)
    _ = root | 'WriteTransformGraph' >> WriteTransformGraph(
        config.ngrams, graph, counted.vocabulary, counted.documents, labels
    )
    vocabulary_rows = split.places | 'WriteVocabulary' >> WriteVocabulary(staging, blocks, counted.vocabulary)
    _ = tallies | 'WriteLabels' >> beam.Map(_write_labels, outputs.join(staging, features.LABELS_FILE))
    shards = (split.places, papers) | 'WriteExamples' >> WriteExamples(
        staging, blocks, config.ngrams, config.shards, counted.vocabulary, counted.documents, labels
    )
    reference = split.places | 'WriteReferencePapers' >> WriteReferencePapers(staging, blocks)
    letters = read.dead_letters | 'WriteDeadLetters' >> WriteDeadLetters(staging, features.DEAD_LETTERS_DIR)

    described = split.places | 'DescribePapers' >> DescribePapers(blocks)
    by_label = split.places | 'CountByLabel' >> CountByLabel(blocks, counted.vocabulary, labels)
    counts = (
        read.tallies,
        distinct.tallies,
        split.tallies,
        counted.tallies,
        described,
    ) | 'Statistics' >> SumTallies()
    _ = counts | 'WriteOverview' >> beam.Map(
        write_overview,
        outputs.join(staging, features.OVERVIEW_FILE),
        beam.pvalue.AsList(by_label),
        beam.pvalue.AsList(vocabulary_rows | 'MostFrequent' >> beam.Filter(lambda table: not table[0])),
        beam.pvalue.AsSingleton(labels),
        beam.pvalue.AsSingleton(counted.documents),
    )
    _ = (
        counts
        | 'ToStatistics' >> beam.Map(prepare_statistics)
        | 'WriteStatistics' >> WriteJson(outputs.join(staging, features.STATISTICS_FILE))
    )
    inputs = root | 'Dumps' >> beam.Create(dumps) | 'HashDumps' >> HashDumps()
    files = (shards, reference, letters) | 'Shards' >> beam.Flatten()
    _ = (
        root
        | 'Manifest' >> beam.Create([None])
        | 'ToManifest' >> beam.Map(_manifest, config, beam.pvalue.AsList(inputs), beam.pvalue.AsList(files))
        | 'WriteManifest' >> WriteJson(outputs.join(staging, features.MANIFEST_FILE))
    )


def run(config: PrepareConfig, dumps: Sequence[Dump], pipeline: beam.Pipeline, staging: str) -> dict[str, Any]:
    """Runs the job to its end, and checks its accounts.

    Returns:
        The statistics.

    Raises:
        JobError: if not every record is accounted for, or if the cache cannot be written.
    """
    if config.analysis_cache_dir:
        outputs.require_writable(config.analysis_cache_dir, '--analysis_cache_dir')
    build(pipeline, config, dumps, staging)
    run_to_end(pipeline)
    outputs.remove(outputs.join(staging, _BLOCKS))
    statistics = outputs.read_json(outputs.join(staging, features.STATISTICS_FILE))
    check_accounts(statistics)
    return statistics


def labels_by_frequency(counts: Mapping[tuple[str, ...], int]) -> list[tuple[str, int]]:
    """Returns the labels that training papers have, and how many: the most frequent first, in the order of their ids.

    >>> labels_by_frequency({('labels', 'cs.LG', 'train'): 2, ('labels', 'cs.AI', 'train'): 2, ('read',): 9})
    [('cs.AI', 2), ('cs.LG', 2)]
    """
    found = [(path[1], papers) for path, papers in counts.items() if path[0] == 'labels' and path[2] == 'train']
    return sorted(found, key=lambda label: (-label[1], label[0]))


def prepare_statistics(counts: dict[tuple[str, ...], int]) -> dict[str, Any]:
    """Makes statistics.json of all tallies: what did not happen stands there as 0, what was kept is summed."""
    tree = nested(counts.items())
    splits = {split: tree.get('splits', {}).get(split, 0) for split in features.SPLITS}
    labels = {
        label: {split: found.get(split, 0) for split in features.SPLITS}
        for label, found in tree.get('labels', {}).items()
    }
    categories = {'renamed': {}, 'msc_codes': 0, 'acm_codes': 0, 'unknown': {}} | tree.get('categories', {})
    return {
        'read': tree.get('read', 0),
        'kept': sum(splits.values()),
        'duplicates': tree.get('duplicates', 0),
        'dropped_rare_label_set': tree.get('dropped_rare_label_set', 0),
        'rejected': tree.get('rejected', {}),
        'splits': splits,
        'labels': labels,
        'categories': categories,
        'ngrams': tree.get('ngrams', {}),
    }


def check_accounts(statistics: dict[str, Any]) -> None:
    """Checks that each record that was read was kept, or is counted as what it was left out for.

    Raises:
        JobError: if not. This is a mistake of the program, not of the input.
    """
    parts = ('kept', 'duplicates', 'dropped_rare_label_set')
    accounted = sum(statistics[part] for part in parts) + sum(statistics['rejected'].values())
    if statistics['read'] != accounted:
        raise JobError(
            f'{statistics["read"]} records were read but {accounted} accounted for; nothing was published. '
            'Please report this with the statistics: ' + json.dumps({part: statistics[part] for part in parts})
        )


def _write_labels(counts: Mapping[tuple[str, ...], int], path: str) -> None:
    rows = (f'{label}\t{id_}\t{papers}\n' for id_, (label, papers) in enumerate(labels_by_frequency(counts)))
    outputs.make_folder(path.rpartition('/')[0])
    outputs.write_text(path, f'{features.LABELS_HEADER}\n' + ''.join(rows))


def _manifest(_: None, config: PrepareConfig, inputs: list[Any], files: list[Any]) -> dict[str, Any]:
    described = dataclasses.asdict(config)
    del described['output_dir'], described['overwrite'], described['analysis_cache_dir']
    packages = ('arxiv-tagger', 'apache-beam', 'tensorflow', 'tensorflow-transform', 'tfx-bsl')
    return {
        'config': described,
        'versions': {package: importlib.metadata.version(package) for package in packages},
        'inputs': sorted(inputs, key=lambda entry: entry['path']),
        'shards': sorted(files, key=lambda entry: entry['file']),
    }
