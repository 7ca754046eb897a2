"""What each job is asked to do: frozen values, checked when built, in the words that the user typed."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping

from schemas.errors import ConfigError
from schemas.remote import is_remote

TEXTS = ('title_and_abstract', 'abstract', 'title')
WEIGHTINGS = ('tf_idf_l2', 'tf_idf', 'count')
DAMAGED_INPUTS = ('fail', 'dead_letter')
OUTPUT_FORMATS = ('jsonl', 'parquet')
# N-grams named for a label: more than a person reads, and few enough to keep a batch small.
MAX_EXPLAIN = 100
# What n-grams' ids have room for beside row and count in a 64-bit key.
MAX_VOCABULARY_SIZE = 1 << 25
# A paper must fit into a block.
MAX_RECORD_BYTES = 16 << 20


def _lies_in(path: str, folder: str) -> bool:
    """Whether a path names the folder or something below it."""
    if is_remote(path) or is_remote(folder):
        return f'{path.rstrip("/")}/'.startswith(f'{folder.rstrip("/")}/')
    return pathlib.PurePath(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputConfig:
    """Which dumps are read, and how.

    Attributes:
        patterns: paths or globs, each of which must match at least one file.
        csv_columns: field of `Paper` (title, abstract, categories, id, updated) -> column that holds it, for CSV
            dumps whose columns have other names than the known ones.
        max_record_bytes: a record longer than this becomes a dead letter.
        max_rejected_fraction: the run fails before it publishes if a larger share of the records is rejected.
        damaged_inputs: what a file that is cut off or corrupt as a whole does: 'fail' the run, or stand as one
            'dead_letter' behind the records that could be read.
    """

    patterns: tuple[str, ...]
    csv_columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    max_record_bytes: int = 1 << 20
    max_rejected_fraction: float = 0.05
    damaged_inputs: str = 'fail'

    def __post_init__(self) -> None:
        _require(bool(self.patterns), 'Say what to read: --input PATTERN')
        fields = ('id', 'title', 'abstract', 'categories', 'updated')
        for field in self.csv_columns:
            _require(field in fields, f'--csv_columns names the field "{field}"; the fields are {", ".join(fields)}')
        _require(
            1024 <= self.max_record_bytes <= MAX_RECORD_BYTES,
            f'--max_record_bytes {self.max_record_bytes} is not between 1024 and {MAX_RECORD_BYTES}',
        )
        _require(
            0 <= self.max_rejected_fraction <= 1,
            f'--max_rejected_fraction {self.max_rejected_fraction} is not between 0 and 1',
        )
        _require(self.damaged_inputs in DAMAGED_INPUTS, f'--damaged_inputs must be one of {", ".join(DAMAGED_INPUTS)}')


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How papers are divided. Fractions of all papers; what remains is for training.

    Attributes:
        validation, test: share of the papers, in all and of each label set.
        seed: of the keyed hash that orders the papers of a label set.
        tolerance: largest distance of a label's share from these shares, for labels of at least
            `tolerance_papers` papers. 1 leaves every label set to itself.
        tolerance_papers: see above.
    """

    validation: float = 0.05
    test: float = 0.05
    seed: int = 0
    tolerance: float = 0.01
    tolerance_papers: int = 100

    def __post_init__(self) -> None:
        for name in ('validation', 'test'):
            value = getattr(self, name)
            _require(0 < value < 1, f'--{name}_fraction {value} is not between 0 and 1')
        _require(
            self.validation + self.test < 1,
            f'--validation_fraction {self.validation} and --test_fraction {self.test} leave no training papers',
        )
        _require(0 < self.tolerance <= 1, f'--split_tolerance {self.tolerance} is not above 0 and at most 1')


