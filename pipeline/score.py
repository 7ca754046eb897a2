"""The score job: dumps in, tagged papers out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam

from pipeline.config import ScoreConfig
from pipeline.exports import Export
from pipeline.hashing import keyed_hash
from pipeline.models import ModelSource, PinnedModel
from pipeline.profiles import ProfileTagged, reference_profile
from pipeline.read import ReadPapers
from pipeline.readers.format import Dump
from pipeline.runners import run_to_end
from pipeline.shards import ShardRecord, WriteDeadLetters, WriteJson, WriteShards, json_line, shards_needed
from pipeline.tagged_files import file_format
from pipeline.tagger import TaggedBatch, TagPapers
from pipeline.tally import Counts, SumTallies, Tally, nested
from schemas import features, outputs
from schemas.drift import drift_summary
from schemas.errors import JobError
from schemas.paper import DeadLetter, Paper, Reason
from schemas.profile import LABELS_A_PAPER, Profile

# What a dump's bytes become, compressed or not, in tagged papers: about.
_TAGGED_SHARE, _TAGGED_SHARE_OF_COMPRESSED = 0.5, 3.3


class Scored(NamedTuple):
    """What comes of scoring: records to write, papers that the model refused, tallies, and what the model said."""

    records: beam.PCollection[ShardRecord]
    dead_letters: beam.PCollection[DeadLetter]
    tallies: beam.PCollection[Tally]
    tagged: beam.PCollection[TaggedBatch]


def build(root: beam.Pipeline, config: ScoreConfig, dumps: Sequence[Dump], export: Export, staging: str) -> None:
    """Wires the job: everything that it publishes is written below `staging`."""
    read = root | 'ReadPapers' >> ReadPapers(dumps, config.input, labelled=False, batch_size=config.batch_size)
    scored = read.batches | 'ScorePapers' >> ScorePapers(config, PinnedModel(export))
    kind = file_format(config.output_format, explained=bool(config.explain))
    _ = scored.records | 'WriteTagged' >> WriteShards(
        staging, '', kind.suffix, kind.write, config.shards or shards_for(dumps)
    )
    letters = (read.dead_letters, scored.dead_letters) | 'AllDeadLetters' >> beam.Flatten()
    _ = letters | 'WriteDeadLetters' >> WriteDeadLetters(staging, features.DEAD_LETTERS_DIR)
    counts = (read.tallies, scored.tallies) | 'Statistics' >> SumTallies()
    reference = reference_profile(export)
    profile = scored.tagged | 'ProfileTagged' >> ProfileTagged(len(reference.ngram_papers))
    _ = (
        counts
        | 'ToStatistics' >> beam.Map(score_statistics, export.version)
        | 'AddDrift' >> beam.Map(with_drift, reference, beam.pvalue.AsSingleton(profile))
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
    run_to_end(pipeline)
    statistics: dict[str, Any] = outputs.read_json(outputs.join(staging, features.STATISTICS_FILE))
    check_accounts(statistics)
    return statistics


def check_accounts(statistics: dict[str, Any]) -> None:
    """Checks that each record came out once.

    Raises:
        JobError: if one did not.
    """
    rejected = sum(statistics['rejected'].values())
    if statistics['read'] != statistics['tagged'] + rejected:
        raise JobError(
            f'{statistics["read"]} records were read, but {statistics["tagged"]} tagged and {rejected} rejected; '
            'nothing of this was published. Please report it.'
        )


def shards_for(dumps: Iterable[Dump]) -> int:
    """Returns how many files of about 32 MB the tagged papers of dumps make, as far as their sizes tell."""
    return shards_needed(
        round(sum(dump.size * (_TAGGED_SHARE_OF_COMPRESSED if dump.compression else _TAGGED_SHARE) for dump in dumps))
    )


class ScorePapers(beam.PTransform[Any, Any]):
    """Tags batches of papers and makes their published form. Output: `Scored`.

    Counters: those of `TagPapers`.
    """

    def __init__(self, config: ScoreConfig, models: ModelSource) -> None:
        super().__init__()
        self._encode = _Encode(config.top_k, config.only_accepted)
        # A profile counts as many labels of a paper whatever the user asked for.
        k = max(config.top_k, LABELS_A_PAPER)
        if config.explain:
            self._tag = TagPapers(models, features.EXPLAIN_SIGNATURE, k=k, n=config.explain)
        else:
            self._tag = TagPapers(models, features.TAG_SIGNATURE, k=k)

    def expand(self, batches: beam.PCollection[list[Paper]]) -> Scored:
        """Builds the scoring."""
        tagged = batches | 'TagPapers' >> self._tag
        encoded = tagged | 'Encode' >> beam.ParDo(self._encode).with_outputs('dead_letters', 'tallies', main='records')
        encoded.records.element_type = ShardRecord
        return Scored(encoded.records, encoded.dead_letters, encoded.tallies, tagged)


def scored_papers(tagged: TaggedBatch, top_k: int, *, only_accepted: bool = False) -> Iterator[dict[str, Any]]:
    """Makes the published form of tagged papers, as scored_paper.schema.json describes it.

    Args:
        tagged: the papers.
        top_k: labels a paper, at most.
        only_accepted: leaves out the labels whose scores do not reach their thresholds.
    """
    columns = [tagged.outputs[name][:, :top_k].tolist() for name in _PREDICTION if name in tagged.outputs]
    for paper, *row in zip(tagged.papers, *columns, strict=True):
        predictions = [
            _prediction(*values) for values in zip(*row, strict=True) if values[_IS_ACCEPTED] or not only_accepted
        ]
        yield {'id': paper.id, 'title': paper.title, 'predictions': predictions, 'model_version': tagged.version}


# What a prediction is made of, in the order in which `_prediction` takes it; the last two only if they were asked for.
_PREDICTION = (
    features.LABELS,
    features.SCORES,
    features.ACCEPTED,
    features.EXPLANATIONS,
    features.CONTRIBUTIONS,
)
_IS_ACCEPTED = _PREDICTION.index(features.ACCEPTED)


def _prediction(
    label: bytes,
    score: float,
    accepted: bool,
    ngrams: Sequence[bytes] | None = None,
    contributions: Sequence[float] = (),
) -> dict[str, Any]:
    prediction = {'label': label.decode(), 'score': _shortened(score), 'accepted': accepted}
    if ngrams is not None:
        prediction['explanation'] = [
            {'ngram': ngram.decode(), 'contribution': _shortened(contribution)}
            for ngram, contribution in zip(ngrams, contributions, strict=True)
            if ngram
        ]
    return prediction


def _shortened(value: float) -> float:
    """Returns a float32 as JSON shall show it: it has at most 9 significant digits, the double that it becomes 17."""
    return float(f'{value:.9g}')


def score_statistics(counts: dict[tuple[str, ...], int], model_version: str) -> dict[str, Any]:
    """Makes statistics.json of all tallies."""
    return {**what_became_of(nested(counts.items())), 'model_version': model_version}


def what_became_of(tree: dict[str, Any]) -> dict[str, Any]:
    """Returns what statistics say of records, of the `nested` tallies: zeros for what did not happen."""
    return {
        'read': tree.get('read', 0),
        'tagged': tree.get('tagged', 0),
        'rejected': tree.get('rejected', {}),
        'accepted_labels': tree.get('accepted_labels', {}),
    }


def with_drift(statistics: dict[str, Any], reference: Profile, profile: Profile) -> dict[str, Any]:
    """Adds to the statistics how far the papers are from those that the model was measured on."""
    return statistics | {'drift': drift_summary(reference, profile)}


class _Encode(beam.DoFn):
    def __init__(self, top_k: int, only_accepted: bool) -> None:
        self._top_k = top_k
        self._only_accepted = only_accepted

    def process(self, tagged: TaggedBatch) -> Iterator[Any]:
        counts = Counts()
        if tagged.error:
            counts['rejected', str(Reason.MODEL_FAILED)] += 1
            yield beam.pvalue.TaggedOutput('dead_letters', _model_failed(tagged))
        else:
            counts['tagged',] += len(tagged.papers)
            for scored in scored_papers(tagged, self._top_k, only_accepted=self._only_accepted):
                for prediction in scored['predictions']:
                    if prediction['accepted']:
                        counts['accepted_labels', prediction['label']] += 1
                yield keyed_hash(scored['id'], 'shard'), scored['id'].encode(), json_line(scored)
        for tally in counts.items():
            yield beam.pvalue.TaggedOutput('tallies', tally)


def _model_failed(tagged: TaggedBatch) -> DeadLetter:
    [paper] = tagged.papers
    raw = json_line({'id': paper.id, 'title': paper.title, 'abstract': paper.abstract})
    return DeadLetter('', -1, str(Reason.MODEL_FAILED), f'the model refused paper {paper.id}: {tagged.error}', raw)
