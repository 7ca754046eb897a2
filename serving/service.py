"""What the server can be asked, apart from HTTP: labels for papers, the labels there are, the model."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Sequence
from typing import Any

import orjson

from pipeline.exports import LoadedExport, first_line
from pipeline.watched_model import Watcher
from schemas import features, outputs
from serving import api, tagging
from serving.batching import Batcher, ItemError
from serving.errors import RequestError
from serving.metrics import ServerMetrics

_log = logging.getLogger(__name__)
# Papers in a call: more make it a tenth faster, and those behind wait twice as long. Explained labels and n-grams of
# them take as long as papers do. So a call takes some 5 ms, or 20 where n-grams are asked for.
_BATCH_PAPERS, _BATCH_LABELS, _BATCH_NGRAMS = 32, 500, 4000
# So many that wait are worth a second call beside one.
_MANY_PAPERS = 24


class Service:
    """Answers with the model that serves at the time."""

    def __init__(self, watcher: Watcher, model_dir: str, queue_papers: int) -> None:
        """Starts the threads that call the model.

        Args:
            watcher: has the model.
            model_dir: what `train` published, for the model card.
            queue_papers: so many may wait.
        """
        self._watcher, self._model_dir = watcher, model_dir
        self._labels: weakref.WeakKeyDictionary[LoadedExport, tagging.Labels] = weakref.WeakKeyDictionary()
        self._batcher: Batcher[LoadedExport, tagging.Text] = Batcher(
            watcher.current,
            self._call,
            batch_items=_batch_papers,
            many_items=_MANY_PAPERS,
            queue_items=queue_papers,
        )
        self.metrics = ServerMetrics(watcher, lambda: self._batcher.waiting)
        # Whether it goes on taking requests.
        self.ready = True

    @property
    def alive(self) -> bool:
        """Whether requests can still be answered."""
        return self._batcher.alive

    async def tag(self, body: bytes) -> bytes:
        """Answers a request for labels.

        Raises:
            RequestError: if it cannot be.
        """
        request = api.read_request(body)
        papers: Sequence[api.Paper] = request.papers if isinstance(request, api.SomePapers) else [request]
        texts = [(paper.title.encode(), paper.abstract.encode()) for paper in papers]
        try:
            model, answers = await self._batcher.submit(texts, request.top_k, request.explain)
        except ItemError as error:
            _log.warning('The model fails on a paper: %s', first_line(error.error))
            raise RequestError(
                500,
                'model_failed',
                f'The model fails on paper {error.index + 1}: {first_line(error.error)}. Leave it out.',
                at=f'papers[{error.index}]' if isinstance(request, api.SomePapers) else None,
            ) from error
        return orjson.dumps(
            {
                'model_version': model.version,
                'papers': [
                    {'predictions': answer} if paper.id is None else {'id': paper.id, 'predictions': answer}
                    for paper, answer in zip(papers, answers, strict=True)
                ],
            }
        )

    def labels(self) -> bytes:
        """Lists the labels of the model."""
        model = self._watcher.current()
        return orjson.dumps({'model_version': model.version, 'labels': self._labels_of(model).table})

    def model(self) -> bytes:
        """Describes the model."""
        status = self._watcher.status()
        version = status['serving']['version']
        metrics, card = (self._published(name, version) for name in (features.METRICS_FILE, features.MODEL_CARD_FILE))
        return orjson.dumps(
            {
                'model_version': version,
                'serving_since': status['serving']['since'],
                'refused': status['refused'],
                'metrics': None if metrics is None else orjson.loads(metrics),
                'model_card': None if card is None else card.decode(),
            }
        )

    def stop(self) -> None:
        """Ends the threads; what waits is answered first."""
        self._batcher.stop()
        self._watcher.stop()

    def _call(self, model: LoadedExport, papers: Sequence[tagging.Text], k: int, n: int) -> list[list[dict[str, Any]]]:
        self.metrics.batch(len(papers))
        return tagging.predictions(model, self._labels_of(model), papers, k, n)

    def _labels_of(self, model: LoadedExport) -> tagging.Labels:
        if (labels := self._labels.get(model)) is None:
            labels = self._labels[model] = tagging.Labels(model)
        return labels

    def _published(self, name: str, version: str) -> bytes | None:
        """Reads a file that `train` publishes of the greatest version, if that is the one."""
        versions = outputs.children(outputs.join(self._model_dir, features.EXPORT_DIR))
        if version != max(filter(str.isdecimal, versions), key=int, default=None):
            return None
        path = outputs.join(self._model_dir, name)
        return outputs.read_bytes(path) if outputs.exists(path) else None


def _batch_papers(k: int, n: int) -> int:
    """Returns how many papers to ask for in a call."""
    return max(1, min(_BATCH_PAPERS, _BATCH_LABELS // k, _BATCH_NGRAMS // (k * n))) if n else _BATCH_PAPERS
