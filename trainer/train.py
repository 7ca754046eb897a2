"""Trains a tagger on what `prepare` published, and publishes the model."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from schemas import features, outputs, scratch
from schemas.errors import JobError
from trainer import callbacks, dataset, export, history, prepared, reference, reports, review, strategies
from trainer.config import TrainConfig
from trainer.curves import Curves
from trainer.decisions import Decisions, decide, described
from trainer.ensemble import merged, release
from trainer.imbalance import label_shares, positive_weights
from trainer.metrics import StreamingMetrics
from trainer.model import Taggers, compiled_tagger
from trainer.prepared import Prepared
from trainer.resume import Course, UnfinishedRun
from trainer.shards import count_papers, digest, one_line

# Whatever the size of a training batch, measuring goes in larger ones.
_MEASURING_BATCH = 512

# What says where a run takes place and what becomes of it, not what comes out.
_NO_SETTINGS = ('data_dir', 'model_dir', 'overwrite', 'resume')


def train(config: TrainConfig) -> dict[str, Any]:
    """Trains a tagger and publishes it in `config.model_dir`.

    Publishes what `features.TRAIN_PUBLISHES` lists: `export/N` (a SavedModel; N is one more than the newest there),
    `metrics.json`, `review.json`, `history.csv`, `labels.tsv`, `model_card.md`, `plots` (CSV files), `logs`
    (TensorBoard) and `checkpoints` (the best weights, the members of an ensemble merged). The same data, config and
    machine give the same weights, and a run that was broken off and goes on gives those of one that was not.

    Returns:
        What `metrics.json` holds.

    Raises:
        JobError: if `config.data_dir` is no finished output of `prepare`, is damaged or lacks training or validation
            papers, if `config.model_dir` cannot be written or holds an unfinished run of other settings, or if
            training diverges.
    """
    outputs.require_completed(config.data_dir, 'prepare')
    publishing = outputs.publish(
        config.model_dir,
        features.TRAIN_PUBLISHES,
        made_by='train',
        overwrite=config.overwrite,
        keep=(features.EXPORT_DIR,),
        unfinished=features.UNFINISHED_DIR,
    )
    with publishing as staging, scratch.uploaded(staging) as folder, scratch.new_folder() as local:
        strategy = strategies.find_strategy(config.strategy)
        keras.utils.set_random_seed(config.seed)
        data = prepared.open_prepared(config.data_dir, local)
        projected = prepared.frequent_ngrams(data, reports.PROJECTED_NGRAMS)
        texts = dict(reference.reference_texts(config.data_dir))
        with prepared.naming_bad_shards(data):
            tagger, course = _trained(config, data, strategy)
            _say(f'Measuring the weights of epoch {history.best_epoch(course.rows)} on the validation and test papers')
            measured = _decide(config, tagger, data)
            thresholds = measured.decisions.thresholds.by_label
            _say('Looking for its worst errors, and for labels that are likely wrong')
            ngrams = prepared.spelled_ngrams(data)
            wrong = review.held_out_review(data, tagger, thresholds, texts, ngrams)
        metrics = {
            **measured.figures,
            'epochs': len(course.rows),
            'best_epoch': history.best_epoch(course.rows),
            'seconds_per_epoch': round(math.fsum(course.seconds) / len(course.seconds), 1),
            'parameters': tagger.count_params(),
            'ngrams': data.ngrams,
            'labels': len(data.labels),
            'config': _settings(config, data),
        }
        _say('Exporting the model')
        exported = export.Tagger(
            tagger, data.transform, ngrams, data.labels, thresholds, data.propensities, config.top_k
        )
        _save(config, exported, tagger, list(texts.values()), folder)
        reports.write_reports(
            folder,
            prepared=data,
            tagger=tagger,
            rows=course.rows,
            test=measured.test,
            uncalibrated_test=measured.uncalibrated_test,
            metrics=metrics,
            ngrams=projected,
        )
        outputs.write_json(
            outputs.join(folder, features.REVIEW_FILE),
            {**measured.beside.described(data.labels, metrics['test']), **wrong},
        )
        outputs.write_json(outputs.join(folder, features.METRICS_FILE), metrics)
    return metrics


def taggers_for(config: TrainConfig, data: Prepared, strategy: tf.distribute.Strategy) -> Taggers:
    """Makes what `train` fits to prepared papers; the random initial weights follow `keras.utils.set_random_seed`."""
    papers = count_papers(data.shards['train'])
    return compiled_tagger(
        config,
        ngrams=data.ngrams,
        labels=len(data.labels),
        steps_per_epoch=_steps(config, data),
        positive_weights=positive_weights(data.label_papers, papers, config.positive_weights),
        label_shares=label_shares(data.label_papers, papers),
        strategy=strategy,
        precision=strategies.dtype_policy(config.precision, strategy),
        static_shapes=strategies.needs_static_shapes(strategy),
    )


def _steps(config: TrainConfig, data: Prepared) -> int:
    return dataset.steps(data.shards['train'], config.batch_size)


def _trained(config: TrainConfig, data: Prepared, strategy: tf.distribute.Strategy) -> tuple[keras.Model, Course]:
    """Trains to the end, and gives the best weights, the members of an ensemble merged."""
    taggers = taggers_for(config, data, strategy)
    run, course = _begin(config, data, taggers)
    _fit(config, data, strategy, taggers, run, course)
    run.restore_best(course)
    # Optimizer and members are four times as large as what is left.
    release(taggers.trained.optimizer.variables)
    tagger = merged(
        taggers.tagger,
        hidden_units=config.hidden_units,
        wide=config.wide,
        ensemble_size=config.ensemble_size,
        precision=strategies.dtype_policy(config.precision, strategy),
    )
    if tagger is not taggers.tagger:
        release(taggers.tagger.variables)
    return tagger, course


def _begin(config: TrainConfig, data: Prepared, taggers: Taggers) -> tuple[UnfinishedRun, Course]:
    """Finds the state of a run that was broken off, or begins a new one."""
    settings = {
        **{f'--{name}': value for name, value in _settings(config, data).items()},
        'training data': digest(data.data_dir),
        **{name: importlib.metadata.version(name) for name in ('arxiv-tagger', 'keras', 'tensorflow')},
    }
    optimizer = taggers.trained.optimizer
    folder = outputs.join(config.model_dir, features.UNFINISHED_DIR)
    run = UnfinishedRun(folder, settings, taggers.tagger.variables, optimizer.variables)
    if not config.resume:
        run.discard()
    course = run.restore()
    if course.rows:
        _say(f'Going on after epoch {len(course.rows)} of {config.planned_epochs(_steps(config, data))}')
    return run, course


def _fit(
    config: TrainConfig,
    data: Prepared,
    strategy: tf.distribute.Strategy,
    taggers: Taggers,
    run: UnfinishedRun,
    course: Course,
) -> None:
    """Trains from where the run has come to its end."""
    begin, epochs = len(course.rows), config.planned_epochs(_steps(config, data))
    if history.is_over(course.rows, epochs, config.patience):
        return
    papers = dataset.shuffled_batches(
        data.shards['train'],
        ngrams=data.ngrams,
        labels=len(data.labels),
        batch_size=config.batch_size,
        seed=config.seed,
        epochs=range(begin, epochs),
    )
    curves = Curves(outputs.join(config.model_dir, features.UNFINISHED_DIR, features.LOGS_DIR), course.rows)
    try:
        taggers.trained.fit(
            strategies.distributed(strategy, papers, config.batch_size),
            initial_epoch=begin,
            epochs=epochs,
            steps_per_epoch=_steps(config, data),
            shuffle=False,
            verbose=0,
            # Those that read the figures come after the one that measures them.
            callbacks=[
                callbacks.StopAtDivergence(config.learning_rate),
                callbacks.Validate(taggers.tagger, data.batches('validation', _MEASURING_BATCH), data.propensities),
                callbacks.Record(run, course, epochs, config.patience, curves),
                callbacks.Progress(epochs, course),
            ],
        )
    except KeyboardInterrupt:
        if course.rows:
            _say(f'The same command goes on after epoch {len(course.rows)}')
        raise
    finally:
        curves.close()
        if not course.rows:
            run.discard()


class _Measured(NamedTuple):
    """What was chosen for the final weights, and what came out.

    Attributes:
        decisions: calibration and thresholds.
        figures: what metrics.json tells of it all.
        test: counts of the test papers, as they were decided.
        uncalibrated_test: before.
        beside: what else was counted of the test papers.
    """

    decisions: Decisions
    figures: dict[str, Any]
    test: StreamingMetrics
    uncalibrated_test: StreamingMetrics
    beside: review.IntervalsAndConfusions


def _decide(config: TrainConfig, tagger: keras.Model, data: Prepared) -> _Measured:
    """Calibrates the tagger, chooses thresholds, and measures before and after."""

    def measured(split: str, *how: Any) -> StreamingMetrics:
        return callbacks.measure(tagger, data.batches(split, _MEASURING_BATCH), data.propensities, *how)

    before = {split: measured(split) for split in ('validation', 'test')}
    decisions = decide(
        tagger,
        before['validation'].histograms,
        lambda: measured('validation').histograms,
        calibrates=config.calibration,
        threshold_method=config.thresholds,
    )
    thresholds = decisions.thresholds.by_label
    beside = review.IntervalsAndConfusions(thresholds, data.propensities)
    after = {'validation': measured('validation', thresholds), 'test': measured('test', thresholds, [beside])}
    results = [{split: counts.result() for split, counts in when.items()} for when in (before, after)]
    figures = {**results[1], **described(decisions, data.labels, *results)}
    return _Measured(decisions, figures, after['test'], before['test'], beside)


def _save(
    config: TrainConfig,
    tagger: export.Tagger,
    model: keras.Model,
    papers: Sequence[reference.ReferencePaper],
    staging: str,
) -> None:
    version = export.next_version(outputs.join(config.model_dir, features.EXPORT_DIR))
    folder = outputs.join(staging, features.EXPORT_DIR, str(version))
    try:
        export.save_tagger(tagger, folder)
        reference.write_reference(folder, papers, config.top_k)
        outputs.make_folder(outputs.join(staging, features.CHECKPOINTS_DIR))
        model.save_weights(outputs.join(staging, features.BEST_WEIGHTS_FILE))
    except (OSError, tf.errors.OpError) as error:
        raise JobError(
            f'Cannot write the model to {config.model_dir}: {one_line(error)}. Mend that, and say the same again.'
        ) from error


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _settings(config: TrainConfig, data: Prepared) -> dict[str, Any]:
    settings = dataclasses.asdict(config) | {'epochs': config.planned_epochs(_steps(config, data))}
    return {name: value for name, value in settings.items() if name not in _NO_SETTINGS}
