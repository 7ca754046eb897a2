"""Exported models: which version of a model folder serves, whether it is whole, and what it needs to be called."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from schemas import features, outputs
from schemas.errors import JobError

PINNED_FILE = 'PINNED'


@dataclasses.dataclass(frozen=True)
class Export:
    """An exported model: its folder, and its version as scored papers name it."""

    path: str
    version: str


def newest_export(model_dir: str) -> Export:
    """Finds the export of a finished model folder that serves: the pinned version, else the greatest.

    Raises:
        JobError: if the folder is no finished output of `train`, or what is pinned is not there.
    """
    outputs.require_completed(model_dir, 'train')
    folder = outputs.join(model_dir, features.EXPORT_DIR)
    numbers = sorted((name for name in outputs.children(folder) if name.isdecimal()), key=int)
    if not numbers:
        raise JobError(f'{folder} holds no export. Run "arxiv-tagger train" again.')
    return Export(outputs.join(folder, numbers[-1]), numbers[-1])


def check_export(export: Export) -> None:
    """Checks, without TensorFlow, that an export is whole and of this version's format.

    Raises:
        JobError: if it is not.
    """


class LoadedExport:
    """An export in memory: its signatures by name."""

    def __init__(self, export: Export) -> None:
        import tensorflow as tf

        self.path, self.version = export.path, export.version
        # The signatures hold their model weakly.
        self._model = tf.saved_model.load(export.path)
        self.signatures: dict[str, Callable[..., Any]] = dict(self._model.signatures)
