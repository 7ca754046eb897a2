"""Tags raw papers in a bare loop over the SavedModel: what one would write without this program.

Reads JSON Lines, calls `serving_default` in batches, on threads that take turns, and keeps nothing of the answers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import pathlib
import threading
import time
from collections.abc import Iterator, Sequence

import machine


def main() -> None:
    """Reads the flags and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument('--export', required=True, metavar='DIR')
    parser.add_argument('--papers', required=True, metavar='FILE', help='JSON Lines with title and abstract')
    parser.add_argument('--number', type=int, required=True)
    parser.add_argument('--batch_size', type=int, required=True)
    parser.add_argument('--threads', type=int, required=True, help='that call the model')
    parser.add_argument('--tensorflow_threads', type=int, required=True, help='that an operation may use')
    parser.add_argument('--result', required=True, metavar='FILE')
    arguments = parser.parse_args()

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.tensorflow_threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.tensorflow_threads)
    model = tf.saved_model.load(arguments.export)
    serve = model.signatures['serving_default']
    batches = batches_of(arguments.papers, arguments.number, arguments.batch_size)
    lock = threading.Lock()

    def call(batch: Sequence[dict[str, str]]) -> None:
        titles, abstracts = ([paper[field] for paper in batch] for field in ('title', 'abstract'))
        answer = serve(title=tf.constant(titles), abstract=tf.constant(abstracts))
        for tensor in answer.values():
            tensor.numpy()

    def work() -> None:
        while True:
            with lock:
                batch = next(batches, None)
            if not batch:
                return
            call(batch)

    # The first call takes longer; the server that this is compared with is warm too.
    call([{'title': '', 'abstract': ''}])
    begin = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(arguments.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loop = time.perf_counter() - begin
    result = {'papers': arguments.number, 'loop_seconds': loop, 'seconds': machine.process_age()}
    pathlib.Path(arguments.result).write_text(json.dumps(result) + '\n', 'utf-8')


def batches_of(path: str, number: int, size: int) -> Iterator[Sequence[dict[str, str]]]:
    """Yields the first `number` papers of a file in batches."""
    with open(path, encoding='utf-8') as file:
        lines = itertools.islice(file, number)
        while batch := [json.loads(line) for line in itertools.islice(lines, size)]:
            yield batch


if __name__ == '__main__':
    main()
