"""What a user could take to count and weigh n-grams instead; text in memory, nothing written.

    python benchmarks/prepare_peers.py sklearn --texts FILE --result FILE

A program of its own for each, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import time

from prepare_inputs import load_texts

_NGRAMS = 150_000
_BATCH = 1024


def vectorize(texts: list[str]) -> int:
    """Fits scikit-learn's TfidfVectorizer and transforms the same texts; returns the size of its vocabulary."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows = TfidfVectorizer(ngram_range=(1, 2), max_features=_NGRAMS).fit_transform(texts)
    return int(rows.shape[1])


def adapt(texts: list[str]) -> int:
    """Adapts Keras' TextVectorization; returns the size of its vocabulary. It transforms nothing."""
    import keras
    import tensorflow as tf

    layer = keras.layers.TextVectorization(ngrams=2, max_tokens=_NGRAMS, output_mode='tf_idf')
    layer.adapt(tf.data.Dataset.from_tensor_slices(texts).batch(_BATCH))
    return int(layer.vocabulary_size())


def main() -> None:
    """Runs one of the two and says what it took."""
    flags = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    flags.add_argument('what', choices=('sklearn', 'keras'))
    flags.add_argument('--texts', required=True, metavar='FILE')
    flags.add_argument('--number', type=int, metavar='N', help='texts (default: all)')
    flags.add_argument('--result', required=True, type=pathlib.Path, metavar='FILE')
    arguments = flags.parse_args()
    started = time.perf_counter()
    if arguments.what == 'sklearn':
        import sklearn.feature_extraction.text  # noqa: F401
    else:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    imported = time.perf_counter() - started
    texts = load_texts(arguments.texts)[: arguments.number]
    started, started_cpu = time.perf_counter(), time.process_time()
    ngrams = vectorize(texts) if arguments.what == 'sklearn' else adapt(texts)
    result = {
        'papers': len(texts),
        'ngrams': ngrams,
        'import_seconds': imported,
        'job_seconds': time.perf_counter() - started,
        'job_cpu_seconds': time.process_time() - started_cpu,
    }
    arguments.result.write_text(json.dumps(result, indent=2) + '\n', 'utf-8')


if __name__ == '__main__':
    main()
