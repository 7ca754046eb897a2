"""Builds `arxiv-tagger score --streaming` for a Dataflow flex template, whose parameters come as --name=value.

The template's launcher runs this file (FLEX_TEMPLATE_PYTHON_PY_FILE) with the parameters of metadata.json and with
flags of its own. What it builds lies in a bucket in the end; then Dataflow starts it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence


def arguments_of(parameters: Sequence[str], known: Mapping[str, bool]) -> list[str]:
    """Returns the command line that parameters stand for.

    >>> known = {'--input': True, '--top_k': True, '--only_accepted': False, '--runner': True}
    >>> arguments_of(['--input=gs://b/in/ gs://c/', '--top_k=', '--only_accepted=true'], known)[4:]
    ['--input=gs://b/in/', '--input=gs://c/', '--only_accepted']

    Args:
        parameters: `--name=value`. A value that is empty was left out; of --input several are parted by blanks. Flags
            that take no value have true or false.
        known: flag -> whether it takes a value. Others, of a launcher of other versions, are left out.
    """
    # Nobody is there to say the same again with --verbose.
    arguments = ['score', '--streaming', '--verbose', '--runner=dataflow']
    for parameter in parameters:
        flag, equals, value = parameter.partition('=')
        if flag not in known:
            print(f'{flag} is left out: neither arxiv-tagger nor this version of Beam knows it', file=sys.stderr)
        elif flag in ('--runner', '--streaming') or (equals and not value):
            continue
        elif flag == '--input':
            arguments += [f'--input={pattern}' for pattern in value.split()]
        elif known[flag]:
            arguments.append(parameter)
        elif value.lower() in ('', 'true'):
            arguments.append(flag)
        elif value.lower() != 'false':
            raise SystemExit(f'{flag} is true or false, not {value}')
    return arguments


def known_flags() -> dict[str, bool]:
    """Returns each flag of `score` and of Beam, and whether it takes a value."""
    from pipeline import flags, runners

    parser = argparse.ArgumentParser(add_help=False)
    flags.SCORE.add_flags(parser)
    own = {flag: action.nargs != 0 for action in parser._actions for flag in action.option_strings}
    return runners.beam_flags() | own


if __name__ == '__main__':
    from pipeline import cli

    sys.exit(cli.main(arguments_of(sys.argv[1:], known_flags())))
