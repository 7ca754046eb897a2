"""scikit-learn's LinearSVC, one against the rest, on its own TfidfVectorizer of the same papers' title and abstract."""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from figures import Scored, figures, parser, write
from prepared import Prepared, read_papers
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from schemas import features

_MAX_FEATURES = 150_000


def logistic(decisions: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Maps decision values into [0, 1], in the same order; the trainer's metrics take nothing else."""
    return (1 / (1 + np.exp(-decisions))).astype(np.float32)


def main() -> None:
    """Runs the measurement."""
    flags = parser(__doc__)
    flags.add_argument('--input', action='append', required=True)
    flags.add_argument('--data_dir', required=True)
    flags.add_argument('--c', type=float, nargs='+', required=True, help='candidates for C')
    arguments = flags.parse_args()

    prepared = Prepared.of(arguments.data_dir)
    papers = read_papers(arguments.input)
    ids, applies, texts = {}, {}, {}
    for split in features.SPLITS:
        ids[split], applies[split] = prepared.ids_and_labels(split)
        texts[split] = [f'{papers[id_].title} {papers[id_].abstract}' for id_ in ids[split]]

    started = time.perf_counter()
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), max_features=_MAX_FEATURES)
    rows = {'train': vectorizer.fit_transform(texts['train'])}
    vectorize_seconds = time.perf_counter() - started
    rows |= {split: vectorizer.transform(texts[split]) for split in ('validation', 'test')}

    def tried(c: float) -> dict[str, Any]:
        started = time.perf_counter()
        with warnings.catch_warnings():
            # A label that every training paper has, or none: OneVsRestClassifier says so and goes on.
            warnings.simplefilter('ignore')
            model = OneVsRestClassifier(LinearSVC(C=c)).fit(rows['train'], applies['train'].astype(int))
        seconds = time.perf_counter() - started
        print(f'LinearSVC: C = {c:g}, {seconds:.0f} s', file=sys.stderr, flush=True)

        def scored(split: str) -> Scored:
            return Scored(ids[split], applies[split], logistic(model.decision_function(rows[split])))

        return figures(scored('validation'), scored('test')) | {'c': c, 'seconds': seconds}

    result = {'tried': [tried(c) for c in arguments.c], 'vectorize_seconds': vectorize_seconds}
    write(arguments.result, result | {'ngrams': rows['train'].shape[1]})


if __name__ == '__main__':
    main()
