"""On which devices training runs, and how it gets its papers there.

One process drives all devices. On the CPU and on GPUs batches stay sparse. XLA, and with it a TPU, compiles for fixed
shapes: there, each paper has the same number of n-grams (`padded`). Not run on a TPU; tests compile the same step with
XLA on the CPU.
"""

from __future__ import annotations

import functools
import os

import tensorflow as tf

from schemas.errors import JobError

# On a TPU: a heavier tail than this hardly any abstract has.
_NGRAMS_PER_PAPER = 512


def find_strategy(name: str) -> tf.distribute.Strategy:
    """Finds the devices to train on.

    Args:
        name: 'one_device'; 'mirrored', all GPUs, or without GPUs all CPU devices that TensorFlow was configured to
            have; 'tpu', the one that the environment variable TPU_NAME names or that is attached; 'auto', a TPU if
            there is one, else several GPUs if there are, else the one device.

    Raises:
        JobError: if the devices asked for are not there.
    """
    tpu = bool(os.environ.get('TPU_NAME') or tf.config.list_physical_devices('TPU'))
    gpus = tf.config.list_logical_devices('GPU')
    if name == 'tpu' or (name == 'auto' and tpu):
        return _tpu(tpu)
    if name == 'mirrored' or (name == 'auto' and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices('CPU')
        if len(devices) < 2:
            raise JobError(f'--strategy mirrored needs several GPUs; this machine has {len(gpus)}. Say auto.')
        return _mirrored(tuple(device.name for device in devices))
    return tf.distribute.get_strategy()


# TensorFlow remembers by its number the shape that an exchange between devices had, and each strategy counts from the
# same number on: with a second one in a process, the exchanges of other batches would have the numbers of the first's.
@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(devices)


def _tpu(found: bool) -> tf.distribute.Strategy:
    if not found:
        raise JobError('--strategy tpu finds no TPU: none is attached, and TPU_NAME is not set. Say auto.')
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(os.environ.get('TPU_NAME', 'local'))
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise JobError(f'--strategy tpu cannot reach the TPU: {error}') from error


def needs_static_shapes(strategy: tf.distribute.Strategy) -> bool:
    """Whether the devices run nothing but what XLA has compiled."""
    return isinstance(strategy, tf.distribute.TPUStrategy)


def dtype_policy(precision: str, strategy: tf.distribute.Strategy) -> str:
    """Finds Keras' dtype policy for the hidden layers.

    Args:
        precision: a policy, or 'auto': mixed_bfloat16 on a TPU and on GPUs with compute capability 8 or higher,
            mixed_float16 on those with 7, which multiply matrices faster so; float32 elsewhere.
        strategy: the devices.
    """
    if precision != 'auto':
        return precision
    if needs_static_shapes(strategy):
        return 'mixed_bfloat16'
    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices('GPU')]
    capability = min((gpu.get('compute_capability', (0, 0))[0] for gpu in details), default=0)
    if capability >= 8:
        return 'mixed_bfloat16'
    return 'mixed_float16' if capability == 7 else 'float32'


def distributed(strategy: tf.distribute.Strategy, papers: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    """Divides each batch among the devices, such that the mean of their gradients is the gradient of the batch.

    Args:
        strategy: the devices.
        papers: `trainer.dataset.Batch`es.
        batch_size: papers in the largest of them.

    Returns:
        What `fit` takes for a model that was made for the strategy: the papers themselves for one device.
    """
    replicas = strategy.num_replicas_in_sync
    if needs_static_shapes(strategy):
        divisible = -(-batch_size // replicas) * replicas
        return strategy.experimental_distribute_dataset(padded(papers, divisible, _NGRAMS_PER_PAPER))
    if replicas == 1:
        return papers
    return strategy.distribute_datasets_from_function(lambda context: pieces(papers, replicas))


def pieces(papers: tf.data.Dataset, number: int) -> tf.data.Dataset:
    """Cuts each batch into pieces of about the same size.

    Args:
        papers: batches (SparseTensor [papers, ngrams], float32 [papers, labels]).
        number: of pieces; there can be more than papers, then some are empty.

    Returns:
        The pieces, each with a third component: what each of its papers counts, float32 [papers], 1 where all pieces of
        a batch are of one size. A mean over the pieces of the mean over their papers, so weighted, is the batch's mean.
    """

    def piece(weights: tf.SparseTensor, applies: tf.Tensor, index: tf.Tensor) -> tuple[tf.SparseTensor, ...]:
        total = tf.shape(applies, tf.int64)[0]
        start, end = index * total // number, (index + 1) * total // number
        part = tf.sparse.slice(weights, [start, 0], [end - start, weights.shape[1]])
        part = tf.SparseTensor(part.indices, part.values, tf.stack([end - start, weights.shape[1]]))
        counts = tf.cast((end - start) * number, tf.float32) / tf.cast(total, tf.float32)
        return part, applies[start:end], tf.fill([end - start], counts)

    def cut(weights: tf.SparseTensor, applies: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.range(number).map(lambda index: piece(weights, applies, index))

    return papers.flat_map(cut).prefetch(tf.data.AUTOTUNE)


def padded(papers: tf.data.Dataset, batch_size: int, ngrams_per_paper: int) -> tf.data.Dataset:
    """Gives all batches one shape.

    A paper with more n-grams keeps its weightiest. One with fewer repeats its weightiest with weight 0, so that no
    n-gram gets an update that has none in the batch. A batch with fewer papers gets empty ones, which count nothing;
    they stand for the most frequent n-gram.

    Args:
        papers: batches (SparseTensor [papers, ngrams], float32 [papers, labels]).
        batch_size: papers a batch.
        ngrams_per_paper: n-grams a paper.

    Returns:
        Batches ((int32 ids, float32 weights), each [batch_size, ngrams_per_paper], float32 [batch_size, labels], what
        each paper counts, float32 [batch_size]): a mean over `batch_size` papers, so weighted, is the batch's mean.
    """

    def pad(weights: tf.SparseTensor, applies: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], tf.Tensor, tf.Tensor]:
        total = tf.shape(applies)[0]
        rows, columns = weights.indices[:, 0], tf.cast(weights.indices[:, 1], tf.int32)

        def dense(values: tf.Tensor) -> tf.Tensor:
            ragged = tf.RaggedTensor.from_value_rowids(values, rows, tf.cast(total, tf.int64))
            return tf.pad(ragged.to_tensor(), [[0, batch_size - total], [0, ngrams_per_paper]])

        heaviest, places = tf.math.top_k(dense(weights.values), ngrams_per_paper)
        ids = tf.gather(dense(columns), places, batch_dims=1)
        ids = tf.where(heaviest > 0, ids, ids[:, :1])
        applies = tf.pad(applies, [[0, batch_size - total], [0, 0]])
        counts = tf.pad(tf.fill([total], batch_size / total), [[0, batch_size - total]])
        shape = [batch_size, ngrams_per_paper]
        return (
            (tf.ensure_shape(ids, shape), tf.ensure_shape(heaviest, shape)),
            tf.ensure_shape(applies, [batch_size, None]),
            tf.ensure_shape(tf.cast(counts, tf.float32), [batch_size]),
        )

    return papers.map(pad, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
