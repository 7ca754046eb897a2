"""Reads dumps into papers and dead letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics

from pipeline import coders  # noqa: F401 - registers the coder of Paper
from pipeline.config import InputConfig
from pipeline.inputs import byte_ranges, range_blocks
from pipeline.progress import count
from pipeline.readers import Dump, format_named
from pipeline.readers.format import ByteRange, ReadOptions
from pipeline.tally import Counts, SumTallies, Tally
from schemas.errors import JobError
from schemas.paper import DeadLetter, Paper, Reason, RejectedRecord, parse_paper
from schemas.taxonomy import CanonicalCategories

# Small, so that each worker gets about as much as the others.
_RANGE_BYTES = 4 << 20
# A batch is closed when its texts have this many characters: it crosses from process to process.
_BATCH_CHARACTERS = 1 << 20


class ReadResult(NamedTuple):
    """What comes of reading: `batches` of papers, `dead_letters`, and `tallies` of both."""

    batches: beam.PCollection[list[Paper]]
    dead_letters: beam.PCollection[DeadLetter]
    tallies: beam.PCollection[Tally]


class ReadPapers(beam.PTransform[Any, Any]):
    """Reads every record of the dumps: a valid paper or a dead letter.

    No paper is passed on before all records are read and the share of dead letters is known to be tolerable; if any
    share is, all at once. Counters: see `ReadDumps`.

    Raises (when run):
        JobError: if a file is damaged and the config does not tolerate it, if too many records are rejected, or if
            there is no valid paper.
    """

    def __init__(self, dumps: Sequence[Dump], config: InputConfig, *, labelled: bool | None, batch_size: int) -> None:
        super().__init__()
        self._dumps = dumps
        self._config = config
        self._labelled = labelled
        self._batch_size = batch_size

    def expand(self, root: beam.Pipeline) -> ReadResult:
        """Builds the reading."""
        read = (
            root
            | 'Dumps' >> beam.Create(self._dumps)
            | 'ReadDumps' >> ReadDumps(self._config, labelled=self._labelled, batch_size=self._batch_size)
        )
        checked = read.tallies | 'CheckRejected' >> CheckRejected(self._config.max_rejected_fraction)
        if self._config.max_rejected_fraction == 1:
            return read
        held = read.batches | 'HoldUntilChecked' >> beam.Map(
            _first, beam.pvalue.AsSingleton(checked)
        ).with_output_types(list[Paper])
        return read._replace(batches=held)


class ReadDumps(beam.PTransform[Any, Any]):
    """Reads every record of dumps that come as elements.

    Counters: read/papers, read/dead_letters.

    Raises (when run):
        JobError: if a file cannot be read, or is damaged and the config does not tolerate it.
    """

    def __init__(self, config: InputConfig, *, labelled: bool | None, batch_size: int, by_source: bool = False) -> None:
        """Configures the reading.

        Args:
            config: what the user said of the dumps.
            labelled: whether papers without a known category are rejected; see `parse_paper`.
            batch_size: papers a batch, at most.
            by_source: whether a tally ('sources', path) counts the records of each dump.
        """
        super().__init__()
        self._reader = _ReadRange(
            ReadOptions.of(config, labelled=labelled), config.damaged_inputs == 'fail', batch_size, by_source
        )

    def expand(self, dumps: beam.PCollection[Dump]) -> ReadResult:
        """Builds the reading."""
        read = (
            dumps
            | 'ByteRanges' >> beam.FlatMap(byte_ranges, _RANGE_BYTES)
            | 'SpreadOverWorkers' >> beam.Reshuffle()
            | 'ReadRecords' >> beam.ParDo(self._reader).with_outputs('dead_letters', 'tallies', main='batches')
        )
        return ReadResult(read.batches, read.dead_letters, read.tallies)


class CheckRejected(beam.PTransform[Any, Any]):
    """Sums the tallies of reading and checks them: one element, True. Raises JobError: see `check_rejected`."""

    def __init__(self, max_fraction: float) -> None:
        super().__init__()
        self._max_fraction = max_fraction

    def expand(self, tallies: beam.PCollection[Tally]) -> beam.PCollection[bool]:
        """Checks."""
        return (tallies,) | 'CountRecords' >> SumTallies() | 'Check' >> beam.Map(check_rejected, self._max_fraction)


def check_rejected(counts: dict[tuple[str, ...], int], max_fraction: float) -> bool:
    """Returns True if enough of the records are valid papers to go on.

    Args:
        counts: tallies of reading, summed.
        max_fraction: largest share of the records that may be rejected.

    Raises:
        JobError: if there is no record, no valid paper, or more than that share is rejected.
    """
    read = counts.get(('read',), 0)
    reasons = {path[1]: count for path, count in counts.items() if path[0] == 'rejected'}
    rejected = sum(reasons.values())
    found = ', '.join(
        f'{reason} {count}' for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item))
    )
    if not read:
        raise JobError('The input holds no record.')
    if rejected == read and max_fraction < 1:
        raise JobError(f'None of the {read} records is a valid paper: {found}.')
    # That a record was deleted is no fault of the input.
    if rejected - reasons.get(Reason.DELETED_RECORD, 0) > max_fraction * read:
        raise JobError(
            f'{rejected} of {read} records ({rejected / read:.1%}) are no valid papers: {found}. '
            f'That is more than --max_rejected_fraction {max_fraction}; mend the input, or raise the limit.'
        )
    return True


def papers_of(
    part: ByteRange, options: ReadOptions, counts: Counts, *, fail_on_damage: bool
) -> Iterator[Paper | DeadLetter]:
    """Yields a paper or a dead letter for each record of a byte range.

    Args:
        part: what to read.
        options: what the user said of the dumps.
        counts: tallies are added here: records read, rejected by reason, what categories meant.
        fail_on_damage: whether a damaged file fails the job; if not, it ends as a dead letter.

    Raises:
        JobError: see there, or if the file cannot be read.
    """
    for record in format_named(part.dump.format).read(part, range_blocks(part), options):
        counts[('read',)] += 1
        count('records read', 1)
        if isinstance(record, DeadLetter):
            if record.reason == Reason.DAMAGED_FILE and fail_on_damage:
                raise JobError(
                    f'{record.source} is damaged: {record.message} (readable up to byte {record.position}). '
                    'Fetch it again, or say --damaged_inputs dead_letter to use what can be read of it.'
                )
            letter = record
        else:
            try:
                paper, categories = parse_paper(record.fields, labelled=options.labelled)
            except RejectedRecord as rejection:
                letter = record.dead_letter(rejection)
            else:
                counts.update(_category_tallies(categories))
                yield paper
                continue
        counts[('rejected', letter.reason)] += 1
        yield letter


class _ReadRange(beam.DoFn):
    def __init__(self, options: ReadOptions, fail_on_damage: bool, batch_size: int, by_source: bool) -> None:
        self._options = options
        self._fail_on_damage = fail_on_damage
        self._batch_size = batch_size
        self._by_source = by_source
        self._papers = Metrics.counter('read', 'papers')
        self._dead_letters = Metrics.counter('read', 'dead_letters')

    def process(self, part: ByteRange) -> Iterator[Any]:
        counts = Counts()
        batch: list[Paper] = []
        characters = 0
        for found in papers_of(part, self._options, counts, fail_on_damage=self._fail_on_damage):
            if isinstance(found, DeadLetter):
                self._dead_letters.inc()
                yield beam.pvalue.TaggedOutput('dead_letters', found)
                continue
            batch.append(found)
            characters += len(found.title) + len(found.abstract)
            if len(batch) == self._batch_size or characters >= _BATCH_CHARACTERS:
                self._papers.inc(len(batch))
                yield batch
                batch, characters = [], 0
        if batch:
            self._papers.inc(len(batch))
            yield batch
        if self._by_source:
            counts['sources', part.dump.path] = counts['read',]
        for tally in counts.items():
            yield beam.pvalue.TaggedOutput('tallies', tally)


def _category_tallies(categories: CanonicalCategories) -> Iterator[tuple[str, ...]]:
    for found, canonical in categories.renamed:
        yield 'categories', 'renamed', f'{found} -> {canonical}'
    for _ in categories.msc:
        yield 'categories', 'msc_codes'
    for _ in categories.acm:
        yield 'categories', 'acm_codes'
    for name in categories.unknown:
        yield 'categories', 'unknown', name


def _first(batch: list[Paper], checked: bool) -> list[Paper]:
    del checked
    return batch
