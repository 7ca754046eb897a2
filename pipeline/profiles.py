"""Counts what tagged papers look like, and holds it against the papers that came with the model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam

from pipeline.exports import Export
from pipeline.tagger import TaggedBatch
from schemas import features, outputs
from schemas.errors import JobError
from schemas.profile import Profile


def reference_profile(export: Export) -> Profile:
    """Reads the profile of the held-out papers that an export was measured on.

    Raises:
        JobError: if it cannot be read.
    """
    path = outputs.join(export.path, features.REFERENCE_PROFILE_FILE)
    try:
        return Profile.from_json(outputs.read_json(path))
    except (OSError, ValueError) as error:
        raise JobError(f'Cannot read {path}: {error}. Run "arxiv-tagger train" again.') from error


class ProfileTagged(beam.PTransform[Any, Any]):
    """Counts what tagged papers look like. Output: one `Profile` of all of them.

    Papers that the model refused are not in it.
    """

    def __init__(self, ngrams: int) -> None:
        """Configures the counting.

        Args:
            ngrams: how many n-grams the model counts, as its reference profile has them.
        """
        super().__init__()
        self._ngrams = ngrams

    def expand(self, tagged: beam.PCollection[TaggedBatch]) -> beam.PCollection[Profile]:
        """Counts batches, then merges."""
        return tagged | 'Profile' >> beam.CombineGlobally(_AddToProfile(self._ngrams))


class _AddToProfile(beam.CombineFn):
    def __init__(self, ngrams: int) -> None:
        self._ngrams = ngrams

    def create_accumulator(self, *args: Any, **kwargs: Any) -> Profile:
        return Profile.empty(self._ngrams)

    def add_input(self, mutable_accumulator: Any, element: Any, *args: Any, **kwargs: Any) -> Profile:
        if not element.error:
            mutable_accumulator.add(element.outputs)
        return mutable_accumulator

    def merge_accumulators(self, accumulators: Iterable[Profile], *args: Any, **kwargs: Any) -> Profile:
        merged = Profile.empty(self._ngrams)
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: Profile, *args: Any, **kwargs: Any) -> Profile:
        return accumulator
