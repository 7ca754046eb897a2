"""The command line: flags become configs, and each command runs its stage. The one file that knows all stages.

What takes seconds to import (TensorFlow, Beam) is imported by the command that needs it, once its flags are known to
make sense.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline import flags, fork_server, memory, parsing, quiet, runners
from pipeline.config import InputConfig, ScoreConfig
from pipeline.failures import INTERRUPTED, explain
from pipeline.progress import Progress
from pipeline.streaming_config import StreamingConfig, streaming_config
from reporting import flags as report_flags
from schemas import features, outputs, remote
from schemas.errors import ConfigError, JobError
from schemas.remote import is_remote
from serving import flags as serving_flags
from trainer import flags as trainer_flags

# Exit code of `drift --fail_on_drift`.
_DRIFTED = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code: 0 done, 1 the job failed, 2 wrong usage, 3 drift was flagged."""
    verbose = '--verbose' in (argv if argv is not None else sys.argv[1:])
    engine = None
    try:
        arguments, beam_arguments = parsing.parse(_ALL_COMMANDS, sys.argv[1:] if argv is None else argv)
        engine = runners.engine_of(beam_arguments)
        if not runners.runs_here(beam_arguments):
            _make_absolute(arguments)
        run = _COMMANDS[arguments.command](arguments)
        streaming = getattr(arguments, 'streaming', False)
        beam_arguments = runners.filled_in(beam_arguments, _paths_of(arguments), streaming=streaming)
        quiet.set_up(verbose)
        memory.set_up()
        remote.use_flags(beam_arguments)
        _import_plugins(arguments.beam_plugins or ())
        signal.signal(signal.SIGTERM, _interrupt)
        return int(run(beam_arguments) or 0)
    except ConfigError as error:
        return _failed(str(error), 2, verbose)
    except KeyboardInterrupt:
        _failed(INTERRUPTED, 1, verbose)
        fork_server.stop()
        # Threads of an in-process runner would keep a process alive that has nothing left to do.
        os._exit(1)
    except Exception as error:
        return _failed(explain(error, engine), 1, verbose)


# What names a file or folder, of all commands.
_PATHS = ('input', 'output_dir', 'model_dir', 'data_dir', 'analysis_cache_dir', 'output')


