"""The only file that chooses a runner: here, in processes of ours, or elsewhere, by an engine's short name."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline import fork_server
from pipeline.engines.typed_flags import value_of, without
from schemas.errors import ConfigError

# 'DirectRunner' itself first tries to fetch and start Prism; what runs here should not depend on the network.
_IN_PROCESS = 'apache_beam.runners.portability.fn_api_runner.FnApiRunner'
_SHORT_NAMES = {'direct': _IN_PROCESS, 'directrunner': _IN_PROCESS}

# What --runner may say beside Beam's own names; each is a module that fills in the rest.
_ENGINES = ('flink', 'dataflow', 'prism')

# Each has memory of its own, and one launcher feeds them all; whoever wants more can say so.
_MOST_WORKERS = 16

# Flags of Flink's job server, which Beam learns only when it talks to one.
_FLINK_FLAGS = ('--parallelism', '--max_parallelism', '--checkpointing_interval', '--state_backend', '--object_reuse')


def filled_in(flags: Sequence[str], paths: Iterable[tuple[str, str]], *, streaming: bool) -> list[str]:
    """Returns complete Beam flags: where a short name of an engine was typed, with what that engine needs.

    Args:
        flags: as typed, `--name=value` or `--name value`.
        paths: of what the job reads and writes, each behind its flag.
        streaming: whether the job has no end.

    Raises:
        ConfigError: if something that the engine needs is missing, or cannot work there.
        JobError: if the engine is not there.
    """
    engine = engine_of(flags)
    flags = _with_setup_file_found(flags)
    if engine is None:
        return flags
    filled: list[str] = engine.filled_in(without(flags, '--runner'), streaming=streaming)
    if hasattr(engine, 'check_paths'):
        for flag, path in paths:
            engine.check_paths({flag: path})
    if hasattr(engine, 'require_available'):
        engine.require_available(filled)
    return filled


def _with_setup_file_found(flags: Sequence[str]) -> list[str]:
    """Returns the flags with the whole path of --setup_file: Beam goes into its folder, even if it has none."""
    typed = value_of(flags, '--setup_file')
    return [*without(flags, '--setup_file'), f'--setup_file={os.path.abspath(typed)}'] if typed else list(flags)


def engine_of(flags: Sequence[str]) -> Any:
    """Returns the module of the engine whose short name --runner says; None if it says none."""
    name = (value_of(flags, '--runner') or '').lower()
    return importlib.import_module(f'pipeline.engines.{name}') if name in _ENGINES else None


def runs_here(flags: Sequence[str]) -> bool:
    """Whether the job's functions run in the working folder of this process."""
    return _runner(value_of(flags, '--runner')) == _IN_PROCESS


def elsewhere(flags: Sequence[str]) -> str:
    """Returns the name of the runner that the job runs on, short where it has a short one; '' if it runs here."""
    module, _, name = _runner(value_of(flags, '--runner')).rpartition('.')
    if runs_here(flags):
        return ''
    return next((engine for engine in _ENGINES if module == f'pipeline.engines.{engine}_runner'), name)


def run_to_end(pipeline: Any) -> None:
    """Runs a pipeline and waits; where that fails or is broken off, the job is ended, too, wherever it runs."""
    result = pipeline.run()
    try:
        result.wait_until_finish()
    except BaseException:
        with contextlib.suppress(Exception):
            result.cancel()
        raise


def _runner(name: str | None) -> str:
    name = name or 'direct'
    return _SHORT_NAMES.get(name.lower(), name)


def beam_flags() -> dict[str, bool]:
    """Returns each flag that Beam knows, and whether it takes a value. Imports Beam, which takes seconds."""
    from apache_beam.options import pipeline_options

    parser = argparse.ArgumentParser(add_help=False, conflict_handler='resolve')
    classes = [pipeline_options.PipelineOptions]
    for class_ in classes:
        classes.extend(class_.__subclasses__())
        if '_add_argparse_args' in vars(class_):
            class_._add_argparse_args(parser)  # type: ignore[arg-type]
    known = {flag: action.nargs != 0 for action in parser._actions for flag in action.option_strings}
    return known | dict.fromkeys(_FLINK_FLAGS, True)


def make_pipeline(flags: Sequence[str], workers_of_use: int = _MOST_WORKERS) -> Any:
    """Makes an empty pipeline of Beam flags; without --runner it runs on this machine, in a worker process a core.

    --direct_num_workers says another number; one worker runs in this process.

    Args:
        flags: as typed, `--name=value` or `--name value`.
        workers_of_use: how many worker processes have enough to do.

    Raises:
        ConfigError: if they ask for something that is known to give wrong results.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

    options = PipelineOptions(list(flags))
    standard = options.view_as(StandardOptions)
    standard.runner = _runner(standard.runner)
    if standard.runner == _IN_PROCESS and options.view_as(DirectOptions).direct_running_mode == 'multi_threading':
        # 1,000,000 words through Count.PerElement on two threads came out as 973,958 (Beam 2.77.0).
        raise ConfigError(
            "--direct_running_mode multi_threading loses records in Beam's in-process runner; "
            'leave it out, or say multi_processing'
        )
    workers = start_early(flags, workers_of_use)
    if workers > 1:
        from pipeline.local_workers import LocalWorkersRunner

        return beam.Pipeline(runner=LocalWorkersRunner(workers), options=options)
    return beam.Pipeline(options=options)


def make_streaming_pipeline(flags: Sequence[str]) -> Any:
    """Makes an empty streaming pipeline of Beam flags; without --runner it runs in this process.

    Args:
        flags: as typed, `--name=value` or `--name value`.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    options = PipelineOptions(list(flags))
    standard = options.view_as(StandardOptions)
    standard.streaming = True
    if _runner(standard.runner) == _IN_PROCESS:
        from pipeline.local_streaming import LocalStreamingRunner

        return beam.Pipeline(runner=LocalStreamingRunner(), options=options)
    return beam.Pipeline(options=options)


def start_early(flags: Sequence[str], workers_of_use: int = _MOST_WORKERS) -> int:
    """Starts what the workers of `make_pipeline` will be forked from, so that it imports while this process does.

    Takes the same arguments.

    Returns:
        How many worker processes there will be; 0 if none of ours, because something else was asked for.
    """
    workers = _local_workers(flags, workers_of_use)
    if workers > 1:
        try:
            fork_server.start()
        except OSError as error:
            logging.getLogger(__name__).warning('No worker processes, the job runs in this one: %s', error)
            return 0
    return workers


def _local_workers(flags: Sequence[str], workers_of_use: int) -> int:
    """Returns how many worker processes of ours the flags ask for; reads them without Beam, which takes seconds."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument('--direct_running_mode')
    parser.add_argument('--direct_num_workers', type=int, default=0)
    asked, _ = parser.parse_known_args(list(flags))
    if not runs_here(flags) or asked.direct_running_mode:
        return 0
    return asked.direct_num_workers or min(_usable_cores(), _MOST_WORKERS, workers_of_use)


def _usable_cores() -> int:
    """Returns how many cores this process may use: a container or `taskset` may allow fewer than there are."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
