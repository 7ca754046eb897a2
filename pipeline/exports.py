"""Exported models: which version of a model folder serves, whether it is whole and ours, and how it is called."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from pipeline.saved_model import SavedModel
from pipeline.signatures import signature_fault
from schemas import features, outputs, scratch
from schemas.errors import JobError
from schemas.remote import FileInfo

# Beside the versions. TensorFlow Serving, which looks for numbers, ignores it.
PINNED_FILE = 'PINNED'

_OPERATION = re.compile(r'\{\{.*?\}\} ?| ?\[Op:\w+\]')

# By their paths below a folder.
Files = dict[str, FileInfo]


@dataclasses.dataclass(frozen=True)
class Export:
    """An exported model: its folder, and its version as scored papers name it."""

    path: str
    version: str


def newest_export(model_dir: str) -> Export:
    """Finds the export of a finished model folder that serves (see `wanted_export`), and checks it.

    Raises:
        JobError: if the folder is no finished output of `train`, or the export is not there, not whole, or not ours.
    """
    outputs.require_completed(model_dir, 'train')
    export = wanted_export(model_dir)
    check_export(export)
    return export


def wanted_export(model_dir: str, pinned: str | None = None) -> Export:
    """Finds the export that should serve, whether or not it can.

    It is the version whose number stands in `export/PINNED`, if there is such a file; else the greatest.

    Args:
        model_dir: what `train` published; COMPLETED may be missing, as it is for a moment when `train` adds a version.
        pinned: a version, which then takes the place of what `export/PINNED` says.

    Raises:
        JobError: if there is no version, or what is pinned is no number.
        OSError: if the folder cannot be read.
    """
    folder = outputs.join(model_dir, features.EXPORT_DIR)
    versions = _versions(folder)
    if not versions:
        found = 'holds no export' if outputs.exists(folder) else 'does not exist'
        raise JobError(f'{folder} {found}. Run "arxiv-tagger train" first.')
    said_by = f'the pinned version {pinned!r}'
    if pinned is None:
        said_by = outputs.join(folder, PINNED_FILE)
        pinned = outputs.read_bytes(said_by).decode('utf-8', 'replace') if outputs.exists(said_by) else versions[-1]
    if not _is_version(pinned.strip()):
        raise JobError(
            f'{said_by} should be the number of a version, not {pinned.strip()[:50]!r}. '
            f'There are: {", ".join(versions)}. Without it the greatest serves.'
        )
    number = int(pinned)
    version = next((version for version in versions if int(version) == number), str(number))
    return Export(outputs.join(folder, version), version)


def earlier_exports(model_dir: str, export: Export) -> list[Export]:
    """Lists the versions before the greatest, newest first; none, if `export` is not the greatest: it was pinned."""
    folder = outputs.join(model_dir, features.EXPORT_DIR)
    *earlier, greatest = _versions(folder) or ['']
    return [
        Export(outputs.join(folder, version), version) for version in reversed(earlier) if greatest == export.version
    ]


def files_of(export: Export) -> Files:
    """Lists the files of an export with their sizes and times, by path below it; none, if it is missing.

    Raises:
        OSError: if it cannot be listed.
    """
    return outputs.files_below(export.path)


def check_export(export: Export) -> None:
    """Checks, without TensorFlow, that an export is whole and of the format that this version reads.

    Raises:
        JobError: if it is not.
        OSError: if it cannot be read.
    """
    files = files_of(export)
    _require_there(export, files)
    if features.EXPORT_FILE not in files:
        raise JobError(
            f'{export.path} has no {features.EXPORT_FILE}: it was exported by an earlier version of arxiv-tagger or by '
            'something else, or is not yet copied. Run "arxiv-tagger train" again.'
        )
    path = outputs.join(export.path, features.EXPORT_FILE)
    try:
        described = outputs.read_json(path)
        format_, made_by = described['format'], described.get('arxiv_tagger', 'unknown')
        sizes = {str(name): int(size) for name, size in described.get('files', {}).items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise JobError(
            f'{path} is damaged ({type(error).__name__}). Copy the export again, or run "arxiv-tagger train" again.'
        ) from error
    if format_ != features.EXPORT_FORMAT:
        raise JobError(
            f'{export.path} is an export of format {format_}, by arxiv-tagger {made_by}; this version reads format '
            f'{features.EXPORT_FORMAT}. Run "arxiv-tagger train" with this version, or use that one.'
        )
    for name, size in {'saved_model.pb': -1, features.REFERENCE_ANSWERS_FILE: -1, **sizes}.items():
        if name not in files:
            raise JobError(f'{export.path} has no {name}. Copy the export again, or run "arxiv-tagger train" again.')
        if files[name].size != size:
            raise JobError(
                f'{outputs.join(export.path, name)} has {files[name].size} bytes, '
                f'{f"and {path} says {size}" if size >= 0 else f"and {path} does not list it"}. '
                'Copy the export again, or run "arxiv-tagger train" again.'
            )


class LoadedExport:
    """An export in memory.

    Attributes:
        path: its folder.
        version: as scored papers name it.
    """

    def __init__(self, export: Export) -> None:
        """Loads an export.

        Raises:
            JobError: if TensorFlow cannot load it, or its signatures are not those that we call.
            OSError: if that may pass: no memory, a storage that does not answer.
        """
        with scratch.fetched(export.path) as folder:
            self._load(export, folder)

    def _load(self, export: Export, folder: str) -> None:
        import tensorflow as tf

        passing = (tf.errors.ResourceExhaustedError, tf.errors.UnavailableError, tf.errors.DeadlineExceededError)
        self.path, self.version = export.path, export.version
        try:
            self._model = SavedModel(folder)
        except (*passing, MemoryError) as error:
            raise OSError(f'{export.path} cannot be loaded now: {first_line(error)}') from error
        except Exception as error:
            raise JobError(
                f'{export.path} cannot be loaded: {first_line(error)}. '
                'Copy the export again, or run "arxiv-tagger train" again.'
            ) from error
        if fault := signature_fault(self._model.signatures):
            raise JobError(
                f'{export.path} is no model that this version of arxiv-tagger can call: {fault}. '
                'Run "arxiv-tagger train" again.'
            )

    def call(
        self, signature: str, titles: Sequence[bytes], abstracts: Sequence[bytes], **constants: int
    ) -> dict[str, np.ndarray]:
        """Calls a signature on raw UTF-8 texts, and with int32 scalars.

        Returns:
            What it gives, by name.
        """
        texts = {features.TITLE: titles, features.ABSTRACT: abstracts}
        return self._model.call(
            signature, **{name: np.array(some, object) for name, some in texts.items()}, **constants
        )

    def label_table(self) -> dict[str, np.ndarray]:
        """Returns what it knows of its labels: names (bytes), thresholds, propensities, in one order."""
        return self._model.call(features.LABEL_TABLE_SIGNATURE)


def _versions(folder: str) -> list[str]:
    return sorted(filter(_is_version, outputs.children(folder)), key=int)


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal()


def _require_there(export: Export, files: Files) -> None:
    if files:
        return
    folder = export.path.rpartition('/')[0]
    others = ', '.join(version for version in _versions(folder) if version != export.version)
    raise JobError(
        f'{export.path} {"is empty" if outputs.exists(export.path) else "does not exist"}; {folder} holds '
        f'{others or "no other"}. Write the number of one that is there to {outputs.join(folder, PINNED_FILE)}, '
        'or remove that file: the greatest then serves.'
    )


def first_line(error: BaseException) -> str:
    """Returns the first line of what an error says, without its full stop, or the error's name if it says nothing.

    Which operation on which device TensorFlow was at is left out.
    """
    lines = _OPERATION.sub('', str(error)).strip().splitlines()
    return lines[0][:300].rstrip('. ') if lines else type(error).__name__
