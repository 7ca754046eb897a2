"""What an export remembers of held-out papers: some with its own answers, and a profile of many.

A process that takes up a new export can see whether it gives here what it gave where it was made, and papers that it
tags later can be compared with those that its figures were measured on.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy.typing as npt
import tensorflow as tf

from schemas import features, outputs
from schemas.errors import JobError
from schemas.profile import LABELS_A_PAPER, Profile
from trainer.shards import PREPARE_AGAIN

# Papers with answers.
ANSWERED = 32
_BATCH = 256

Answers = dict[str, npt.NDArray[Any]]
Answer = Callable[['Sequence[ReferencePaper]'], Answers]


class ReferencePaper(NamedTuple):
    """A held-out paper as it was read."""

    title: str
    abstract: str


def reference_texts(data_dir: str) -> list[tuple[str, ReferencePaper]]:
    """Reads the papers that `prepare` chose, in its order, each behind its id.

    Raises:
        JobError: if their file is missing (an earlier `prepare` wrote none) or damaged.
    """
    path = outputs.join(data_dir, features.REFERENCE_PAPERS_FILE)
    try:
        lines = gzip.decompress(outputs.read_bytes(path)).splitlines()
        records = [json.loads(line) for line in lines]
        return [
            (str(record['id']), ReferencePaper(str(record['title']), str(record['abstract']))) for record in records
        ]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        what = 'is missing' if isinstance(error, FileNotFoundError) else 'cannot be read or is damaged'
        raise JobError(f'{path} {what}. {PREPARE_AGAIN}') from error


def write_reference(folder: str, papers: Sequence[ReferencePaper], k: int) -> None:
    """Writes what stands in `assets.extra` of an export: the reference files first, then the list of all files.

    The answers are those of the SavedModel, loaded as whoever uses it will load it.

    Args:
        folder: of the SavedModel.
        papers: held-out papers; the first `ANSWERED` are written with answers, all go into the profile.
        k: labels a paper in the answers.
    """
    outputs.make_folder(outputs.join(folder, features.ASSETS_DIR))
    model = tf.saved_model.load(folder)
    signature = model.signatures[features.TAG_SIGNATURE]
    answered = papers[:ANSWERED]
    lines = reference_lines(answered, calling(signature, k=k)(answered))
    outputs.write_text(outputs.join(folder, features.REFERENCE_ANSWERS_FILE), ''.join(lines))
    # A profile counts as many labels of a paper whatever the export gives by default.
    profile = profile_of(papers, calling(signature, k=max(k, LABELS_A_PAPER)))
    outputs.write_text(outputs.join(folder, features.REFERENCE_PROFILE_FILE), _json(profile.to_json()))
    outputs.write_json(outputs.join(folder, features.EXPORT_FILE), described(folder))


def calling(signature: Callable[..., dict[str, tf.Tensor]], **constants: int) -> Answer:
    """Makes a function of papers that calls a signature on their raw text, and with int32 scalars."""

    def answer(papers: Sequence[ReferencePaper]) -> Answers:
        title, abstract = (tf.constant([text.encode() for text in texts], tf.string) for texts in _columns(papers))
        scalars = {name: tf.constant(value, tf.int32) for name, value in constants.items()}
        found = signature(title=title, abstract=abstract, **scalars)
        return {name: tensor.numpy() for name, tensor in found.items()}

    return answer


def reference_lines(papers: Sequence[ReferencePaper], answers: Answers) -> list[str]:
    r"""Makes a line of JSON of each paper and what the model answered.

    >>> import numpy as np
    >>> reference_lines(
    ...     [ReferencePaper('On sums', 'We add.')],
    ...     {'labels': np.array([[b'math.NT']]), 'scores': np.array([[.5]], 'f'), 'accepted': np.array([[False]])})
    ['{"title": "On sums", "abstract": "We add.", "labels": ["math.NT"], "scores": [0.5], "accepted": [false]}\n']
    """
    rows = zip(
        papers,
        answers[features.LABELS].tolist(),
        answers[features.SCORES].tolist(),
        answers[features.ACCEPTED].tolist(),
        strict=True,
    )
    return [
        _json(
            {
                features.TITLE: paper.title,
                features.ABSTRACT: paper.abstract,
                features.LABELS: [label.decode() for label in labels],
                # A float32 has at most 9 significant digits; the double that JSON would print has 17.
                features.SCORES: [float(f'{score:.9g}') for score in scores],
                features.ACCEPTED: accepted,
            }
        )
        for paper, labels, scores, accepted in rows
    ]


def profile_of(papers: Sequence[ReferencePaper], tag: Answer) -> Profile:
    """Tags papers, batch by batch, and counts what comes out."""
    profile = None
    for start in range(0, max(len(papers), 1), _BATCH):
        answers = tag(papers[start : start + _BATCH])
        profile = profile or Profile.empty(len(answers[features.NGRAM_PAPERS]))
        profile.add(answers)
    assert profile is not None
    return profile


def described(folder: str) -> dict[str, Any]:
    """Makes export.json: the format, who exported, and the size in bytes of every other file of the export."""
    files = outputs.files_below(folder)
    return {
        'format': features.EXPORT_FORMAT,
        'arxiv_tagger': importlib.metadata.version('arxiv-tagger'),
        'files': {name: files[name].size for name in sorted(files) if name != features.EXPORT_FILE},
    }


def _columns(papers: Sequence[ReferencePaper]) -> tuple[list[str], list[str]]:
    return [paper.title for paper in papers], [paper.abstract for paper in papers]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + '\n'
