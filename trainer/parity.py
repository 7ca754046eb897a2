"""Whether training and serving see the same: papers through TFRecords, and their raw text through an export."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from schemas import features, outputs, scratch
from schemas.errors import JobError
from trainer import prepared, strategies
from trainer.model import build_tagger
from trainer.prepared import Prepared
from trainer.reference import ReferencePaper, calling, reference_texts

# Equal n-grams and weights leave the order of sums, which is worth some 1e-7; with hidden units of 16 bits, some 1e-3.
TOLERANCE, MIXED_TOLERANCE = 1e-5, 1e-2
_BATCH = 256

# Titles and abstracts to float32 [papers, labels].
Predict = Callable[[Sequence[ReferencePaper]], npt.NDArray[np.float32]]


class Difference(NamedTuple):
    """How far the two are apart.

    Attributes:
        papers: how many were compared.
        largest: largest absolute difference of two probabilities.
        paper: id of the paper that has it; '' without papers.
    """

    papers: int
    largest: float
    paper: str


def check_parity(data_dir: str, model_dir: str, export_path: str) -> dict[str, Any]:
    """Compares the held-out papers of `reference_papers.jsonl.gz` both ways.

    Args:
        data_dir: what the model was trained on.
        model_dir: the model, whose checkpoint reads the TFRecords.
        export_path: its export, which reads raw text.

    Returns:
        `papers`, `largest_difference`, `tolerance`.

    Raises:
        JobError: if those of a paper differ by more than rounding explains, or the folders do not fit together.
    """
    with scratch.new_folder() as local:
        data = prepared.open_prepared(data_dir, local)
        network = checkpointed(model_dir, data)
        texts = dict(reference_texts(data_dir))
        difference = largest_difference(data, ('validation',), texts, network, exported(export_path))
    mixed = any(layer.dtype_policy.name != 'float32' for layer in network.layers)
    tolerance = MIXED_TOLERANCE if mixed else TOLERANCE
    if difference.largest > tolerance:
        raise JobError(
            f'{export_path} and the TFRecords in {data_dir} give paper {difference.paper} probabilities that differ by '
            f'{difference.largest:.2g}, more than {tolerance}. Say the --data_dir that this version was trained on; if '
            'it is that, and the newest version, please report this.'
        )
    return {'papers': difference.papers, 'largest_difference': difference.largest, 'tolerance': tolerance}


def largest_difference(
    data: Prepared, splits: Sequence[str], texts: Mapping[str, ReferencePaper], model: keras.Model, predict: Predict
) -> Difference:
    """Compares the papers of some splits whose raw text is known.

    Args:
        data: what `prepare` published.
        splits: which papers.
        texts: id -> title and abstract.
        model: reads n-grams and weights of the TFRecords.
        predict: reads raw text.
    """
    found = Difference(0, 0.0, '')
    for split in splits:
        for names, weights, _ in data.chosen(split, texts, _BATCH):
            stored = np.asarray(model(weights, training=False))
            apart = np.abs(stored - predict([texts[name] for name in names])).max(axis=1)
            worst = int(apart.argmax())
            found = found._replace(papers=found.papers + len(names))
            if apart[worst] >= found.largest:
                found = Difference(found.papers, float(apart[worst]), names[worst])
    return found


def checkpointed(model_dir: str, data: Prepared) -> keras.Model:
    """Makes the network of a model folder from its checkpoint.

    Raises:
        JobError: if it is no model of these n-grams and labels.
    """
    metrics = outputs.read_json(outputs.join(model_dir, features.METRICS_FILE))
    if (metrics['ngrams'], metrics['labels']) != (data.ngrams, len(data.labels)):
        raise JobError(
            f'{model_dir} knows {metrics["ngrams"]:,} n-grams and {metrics["labels"]} labels, {data.data_dir} holds '
            f'{data.ngrams:,} and {len(data.labels)}. Say the --data_dir that the model was trained on.'
        )
    config = metrics['config']
    model = build_tagger(
        ngrams=data.ngrams,
        labels=len(data.labels),
        hidden_units=tuple(config['ensemble_size'] * units for units in config['hidden_units']),
        wide=config['wide'],
        precision=strategies.dtype_policy(config['precision'], strategies.find_strategy('auto')),
    )
    path = outputs.join(model_dir, features.BEST_WEIGHTS_FILE)
    folder, _, name = path.rpartition('/')
    try:
        with scratch.fetched(folder, name) as local:
            model.load_weights(outputs.join(local, name))
    except (OSError, ValueError) as error:
        raise JobError(f'Cannot read {path}: {str(error).splitlines()[0]}. Run "arxiv-tagger train" again.') from error
    return model


def exported(path: str) -> Predict:
    """Loads an export; gives its `predict_all` as a function of raw texts."""
    # The signatures hold their model weakly; the function must keep it.
    with scratch.fetched(path) as folder:
        served = tf.saved_model.load(folder)

    def predict(texts: Sequence[ReferencePaper]) -> npt.NDArray[np.float32]:
        return calling(served.signatures[features.PREDICT_ALL_SIGNATURE])(texts)[features.PROBABILITIES]

    return predict
