"""scikit-learn's LinearSVC, one against the rest, on the same papers' title and abstract."""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

from figures import Scored, figures, parser, write
from prepared import ids_and_labels, matrix, read_papers
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from schemas import features
from trainer.prepared import Prepared, open_prepared

_MAX_FEATURES = 150_000


def main() -> None:
    """Runs the measurement."""
    flags = parser(__doc__)
    flags.add_argument('--features', required=True, choices=('own', 'stored'), help='its own, or those of prepare')
    flags.add_argument('--input', action='append', required=True)
    flags.add_argument('--data_dir', required=True)
    flags.add_argument('--c', type=float, nargs='+', required=True, help='candidates for C')
    arguments = flags.parse_args()

    prepared = open_prepared(arguments.data_dir)
    labelled = {split: ids_and_labels(prepared, split) for split in features.SPLITS}
    if arguments.features == 'own':
        vectorize_seconds, rows = vectorized(arguments.input, {split: ids for split, (ids, _) in labelled.items()})
    else:
        vectorize_seconds, rows = None, stored(prepared)

    def tried(c: float) -> dict[str, Any]:
        started = time.perf_counter()
        with warnings.catch_warnings():
            # A label that every training paper has, or none: OneVsRestClassifier says so and goes on.
            warnings.simplefilter('ignore')
            model = OneVsRestClassifier(LinearSVC(C=c)).fit(rows['train'], labelled['train'][1].astype(int))
        seconds = time.perf_counter() - started
        print(f'LinearSVC: C = {c:g}, {seconds:.0f} s', file=sys.stderr, flush=True)
        validation, test = (
            Scored(*labelled[split], model.decision_function(rows[split])) for split in ('validation', 'test')
        )
        return figures(validation, test) | {'c': c, 'seconds': seconds}

    result = {'tried': [tried(c) for c in arguments.c], 'vectorize_seconds': vectorize_seconds}
    write(arguments.result, result | {'ngrams': rows['train'].shape[1]})


def vectorized(patterns: list[str], ids: dict[str, list[str]]) -> tuple[float, dict[str, Any]]:
    """Weighs the n-grams of each split's papers with a TfidfVectorizer.

    Returns:
        Seconds that the training papers took, and the rows of each split.
    """
    papers = read_papers(patterns)
    texts = {split: [f'{papers[id_].title} {papers[id_].abstract}' for id_ in ids[split]] for split in ids}
    started = time.perf_counter()
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), max_features=_MAX_FEATURES)
    rows = {'train': vectorizer.fit_transform(texts['train'])}
    seconds = time.perf_counter() - started
    return seconds, rows | {split: vectorizer.transform(texts[split]) for split in ('validation', 'test')}


def stored(prepared: Prepared) -> dict[str, Any]:
    """Returns the rows of each split as `prepare` wrote them: our n-grams, our weights."""
    return {split: matrix(prepared, split) for split in features.SPLITS}


if __name__ == '__main__':
    main()
