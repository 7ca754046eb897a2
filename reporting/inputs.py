"""Reads what the stages have published; what an older version did not write is None."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reporting.flags import ReportConfig
from schemas import features, outputs
from schemas.errors import JobError

RELIABILITY_FILE = f'{features.PLOTS_DIR}/reliability.csv'
RELIABILITY_BEFORE_FILE = f'{features.PLOTS_DIR}/reliability_before.csv'
PRECISION_RECALL_FILE = f'{features.PLOTS_DIR}/precision_recall.csv'
# How many dead letters are read, and how much of each is kept.
MOST_DEAD_LETTERS = 200
_EXCERPT = 300

# What the report needs of each file.
_OVERVIEW = (
    'years', 'labels_per_paper', 'label_pairs', 'words_per_paper', 'document_frequencies', 'distinctive_ngrams',
)  # fmt: skip
_REVIEW = ('intervals', 'confusions', 'worst_papers', 'label_errors')
_LABELS = (
    'label', 'training_papers', 'test_papers', 'threshold', 'given', 'precision', 'recall', 'f1', 'average_precision',
)  # fmt: skip
_RELIABILITY = ('pairs_of', 'pairs', 'mean_score', 'share')

Row = Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Data:
    """What `prepare` published."""

    folder: str
    statistics: Mapping[str, Any]
    manifest: Mapping[str, Any]
    overview: Mapping[str, Any] | None


@dataclasses.dataclass(frozen=True)
class Model:
    """What `train` published."""

    folder: str
    metrics: Mapping[str, Any]
    history: Sequence[Row]
    labels: Sequence[Row]
    precision_recall: Sequence[Row] | None
    reliability: Sequence[Row] | None
    reliability_before: Sequence[Row] | None
    review: Mapping[str, Any] | None


@dataclasses.dataclass(frozen=True)
class Scored:
    """What `score` published: its statistics, and the first dead letters with the begin of each record."""

    folder: str
    statistics: Mapping[str, Any]
    dead_letters: Sequence[Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Inputs:
    """All that a report is made of."""

    data: Data | None
    model: Model | None
    scored: Scored | None
    drift: Mapping[str, Any] | None


def read(config: ReportConfig) -> Inputs:
    """Reads what the config names.

    Raises:
        JobError: if a folder is no finished output of its command, or a file in it cannot be read.
    """
    return Inputs(
        data=read_data(config.data_dir) if config.data_dir else None,
        model=read_model(config.model_dir) if config.model_dir else None,
        scored=read_scored(config.scored) if config.scored else None,
        drift=_read_drift(config.drift) if config.drift else None,
    )


def read_data(folder: str) -> Data:
    """Reads an output of `prepare`."""
    outputs.require_completed(folder, 'prepare')
    return Data(
        folder,
        statistics=_json(folder, features.STATISTICS_FILE, '--data_dir', 'prepare', ('splits', 'labels', 'ngrams')),
        manifest=_json(folder, features.MANIFEST_FILE, '--data_dir', 'prepare', ('config', 'inputs')),
        overview=_json_or_none(folder, features.OVERVIEW_FILE, 'prepare', _OVERVIEW),
    )


def read_model(folder: str) -> Model:
    """Reads an output of `train`."""
    outputs.require_completed(folder, 'train')
    metrics = _json(folder, features.METRICS_FILE, '--model_dir', 'train', ('validation', 'test', 'best_epoch'))
    return Model(
        folder,
        metrics=metrics,
        history=_table(folder, features.HISTORY_FILE, ('epoch', 'loss', 'learning_rate')) or (),
        labels=_table(folder, features.LABEL_FIGURES_FILE, _LABELS, '\t') or (),
        precision_recall=_table(folder, PRECISION_RECALL_FILE, ('label', 'precision', 'recall')),
        reliability=_table(folder, RELIABILITY_FILE, _RELIABILITY),
        reliability_before=_table(folder, RELIABILITY_BEFORE_FILE, _RELIABILITY),
        review=_json_or_none(folder, features.REVIEW_FILE, 'train', _REVIEW),
    )


def read_scored(folder: str) -> Scored:
    """Reads an output of `score`, or a window of a streaming job."""
    if not outputs.exists(outputs.join(folder, outputs.COMPLETED)):
        for name in reversed(outputs.children(folder)):
            window = outputs.join(folder, name)
            if outputs.exists(outputs.join(window, outputs.COMPLETED)):
                raise JobError(
                    f'--scored {folder} holds windows of a streaming job. Name one of them, such as {window}.'
                )
    outputs.require_completed(folder, 'score')
    statistics = _json(folder, features.STATISTICS_FILE, '--scored', 'score', ('tagged', 'accepted_labels'))
    return Scored(folder, statistics, tuple(_dead_letters(outputs.join(folder, features.DEAD_LETTERS_DIR))))


def _read_drift(path: str) -> Mapping[str, Any]:
    if not outputs.exists(path):
        raise JobError(f'--drift {path} does not exist. Write it with "arxiv-tagger drift --output {path} ...".')
    content = _parsed(path)
    if not isinstance(content, dict) or not {'measures', 'months'} <= content.keys():
        raise JobError(f'--drift {path} is no report of drift. Write one with "arxiv-tagger drift --output FILE ...".')
    return content


def _json(folder: str, name: str, flag: str, command: str, keys: Sequence[str]) -> Mapping[str, Any]:
    path = outputs.join(folder, name)
    content = _parsed(path) if outputs.exists(path) else None
    if not isinstance(content, dict) or not set(keys) <= content.keys():
        has = f'has no {name}' if content is None else f'has a {name} without "{_first_missing(content, keys)}"'
        raise JobError(
            f'{flag} {folder} {has}, so it is no output of "arxiv-tagger {command}". Name the folder that it made.'
        )
    return content


def _first_missing(content: Any, keys: Sequence[str]) -> str:
    return next(key for key in keys if not isinstance(content, dict) or key not in content)


def _json_or_none(folder: str, name: str, command: str, keys: Sequence[str]) -> Mapping[str, Any] | None:
    path = outputs.join(folder, name)
    if not outputs.exists(path):
        return None
    content = _parsed(path)
    if not isinstance(content, dict):
        raise JobError(f'{path} holds no JSON object: it is damaged. Run "arxiv-tagger {command}" again.')
    if not set(keys) <= content.keys():
        raise JobError(
            f'{path} has no "{_first_missing(content, keys)}", as another version wrote it. '
            f'Run "arxiv-tagger {command}" again.'
        )
    return content


def _parsed(path: str) -> Any:
    try:
        return outputs.read_json(path)
    except ValueError as error:
        raise JobError(f'{path} is no JSON ({error}): it is damaged. Run the command that wrote it again.') from error


def _table(folder: str, name: str, columns: Sequence[str], separator: str = ',') -> Sequence[Row] | None:
    path = outputs.join(folder, name)
    if not outputs.exists(path):
        return None
    try:
        text = outputs.read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise JobError(f'{path} is no UTF-8: it is damaged. Run the command that wrote it again.') from error
    reader = csv.DictReader(io.StringIO(text, newline=''), delimiter=separator)
    for column in columns:
        if column not in (reader.fieldnames or ()):
            raise JobError(
                f'{path} has no column "{column}", as another version wrote it. Run "arxiv-tagger train" again.'
            )
    rows = list(reader)
    if any(None in row or None in row.values() for row in rows):
        raise JobError(f'{path} has a line that is cut off: it is damaged. Run the command that wrote it again.')
    return rows


def _dead_letters(folder: str) -> Iterator[Mapping[str, Any]]:
    """Yields the first dead letters; a record may be long, so but one of them is held at a time."""
    found = 0
    for name in outputs.children(folder):
        for line in _lines(outputs.join(folder, name)):
            if found == MOST_DEAD_LETTERS:
                return
            found += 1
            yield _excerpt(line, outputs.join(folder, name))


def _excerpt(line: bytes, path: str) -> Mapping[str, Any]:
    try:
        letter = json.loads(line)
        raw = letter['raw']
        if letter['raw_encoding'] == 'base64':
            raw = base64.b64decode(raw[: 4 * _EXCERPT]).decode('utf-8', 'backslashreplace')
        return {name: letter[name] for name in ('source', 'position', 'reason', 'message')} | {'raw': raw[:_EXCERPT]}
    except (ValueError, KeyError, TypeError) as error:
        raise JobError(
            f'{path} has a line that is no dead letter: it is damaged. Run "arxiv-tagger score" again.'
        ) from (error)


def _lines(path: str) -> Iterator[bytes]:
    rest = b''
    for block in outputs.read_blocks(path):
        *lines, rest = (rest + block).split(b'\n')
        yield from lines
    if rest:
        yield rest