def _paths_of(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    for name in _PATHS:
        value = getattr(arguments, name, None)
        for path in [value] if isinstance(value, str) else value or []:
            yield f'--{name}', path
        if name == 'output' and hasattr(arguments, name) and value is None:
            # Then the result is left where the job runs.
            yield '--output', ''


def _make_absolute(arguments: argparse.Namespace) -> None:
    """Makes paths absolute: processes elsewhere have working folders of their own."""
    for name in _PATHS:
        value = getattr(arguments, name, None)
        if value:
            setattr(
                arguments, name, _absolute(value) if isinstance(value, str) else [_absolute(path) for path in value]
            )


def _absolute(path: str) -> str:
    return path if '://' in path else os.path.abspath(path)


def _import_plugins(modules: Sequence[str]) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ConfigError(
                f'--beam_plugins {module} cannot be imported: {error}. Install it, or put its folder into PYTHONPATH.'
            ) from error


def _prepare(arguments: argparse.Namespace) -> Any:
    config = flags.prepare_config(arguments)

    def run(beam_arguments: Sequence[str]) -> None:
        dumps, workers = _find_dumps(config.input, beam_arguments, labelled=True)
        publishing = outputs.publish(
            config.output_dir, features.PREPARE_PUBLISHES, made_by='prepare', overwrite=config.overwrite
        )
        with publishing as staging, Progress('prepare', runners.elsewhere(beam_arguments)):
            with quiet.importing_tensorflow():
                from pipeline import prepare

            statistics = prepare.run(config, dumps, runners.make_pipeline(beam_arguments, workers), staging)
        splits = ', '.join(f'{number:,} {split}' for split, number in statistics['splits'].items())
        _say(
            f'{statistics["read"]:,} records read: {statistics["kept"]:,} kept, '
            f'{statistics["duplicates"]:,} duplicates, {statistics["dropped_rare_label_set"]:,} with a rare label set, '
            f'{sum(statistics["rejected"].values()):,} rejected'
        )
        _say(f'papers: {splits}; {len(statistics["labels"])} labels, {statistics["ngrams"]["vocabulary"]:,} n-grams')
        _say_rejected(statistics, config.output_dir)
        _say(f'Training data: {config.output_dir}')

    return run


def _train(arguments: argparse.Namespace) -> Any:
    config = trainer_flags.config_of(arguments)

    def run(beam_arguments: Sequence[str]) -> None:
        del beam_arguments
        outputs.require_completed(config.data_dir, 'prepare')
        with Progress('train'), quiet.importing_tensorflow():
            from trainer.train import train

        metrics = train(config)
        _say_metrics('test', metrics['test'])
        _say(f'Model: {config.model_dir}')

    return run


def _evaluate(arguments: argparse.Namespace) -> Any:
    config = flags.evaluate_config(arguments)

    def run(beam_arguments: Sequence[str]) -> None:
        outputs.require_completed(config.model_dir, 'train')
        dumps, workers = _find_dumps(config.input, beam_arguments, labelled=True)
        with _writable(config.output), Progress('evaluate', runners.elsewhere(beam_arguments)):
            with quiet.importing_tensorflow():
                from pipeline import evaluate
                from pipeline.exports import newest_export
                from trainer.metrics import StreamingMetrics

            export = newest_export(config.model_dir)
            metrics = evaluate.run(
                config, dumps, export, StreamingMetrics, runners.make_pipeline(beam_arguments, workers)
            )
            if config.output:
                outputs.write_json(config.output, metrics)
        _say_metrics('all papers', metrics)
        if config.output:
            _say(f'Metrics: {config.output}')

    return run


def _score(arguments: argparse.Namespace) -> Any:
    streaming = streaming_config(arguments)
    config = flags.score_config(arguments)
    if streaming:
        return functools.partial(_score_streaming, config, streaming)

    def run(beam_arguments: Sequence[str]) -> None:
        outputs.require_completed(config.model_dir, 'train')
        dumps, workers = _find_dumps(config.input, beam_arguments, labelled=False)
        publishing = outputs.publish(
            config.output_dir, features.SCORE_PUBLISHES, made_by='score', overwrite=config.overwrite
        )
        with publishing as staging, Progress('score', runners.elsewhere(beam_arguments)):
            with quiet.importing_tensorflow():
                from pipeline import score
                from pipeline.exports import newest_export

            export = newest_export(config.model_dir)
            statistics = score.run(config, dumps, export, runners.make_pipeline(beam_arguments, workers), staging)
        rejected = sum(statistics['rejected'].values())
        _say(f'{statistics["read"]:,} records read: {statistics["tagged"]:,} tagged, {rejected:,} rejected')
        _say_rejected(statistics, config.output_dir)
        _say(statistics['drift']['conclusion'])
        _say(f'Tagged papers: {config.output_dir}')

    return run


def _score_streaming(config: ScoreConfig, streaming: StreamingConfig, beam_arguments: Sequence[str]) -> None:
    outputs.require_completed(config.model_dir, 'train')
    with quiet.importing_tensorflow():
        from pipeline import folders, models, published, pubsub, score_streaming

    if streaming.input_subscription or streaming.output_topic:
        pubsub.require_pubsub()
    if not streaming.input_subscription:
        patterns = folders.patterns_to_watch(config.input.patterns)
        config = dataclasses.replace(config, input=dataclasses.replace(config.input, patterns=patterns))
    source = models.NewestModel(config.model_dir, outputs.join(config.output_dir, features.MODEL_STATUS_FILE))
    try:
        with published.exclusive(config.output_dir) as staging:
            pipeline = runners.make_streaming_pipeline(beam_arguments)
            score_streaming.run(config, streaming, source, pipeline, staging)
    except KeyboardInterrupt:
        _say('Ended. What was not published is read again at the next start.')
        sys.stdout.flush()
        # The runner's thread would go on; what it was at is only staged.
        os._exit(0)


def _drift(arguments: argparse.Namespace) -> Any:
    config = flags.drift_config(arguments)

    def run(beam_arguments: Sequence[str]) -> int:
        outputs.require_completed(config.model_dir, 'train')
        if config.data_dir:
            outputs.require_completed(config.data_dir, 'prepare')
        dumps, workers = _find_dumps(config.input, beam_arguments, labelled=None)
        with _writable(config.output), Progress('drift', runners.elsewhere(beam_arguments)):
            with quiet.importing_tensorflow():
                from pipeline import drift, drift_report
                from pipeline.exports import newest_export
                from trainer.metrics import StreamingMetrics
                from trainer.parity import check_parity

            export = newest_export(config.model_dir)
            report = drift.run(config, dumps, export, StreamingMetrics, runners.make_pipeline(beam_arguments, workers))
            if config.data_dir:
                report['parity'] = check_parity(config.data_dir, config.model_dir, export.path)
            if config.output:
                outputs.write_json(config.output, report)
        for line in drift_report.lines_of(report):
            _say(line)
        if config.output:
            _say(f'Report: {config.output}')
        return _DRIFTED if config.fail_on_drift and report['drifted'] else 0

    return run


def _report(arguments: argparse.Namespace) -> Any:
    config = report_flags.config_of(arguments)

    def run(beam_arguments: Sequence[str]) -> None:
        del beam_arguments
        publishing = outputs.publish(
            config.output_dir, report_flags.PUBLISHES, made_by='report', overwrite=config.overwrite
        )
        with publishing as staging, Progress('report'):
            from reporting.report import write_report

            write_report(config, staging)
        _say(f'Report: {outputs.join(config.output_dir, report_flags.REPORT_FILE)}')

    return run


def _serve(arguments: argparse.Namespace) -> Any:
    config = serving_flags.serve_config(arguments)

    def run(beam_arguments: Sequence[str]) -> None:
        del beam_arguments
        outputs.require_completed(config.model_dir, 'train')
        from serving import listener, workers

        with contextlib.closing(listener.listen(config.host, config.port)) as port:
            announce = functools.partial(_say, listener.url(config.host, port))
            minder = os.getpid() if config.workers > 1 else None
            ready = workers.fork_workers(config.workers, announce) if minder else announce
            if not ready:
                return
            from serving import server

            with quiet.importing_tensorflow():
                import tensorflow  # noqa: F401
            server.run(config, port, ready, minder)

    return run


def _find_dumps(config: InputConfig, beam_arguments: Sequence[str], *, labelled: bool | None) -> tuple[list[Any], int]:
    """Looks into the dumps, and has workers started; returns the dumps, and how many have enough to do with them."""
    from pipeline import partitions

    # The fork server imports while this process does.
    runners.start_early(beam_arguments, partitions.likely_workers(config.patterns))
    from pipeline import inputs

    dumps = inputs.find_dumps(config, labelled=labelled)
    workers = partitions.workers_of(dumps)
    runners.start_early(beam_arguments, workers)
    return dumps, workers


_TRAIN = parsing.Command(
    'train', trainer_flags.PURPOSE, trainer_flags.EXAMPLES, trainer_flags.add_flags, takes_beam_flags=False
)
_REPORT = parsing.Command(
    'report', report_flags.PURPOSE, report_flags.EXAMPLES, report_flags.add_flags, takes_beam_flags=False
)
_SERVE = parsing.Command(
    'serve', serving_flags.PURPOSE, serving_flags.EXAMPLES, serving_flags.add_flags, takes_beam_flags=False
)
_ALL_COMMANDS = (flags.PREPARE, _TRAIN, flags.EVALUATE, flags.SCORE, flags.DRIFT, _REPORT, _SERVE)
_COMMANDS = {
    'prepare': _prepare,
    'train': _train,
    'evaluate': _evaluate,
    'score': _score,
    'drift': _drift,
    'report': _report,
    'serve': _serve,
}


@contextlib.contextmanager
def _writable(path: str | None) -> Iterator[None]:
    """Checks, before the work begins, that the file can be written."""
    if path:
        folder = os.path.dirname(path) or '.'
        if path.endswith('/') or os.path.isdir(path):
            raise JobError(f'--output {path} is a folder; name a file.')
        if is_remote(path):
            outputs.require_writable(folder, '--output')
        elif not os.path.isdir(folder) or not os.access(folder, os.W_OK):
            raise JobError(f'Cannot write --output {path}: its folder does not exist or is read-only.')
    yield


def _say(text: str) -> None:
    print(text, flush=True)


def _say_rejected(statistics: dict[str, Any], output_dir: str) -> None:
    if statistics['rejected']:
        reasons = ', '.join(f'{reason} {number:,}' for reason, number in statistics['rejected'].items())
        _say(f'Rejected: {reasons}; see {outputs.join(output_dir, "dead_letters")}')


def _say_metrics(what: str, metrics: dict[str, Any]) -> None:
    shown = {
        'P@1': 'precision_at_1',
        'P@3': 'precision_at_3',
        'P@5': 'precision_at_5',
        'nDCG@5': 'ndcg_at_5',
        'micro-F1': 'micro_f1',
        'macro-F1': 'macro_f1',
    }
    values = '  '.join(f'{short} {metrics[name]:.3f}' for short, name in shown.items() if metrics.get(name) is not None)
    without = metrics['papers_without_labels']
    _say(f'{what}: {metrics["papers"]:,} papers  {values}')
    if without:
        _say(f'{without:,} more papers have no label that the model knows; they are not measured')


def _failed(message: str, code: int, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    print(f'arxiv-tagger: {message}', file=sys.stderr, flush=True)
    return code


def _interrupt(signal_number: int, frame: Any) -> None:
    del signal_number, frame
    raise KeyboardInterrupt


if __name__ == '__main__':
    sys.exit(main())
