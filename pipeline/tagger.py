"""Tags papers with an exported model, in batches, on workers that load it once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import ModelHandler, RunInference

from pipeline.progress import count
from schemas import features, outputs
from schemas.errors import JobError
from schemas.paper import Paper


@dataclasses.dataclass(frozen=True)
class Export:
    """An exported model: its folder, and its version as scored papers name it."""

    path: str
    version: str


@dataclasses.dataclass(frozen=True)
class Tagged:
    """A paper and what the model said of it: arrays by the name of the signature's output, or what went wrong."""

    paper: Paper
    outputs: dict[str, np.ndarray]
    error: str = ''


def newest_export(model_dir: str) -> Export:
    """Finds the newest export of a model folder.

    Raises:
        JobError: if the folder is no finished output of `train`.
    """
    from apache_beam.io.filesystems import FileSystems

    outputs.require_completed(model_dir, 'train')
    [match] = FileSystems.match([outputs.join(model_dir, features.EXPORT_DIR, '*', 'saved_model.pb')])
    versions = [metadata.path.split('/')[-2] for metadata in match.metadata_list]
    numbers = sorted((version for version in versions if version.isdecimal()), key=int)
    if not numbers:
        raise JobError(
            f'{outputs.join(model_dir, features.EXPORT_DIR)} holds no export. Run "arxiv-tagger train" again.'
        )
    return Export(outputs.join(model_dir, features.EXPORT_DIR, numbers[-1]), numbers[-1])


class LoadedExport:
    """An export in memory: its signatures by name. TensorFlow is imported here, not where the pipeline is built."""

    def __init__(self, path: str) -> None:
        import tensorflow as tf

        # The signatures hold their model weakly.
        self._model = tf.saved_model.load(path)
        self.signatures: dict[str, Callable[..., Any]] = dict(self._model.signatures)


class LabelTable(NamedTuple):
    """What an export knows of each label, in the order of `predict_all`'s columns.

    Attributes:
        labels: the names.
        thresholds: float32 [labels]; a label is given where its probability is at least its threshold.
        propensities: float32 [labels], for the propensity-scored metrics.
    """

    labels: list[str]
    thresholds: np.ndarray
    propensities: np.ndarray


def label_table(path: str) -> LabelTable:
    """Reads the label table of an export.

    Raises:
        JobError: if an earlier version of this program exported it.
    """
    table = LoadedExport(path).signatures[features.LABEL_TABLE_SIGNATURE]()
    if features.PROPENSITIES not in table:
        raise JobError(f'{path} has no propensities: it is of an earlier version. Run "arxiv-tagger train" again.')
    names = [label.decode() for label in table[features.LABELS].numpy().tolist()]
    return LabelTable(names, table[features.THRESHOLDS].numpy(), table[features.PROPENSITIES].numpy())


def halving(call: Callable[[Sequence[Paper]], list[Tagged]], papers: Sequence[Paper]) -> Iterator[Tagged]:
    """Calls a model on a batch; where it fails, on each half, until the paper that it refuses is alone.

    Args:
        call: tags papers, or raises.
        papers: the batch.

    Yields:
        One result a paper, in order; of a paper that alone fails, one with `error` set.
    """
    try:
        yield from call(papers)
    except Exception as error:
        if len(papers) == 1:
            yield Tagged(papers[0], {}, str(error).splitlines()[0][:500] if str(error) else type(error).__name__)
            return
        middle = len(papers) // 2
        yield from halving(call, papers[:middle])
        yield from halving(call, papers[middle:])


class TagPapers(beam.PTransform[Any, Any]):
    """Runs a signature of an export on papers. Output: `Tagged`, one a paper.

    Counters: those of Beam's RunInference (batches, latency, model size).
    """

    def __init__(self, export: Export, signature: str, batch_size: int, **constants: int) -> None:
        """Configures the tagging.

        Args:
            export: the model.
            signature: its name.
            batch_size: papers a call, at most.
            **constants: int32 scalars that the signature takes beside title and abstract.
        """
        super().__init__()
        self._handler = SavedModelHandler(export.path, signature, batch_size, constants)

    def expand(self, papers: beam.PCollection[Paper]) -> beam.PCollection[Tagged]:
        """Runs the model."""
        return papers | 'RunInference' >> RunInference(self._handler)


class SavedModelHandler(ModelHandler[Paper, Tagged, LoadedExport]):
    """Lets Beam's RunInference batch papers for, load, and call a SavedModel."""

    def __init__(self, path: str, signature: str, batch_size: int, constants: dict[str, int]) -> None:
        super().__init__()
        self._path = path
        self._signature = signature
        self._batch_size = batch_size
        self._constants = constants

    def load_model(self) -> LoadedExport:
        """Loads the model; RunInference shares it among the threads of a worker."""
        return LoadedExport(self._path)

    def batch_elements_kwargs(self) -> dict[str, int]:
        """Returns the batch sizes between which Beam chooses."""
        return {'min_batch_size': min(16, self._batch_size), 'max_batch_size': self._batch_size}

    def run_inference(
        self, batch: Sequence[Paper], model: LoadedExport, inference_args: dict[str, Any] | None = None
    ) -> Iterator[Tagged]:
        """Tags a batch."""
        del inference_args
        import tensorflow as tf

        signature = model.signatures[self._signature]
        constants = {name: tf.constant(value, tf.int32) for name, value in self._constants.items()}

        def call(papers: Sequence[Paper]) -> list[Tagged]:
            result = signature(
                **{features.TITLE: tf.constant([paper.title.encode() for paper in papers], tf.string)},
                **{features.ABSTRACT: tf.constant([paper.abstract.encode() for paper in papers], tf.string)},
                **constants,
            )
            arrays = {name: tensor.numpy() for name, tensor in result.items()}
            return [
                Tagged(paper, {name: array[row] for name, array in arrays.items()}) for row, paper in enumerate(papers)
            ]

        yield from halving(call, batch)
        count('papers tagged', len(batch))

    def get_metrics_namespace(self) -> str:
        """Returns the namespace of RunInference's metrics."""
        return 'tag_papers'
