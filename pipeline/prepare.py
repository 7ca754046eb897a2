"""The prepare job: dumps in, training data out."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import tensorflow_transform.beam as tft_beam

from pipeline.config import PrepareConfig
from pipeline.deduplicate import DropDuplicatePapers
from pipeline.examples import BatchPapers, CountNgrams, EncodeExamples
from pipeline.inputs import HashDumps
from pipeline.label_sets import DropRareLabelSets
from pipeline.preprocessing import preprocessing_fn
from pipeline.raw_papers import tensor_adapter_config
from pipeline.read import ReadPapers
from pipeline.readers.format import Dump
from pipeline.shards import WriteDeadLetters, WriteJson, WriteShards, write_tfrecords
from pipeline.split import SplitByLabelSet
from pipeline.tally import SumTallies, nested
from pipeline.transform_graph import WriteVocabulary, canonicalize
from schemas import features, outputs
from schemas.errors import JobError

# What gzip makes of a byte of tf.Example, measured on arXiv's papers.
_TFRECORD_COMPRESSION = 0.85


def build(root: beam.Pipeline, config: PrepareConfig, dumps: Sequence[Dump], staging: str) -> None:
    """Wires the job: everything that it publishes is written below `staging`."""
    read = root | 'ReadPapers' >> ReadPapers(dumps, config.input, labelled=True)
    distinct = read.papers | 'DropDuplicatePapers' >> DropDuplicatePapers()
    kept = distinct.kept | 'DropRareLabelSets' >> DropRareLabelSets(config.min_label_set_papers)
    papers = kept.kept | 'SplitByLabelSet' >> SplitByLabelSet(config.split)

    transformed, graph = transform(papers.by_split, config, staging)
    shards = [
        examples
        | f'Encode[{split}]' >> EncodeExamples()
        | f'Write[{split}]'
        >> WriteShards(
            staging,
            f'{features.EXAMPLES_DIR}/{split}',
            '.tfrecord.gz',
            write_tfrecords,
            config.shards,
            _TFRECORD_COMPRESSION,
        )
        for split, examples in transformed.items()
    ]
    statistics = transformed['train'] | 'CountNgrams' >> beam.CombineGlobally(
        CountNgrams(config.ngrams.vocabulary_size)
    )
    ngrams = graph | 'WriteVocabulary' >> beam.ParDo(WriteVocabulary(staging), beam.pvalue.AsSingleton(statistics))
    letters = read.dead_letters | 'WriteDeadLetters' >> WriteDeadLetters(staging, features.DEAD_LETTERS_DIR)

    tallies = (read.tallies, distinct.tallies, kept.tallies, papers.tallies, ngrams)
    accounts = tallies | 'Statistics' >> SumTallies() | 'ToStatistics' >> beam.Map(prepare_statistics)
    _ = accounts | 'WriteStatistics' >> WriteJson(outputs.join(staging, features.STATISTICS_FILE))
    inputs = root | 'Dumps' >> beam.Create(dumps) | 'HashDumps' >> HashDumps()
    files = [*shards, letters] | 'Shards' >> beam.Flatten()
    _ = (
        root
        | 'Manifest' >> beam.Create([None])
        | 'ToManifest' >> beam.Map(_manifest, config, beam.pvalue.AsList(inputs), beam.pvalue.AsList(files))
        | 'WriteManifest' >> WriteJson(outputs.join(staging, features.MANIFEST_FILE))
    )


def transform(
    papers: dict[str, beam.PCollection[Any]], config: PrepareConfig, staging: str
) -> tuple[dict[str, beam.PCollection[Any]], beam.PCollection[str]]:
    """Computes the transform graph on the training papers, and transforms all of them.

    Returns:
        Transformed record batches by split, and the path of the published graph.
    """
    with tft_beam.Context(temp_dir=outputs.join(staging, '.transform')):
        raw = {
            split: (part | f'Batch[{split}]' >> BatchPapers(), tensor_adapter_config())
            for split, part in papers.items()
        }
        function = raw['train'] | 'Analyze' >> tft_beam.AnalyzeDataset(preprocessing_fn(config.ngrams))
        transformed = {
            split: ((part, function) | f'Transform[{split}]' >> tft_beam.TransformDataset(output_record_batches=True))[
                0
            ]
            for split, part in raw.items()
        }
        folder = outputs.join(staging, features.TRANSFORM_GRAPH_DIR)
        graph = (
            function
            | 'WriteTransformGraph' >> tft_beam.WriteTransformFn(folder)
            | 'Canonicalize' >> beam.Map(lambda _: canonicalize(folder))
        )
    return transformed, graph


def run(config: PrepareConfig, dumps: Sequence[Dump], pipeline: beam.Pipeline, staging: str) -> dict[str, Any]:
    """Runs the job to its end, and checks its accounts.

    Returns:
        The statistics.

    Raises:
        JobError: if not every record is accounted for.
    """
    build(pipeline, config, dumps, staging)
    pipeline.run().wait_until_finish()
    outputs.remove(outputs.join(staging, '.transform'))
    statistics = outputs.read_json(outputs.join(staging, features.STATISTICS_FILE))
    check_accounts(statistics)
    return statistics


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


def _manifest(_: None, config: PrepareConfig, inputs: list[Any], files: list[Any]) -> dict[str, Any]:
    described = dataclasses.asdict(config)
    del described['output_dir'], described['overwrite']
    packages = ('arxiv-tagger', 'apache-beam', 'tensorflow', 'tensorflow-transform', 'tfx-bsl')
    return {
        'config': described,
        'versions': {package: importlib.metadata.version(package) for package in packages},
        'inputs': sorted(inputs, key=lambda entry: entry['path']),
        'shards': sorted(files, key=lambda entry: entry['file']),
    }
