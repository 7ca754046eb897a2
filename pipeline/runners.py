"""The only file that names a runner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.errors import ConfigError

# 'DirectRunner' itself first tries to fetch and start Prism; what runs here should not depend on the network.
_IN_PROCESS = 'apache_beam.runners.portability.fn_api_runner.FnApiRunner'
_SHORT_NAMES = {'direct': _IN_PROCESS, 'directrunner': _IN_PROCESS}

# Flags of Flink's job server, which Beam learns only when it talks to one.
_FLINK_FLAGS = ('--parallelism', '--max_parallelism', '--checkpointing_interval', '--state_backend', '--object_reuse')


def beam_flags() -> dict[str, bool]:
    """Returns each flag that Beam knows, and whether it takes a value. Imports Beam, which takes seconds."""
    import argparse

    from apache_beam.options import pipeline_options

    parser = argparse.ArgumentParser(add_help=False, conflict_handler='resolve')
    classes = [pipeline_options.PipelineOptions]
    for class_ in classes:
        classes.extend(class_.__subclasses__())
        if '_add_argparse_args' in vars(class_):
            class_._add_argparse_args(parser)  # type: ignore[arg-type]
    known = {flag: action.nargs != 0 for action in parser._actions for flag in action.option_strings}
    return known | dict.fromkeys(_FLINK_FLAGS, True)


def make_pipeline(flags: Sequence[str]) -> Any:
    """Makes an empty pipeline of Beam flags; without --runner it runs in this process.

    Args:
        flags: as typed, `--name=value` or `--name value`.

    Raises:
        ConfigError: if they ask for something that is known to give wrong results.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

    options = PipelineOptions(list(flags))
    standard = options.view_as(StandardOptions)
    runner = standard.runner or 'direct'
    standard.runner = _SHORT_NAMES.get(runner.lower(), runner)
    if standard.runner == _IN_PROCESS and options.view_as(DirectOptions).direct_running_mode == 'multi_threading':
        # 1,000,000 words through Count.PerElement on two threads came out as 973,958 (Beam 2.77.0).
        raise ConfigError(
            "--direct_running_mode multi_threading loses records in Beam's in-process runner; "
            'leave it out, or say multi_processing'
        )
    return beam.Pipeline(options=options)