@dataclasses.dataclass(frozen=True, kw_only=True)
class NgramConfig:
    """How a paper's text becomes weighted n-grams.

    Attributes:
        text: 'title_and_abstract', 'abstract' or 'title'.
        vocabulary_size: how many of the n-grams, the most frequent in the training papers, are kept.
        ngram_max: longest n-gram, in words.
        min_document_frequency: n-grams that fewer training papers contain are left out.
        max_document_fraction: n-grams that a larger share of the training papers contain are left out.
        weighting: 'count', 'tf_idf' (count * log(1 + N / (1 + df))) or 'tf_idf_l2' (the same, each paper's weights
            scaled to a Euclidean norm of 1).
        sublinear_tf: whether 1 + log(count) stands in place of the count.
    """

    text: str = 'title_and_abstract'
    vocabulary_size: int = 150_000
    ngram_max: int = 2
    min_document_frequency: int = 1
    max_document_fraction: float = 1.0
    weighting: str = 'tf_idf_l2'
    sublinear_tf: bool = False

    def __post_init__(self) -> None:
        _require(self.text in TEXTS, f'--text {self.text} is not one of {", ".join(TEXTS)}')
        _require(self.weighting in WEIGHTINGS, f'--weighting {self.weighting} is not one of {", ".join(WEIGHTINGS)}')
        _require(
            1 <= self.vocabulary_size <= MAX_VOCABULARY_SIZE,
            f'--vocabulary_size {self.vocabulary_size} is not between 1 and {MAX_VOCABULARY_SIZE}',
        )
        _require(1 <= self.ngram_max <= 3, f'--ngram_max {self.ngram_max} is not between 1 and 3')
        _require(self.min_document_frequency >= 1, f'--min_document_frequency {self.min_document_frequency} is below 1')
        _require(
            0 < self.max_document_fraction <= 1,
            f'--max_document_fraction {self.max_document_fraction} is not above 0 and at most 1',
        )
        _require(
            not (self.sublinear_tf and self.weighting == 'count'),
            '--sublinear_tf changes nothing with --weighting count; leave one of them out',
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """What `prepare` is asked to do.

    Attributes:
        input: the dumps.
        output_dir: where the training data is published.
        overwrite: whether a finished output there may be replaced.
        min_label_set_papers: label sets with fewer papers are dropped.
        split: how papers are divided.
        ngrams: how text becomes n-grams.
        shards: files a split; None lets the data decide (about 32 MB each).
        analysis_cache_dir: where what was read and counted of each dump is kept for the next run; None keeps nothing.
    """

    input: InputConfig
    output_dir: str
    overwrite: bool = False
    analysis_cache_dir: str | None = None
    min_label_set_papers: int = 2
    split: SplitConfig = SplitConfig()
    ngrams: NgramConfig = NgramConfig()
    shards: int | None = None

    def __post_init__(self) -> None:
        _require(self.min_label_set_papers >= 1, f'--min_label_set_papers {self.min_label_set_papers} is below 1')
        _require(self.shards is None or self.shards >= 1, f'--shards {self.shards} is below 1')
        _require(
            self.analysis_cache_dir is None or not _lies_in(self.analysis_cache_dir, self.output_dir),
            f'--analysis_cache_dir {self.analysis_cache_dir} lies in --output_dir, where only what is published may '
            'stand; choose a folder beside it',
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """What `score` is asked to do: tag the papers of `input` with the export that serves in `model_dir`.

    Attributes:
        input: the dumps.
        model_dir: an output of `train`.
        output_dir: where tagged papers are published.
        overwrite: whether a finished output there may be replaced.
        top_k: labels a paper, at most.
        only_accepted: whether labels are left out whose scores do not reach their thresholds.
        explain: n-grams to name that weigh most for each label; 0 for none.
        output_format: one of OUTPUT_FORMATS.
        batch_size: papers a call of the model, at most.
        shards: files of tagged papers; None lets the size of the dumps decide.
    """

    input: InputConfig
    model_dir: str
    output_dir: str
    overwrite: bool = False
    top_k: int = 10
    only_accepted: bool = False
    explain: int = 0
    output_format: str = 'jsonl'
    batch_size: int = 1024
    shards: int | None = None

    def __post_init__(self) -> None:
        _require(self.top_k >= 1, f'--top_k {self.top_k} is below 1')
        _require(0 <= self.explain <= MAX_EXPLAIN, f'--explain {self.explain} is not between 0 and {MAX_EXPLAIN}')
        _require(
            self.output_format in OUTPUT_FORMATS,
            f'--output_format {self.output_format} is not one of {", ".join(OUTPUT_FORMATS)}',
        )
        _require(self.batch_size >= 1, f'--batch_size {self.batch_size} is below 1')
        _require(self.shards is None or self.shards >= 1, f'--shards {self.shards} is below 1')


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What `evaluate` is asked to do: measure the newest export in `model_dir` on the labelled papers of `input`."""

    input: InputConfig
    model_dir: str
    output: str | None = None
    batch_size: int = 256

    def __post_init__(self) -> None:
        _require(self.batch_size >= 1, f'--batch_size {self.batch_size} is below 1')


@dataclasses.dataclass(frozen=True, kw_only=True)
class DriftConfig:
    """What `drift` is asked to do: tell how far the papers of `input` are from those that a model was measured on.

    Attributes:
        input: the dumps.
        model_dir: an output of `train`; the export that serves is taken.
        output: file for the report, or None.
        data_dir: the output of `prepare` that the model was trained on, to be compared with it; or None.
        fail_on_drift: whether the command ends with exit code 3 where it flags drift.
        batch_size: papers a call of the model, at most.
    """

    input: InputConfig
    model_dir: str
    output: str | None = None
    data_dir: str | None = None
    fail_on_drift: bool = False
    batch_size: int = 256

    def __post_init__(self) -> None:
        _require(self.batch_size >= 1, f'--batch_size {self.batch_size} is below 1')
