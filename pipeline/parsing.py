"""The shape of the command line: commands and their help, and what becomes of a flag that no command knows.

Imports neither Beam nor TensorFlow, unless a flag is unknown: only then Beam is asked whether it is one of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from schemas.errors import ConfigError

# Beam's own names.
_PLUGIN_FLAGS = ('--beam_plugins', '--beam_plugin')

_BEAM_HELP = """
Beam flags:
  Every flag of Apache Beam is passed on, for example --runner, --direct_num_workers, --temp_location, --region.
  Without --runner the job runs in this process.
"""


class UsageError(ConfigError):
    """The command line as a whole cannot be understood."""


class _Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of printing its usage and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f'{message}. See {self.prog} --help')


@dataclasses.dataclass(frozen=True)
class Command:
    """A command: its purpose, its examples, what adds its flags to a parser, and whether it takes Beam's flags too."""

    name: str
    purpose: str
    examples: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    takes_beam_flags: bool


def make_parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = _Parser(
        prog='arxiv-tagger',
        description='Learns from past papers which subjects a paper belongs to, and tags new ones.',
        epilog='"arxiv-tagger COMMAND --help" explains a command. Exit codes: 0 done, 1 the job failed, 2 wrong usage, '
        '3 drift was flagged.',
        allow_abbrev=False,
    )
    subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for command in commands:
        command.add_flags(_subparser(subparsers, command))
    return parser


def parse(commands: Sequence[Command], argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parses a command line.

    Returns:
        The command's own flags, and the Beam flags to pass on.

    Raises:
        ConfigError: if a flag is neither the command's nor Beam's, or a value is wrong.
    """
    by_name = {command.name: command for command in commands}
    try:
        arguments, rest = make_parser(commands).parse_known_args(argv)
    except UsageError:
        # A mistyped flag may be why a required one is missing; then that is what to say.
        if argv and argv[0] in by_name:
            _check_flags(by_name[argv[0]], [word for word in argv[1:] if word.startswith('--')])
        raise
    if rest:
        _check_flags(by_name[arguments.command], rest)
    return arguments, [*rest, *(f'--beam_plugins={module}' for module in arguments.beam_plugins or ())]


def _subparser(subparsers: Any, command: Command) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        command.name,
        help=command.purpose,
        description=command.purpose[0].upper() + command.purpose[1:] + '.',
        epilog=command.examples.strip() + ('\n' + _BEAM_HELP if command.takes_beam_flags else ''),
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    general = parser.add_argument_group('general')
    general.add_argument('--help', '-h', action='help', help='show this text and leave')
    general.add_argument('--verbose', action='store_true', help='show the log, and the traceback of an error')
    general.add_argument(
        *_PLUGIN_FLAGS,
        dest='beam_plugins',
        metavar='MODULE',
        action='append',
        help='import this first, here and in workers: a module with a file system of your own; repeatable',
    )
    return parser


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows defaults, except where there is nothing to show."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=110)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ''
        if (
            action.default in (None, False, argparse.SUPPRESS)
            or action.default == {}
            or action.required
            or '%(default)' in text
        ):
            return text
        return f'{text} (default: %(default)s)'


def _check_flags(command: Command, words: Sequence[str]) -> None:
    """Checks that each flag is the command's or Beam's, and that no value stands alone; raises UsageError."""
    own = _Parser(add_help=False)
    command.add_flags(own)
    flags = {flag: action.nargs != 0 for action in own._actions for flag in action.option_strings}
    flags |= dict.fromkeys(('--help', '--verbose'), False) | dict.fromkeys(_PLUGIN_FLAGS, True)
    if command.takes_beam_flags and any(word.partition('=')[0] not in flags for word in words):
        from pipeline.runners import beam_flags

        flags = beam_flags() | flags
    value_may_follow = False
    for word in words:
        flag = word.partition('=')[0]
        if word.startswith('--') and flag in flags:
            value_may_follow = flags[flag] and '=' not in word
        elif word.startswith('-'):
            near = difflib.get_close_matches(flag, flags, n=1, cutoff=0.5)
            hint = f'; did you mean {near[0]}?' if near else '.'
            raise UsageError(f'"{command.name}" has no flag {flag}{hint} See arxiv-tagger {command.name} --help')
        elif value_may_follow:
            value_may_follow = False
        else:
            raise UsageError(f'"{word}" belongs to no flag. See arxiv-tagger {command.name} --help')
