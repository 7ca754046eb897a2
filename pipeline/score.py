"""The score job: dumps in, tagged papers out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam

from pipeline.config import ScoreConfig
from pipeline.hashing import keyed_hash
from pipeline.read import ReadPapers
from pipeline.readers.format import Dump
from pipeline.shards import ShardRecord, WriteDeadLetters, WriteJson, WriteShards, json_line, write_lines
from pipeline.tagger import Export, Tagged, TagPapers
from pipeline.tally import Counts, SumTallies, nested
from schemas import features, outputs
from schemas.errors import JobError
from schemas.paper import DeadLetter, Reason


def build(root: beam.Pipeline, config: ScoreConfig, dumps: Sequence[Dump], export: Export, staging: str) -> None:
    """Wires the job: everything that it publishes is written below `staging`."""
    read = root | 'ReadPapers' >> ReadPapers(dumps, config.input, labelled=False)
    tagged = read.papers | 'TagPapers' >> TagPapers(export, features.TOP_K_SIGNATURE, config.batch_size, k=config.top_k)
    scored = tagged | 'ToScoredPaper' >> beam.ParDo(_ToScoredPaper(export.version)).with_outputs(
        'dead_letters', 'tallies', main='papers'
    )
    scored.papers.element_type = ShardRecord
    _ = scored.papers | 'WriteTagged' >> WriteShards(staging, '', '.jsonl', write_lines, config.shards)
    letters = (read.dead_letters, scored.dead_letters) | 'AllDeadLetters' >> beam.Flatten()
    _ = letters | 'WriteDeadLetters' >> WriteDeadLetters(staging, features.DEAD_LETTERS_DIR)
    counts = (read.tallies, scored.tallies) | 'Statistics' >> SumTallies()
    _ = (
        counts
        | 'ToStatistics' >> beam.Map(score_statistics, export.version)
        | 'WriteStatistics' >> WriteJson(outputs.join(staging, features.STATISTICS_FILE))
    )


def run(
    config: ScoreConfig, dumps: Sequence[Dump], export: Export, pipeline: beam.Pipeline, staging: str
) -> dict[str, Any]:
    """Runs the job to its end, and checks that each record came out once.

    Returns:
        The statistics.

    Raises:
        JobError: if not every record is accounted for.
    """
    build(pipeline, config, dumps, export, staging)
    pipeline.run().wait_until_finish()
    statistics: dict[str, Any] = outputs.read_json(outputs.join(staging, features.STATISTICS_FILE))
    rejected = sum(statistics['rejected'].values())
    if statistics['read'] != statistics['tagged'] + rejected:
        raise JobError(
            f'{statistics["read"]} records were read, but {statistics["tagged"]} tagged and {rejected} rejected; '
            'nothing was published. Please report this.'
        )
    return statistics


def scored_paper(tagged: Tagged, model_version: str) -> dict[str, Any]:
    """Makes the published form of a tagged paper, as scored_paper.schema.json describes it."""
    predictions = zip(
        tagged.outputs[features.LABELS].tolist(),
        tagged.outputs[features.SCORES].tolist(),
        tagged.outputs[features.ACCEPTED].tolist(),
        strict=True,
    )
    return {
        'id': tagged.paper.id,
        'title': tagged.paper.title,
        'predictions': [
            # A float32 has at most 9 significant digits; the double that JSON would print has 17.
            {'label': label.decode(), 'score': float(f'{score:.9g}'), 'accepted': accepted}
            for label, score, accepted in predictions
        ],
        'model_version': model_version,
    }


def score_statistics(counts: dict[tuple[str, ...], int], model_version: str) -> dict[str, Any]:
    """Makes statistics.json of all tallies."""
    tree = nested(counts.items())
    return {
        'read': tree.get('read', 0),
        'tagged': tree.get('tagged', 0),
        'rejected': tree.get('rejected', {}),
        'accepted_labels': tree.get('accepted_labels', {}),
        'model_version': model_version,
    }


class _ToScoredPaper(beam.DoFn):
    def __init__(self, model_version: str) -> None:
        self._model_version = model_version

    def start_bundle(self) -> None:
        self._counts = Counts()

    def process(self, tagged: Tagged) -> Iterator[Any]:
        if tagged.error:
            self._counts['rejected', str(Reason.MODEL_FAILED)] += 1
            yield beam.pvalue.TaggedOutput('dead_letters', _model_failed(tagged))
            return
        scored = scored_paper(tagged, self._model_version)
        self._counts['tagged',] += 1
        for prediction in scored['predictions']:
            if prediction['accepted']:
                self._counts['accepted_labels', prediction['label']] += 1
        line = json_line(scored)
        yield keyed_hash(scored['id'], 'shard'), scored['id'].encode(), line

    def finish_bundle(self) -> Iterator[Any]:
        for tally in self._counts.flush():
            yield beam.pvalue.TaggedOutput('tallies', tally)


def _model_failed(tagged: Tagged) -> DeadLetter:
    paper = tagged.paper
    raw = json_line({'id': paper.id, 'title': paper.title, 'abstract': paper.abstract})
    return DeadLetter('', -1, str(Reason.MODEL_FAILED), f'the model refused paper {paper.id}: {tagged.error}', raw)
