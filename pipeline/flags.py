"""The flags of each command, and what becomes of a flag that no command knows. Imports neither Beam nor TensorFlow."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pipeline import config as configs
from schemas.errors import ConfigError

_BEAM_HELP = """
Beam flags:
  Every flag of Apache Beam is passed on, for example --runner, --direct_num_workers, --temp_location, --region.
  Without --runner the job runs in this process.
"""
_INPUT_FLAGS = ('csv_columns', 'max_record_bytes', 'max_rejected_fraction', 'damaged_inputs')


class UsageError(ConfigError):
    """The command line as a whole cannot be understood."""


class _Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of printing its usage and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f'{message}. See {self.prog} --help')


@dataclasses.dataclass(frozen=True)
class Command:
    """A command: what it is for, its examples, what adds its flags to a parser, and whether Beam's flags are its too."""

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
        epilog='"arxiv-tagger COMMAND --help" explains a command. Exit codes: 0 done, 1 the job failed, 2 wrong usage.',
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
    arguments, rest = make_parser(commands).parse_known_args(argv)
    if rest:
        own = [f'--{name}' for name in vars(arguments) if name != 'command']
        [command] = [command for command in commands if command.name == arguments.command]
        _check_beam_flags(command, rest, own)
    return arguments, rest


def prepare_config(arguments: argparse.Namespace) -> configs.PrepareConfig:
    """Builds the config that the flags of `prepare` ask for; raises ConfigError."""
    return configs.PrepareConfig(
        input=_input_config(arguments),
        output_dir=arguments.output_dir,
        overwrite=arguments.overwrite,
        min_label_set_papers=arguments.min_label_set_papers,
        split=configs.SplitConfig(
            validation=arguments.validation_fraction,
            test=arguments.test_fraction,
            seed=arguments.split_seed,
            tolerance=arguments.split_tolerance,
        ),
        ngrams=_of(configs.NgramConfig, arguments),
        shards=arguments.shards,
    )


def evaluate_config(arguments: argparse.Namespace) -> configs.EvaluateConfig:
    """Builds the config that the flags of `evaluate` ask for; raises ConfigError."""
    return _of(configs.EvaluateConfig, arguments, input=_input_config(arguments))


def score_config(arguments: argparse.Namespace) -> configs.ScoreConfig:
    """Builds the config that the flags of `score` ask for; raises ConfigError."""
    return _of(configs.ScoreConfig, arguments, input=_input_config(arguments))


def _of(config: type, arguments: argparse.Namespace, **given: Any) -> Any:
    """Builds a config whose fields are named like flags."""
    names = {field.name for field in dataclasses.fields(config)} - set(given)
    return config(**{name: value for name, value in vars(arguments).items() if name in names}, **given)


def _input_config(arguments: argparse.Namespace) -> configs.InputConfig:
    flags = {name: getattr(arguments, name) for name in _INPUT_FLAGS if hasattr(arguments, name)}
    return configs.InputConfig(patterns=tuple(arguments.input), **flags)


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
    return parser


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows defaults, except where there is nothing to show."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=110)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ''
        if action.default in (None, False, argparse.SUPPRESS) or action.default == {} or action.required or '%(default)' in text:
            return text
        return f'{text} (default: %(default)s)'


def _add_input(parser: argparse.ArgumentParser, max_rejected_fraction: float) -> None:
    default = configs.InputConfig(patterns=('',))
    group = parser.add_argument_group('input')
    group.add_argument(
        '--input',
        action='append',
        required=True,
        metavar='PATTERN',
        help='a file or a glob of CSV or JSON Lines, plain or .gz, .bz2, .zst, told apart by content; may be repeated',
    )
    group.add_argument(
        '--csv_columns',
        type=_columns,
        default={},
        metavar='FIELD=COLUMN,...',
        help='columns of CSV files that hold title, abstract, categories, id, updated, where they have unusual names',
    )
    group.add_argument(
        '--max_record_bytes', type=int, default=default.max_record_bytes, metavar='N', help='longer records are rejected'
    )
    group.add_argument(
        '--max_rejected_fraction',
        type=float,
        default=max_rejected_fraction,
        metavar='F',
        help='the job fails, and publishes nothing, if more of the records are rejected',
    )
    group.add_argument(
        '--damaged_inputs',
        choices=configs.DAMAGED_INPUTS,
        default=default.damaged_inputs,
        help='what a file does that is cut off or corrupt: fail the job, or become one dead letter behind what is readable',
    )


def _add_output_dir(group: Any, what: str) -> None:
    group.add_argument('--output_dir', required=True, metavar='DIR', help=what)
    group.add_argument('--overwrite', action='store_true', help='replace a finished output there')


def _add_prepare(parser: argparse.ArgumentParser) -> None:
    _add_input(parser, 0.05)
    output = parser.add_argument_group('output')
    _add_output_dir(output, 'folder for the training data')
    output.add_argument('--shards', type=int, metavar='N', help='files a split (default: as many as make about 64 MB each)')
    split = parser.add_argument_group('papers and split')
    split.add_argument(
        '--min_label_set_papers',
        type=int,
        default=2,
        metavar='N',
        help='papers whose combination of labels occurs less often are dropped; 1 keeps all',
    )
    default = configs.SplitConfig()
    split.add_argument('--validation_fraction', type=float, default=default.validation, metavar='F', help='share of the papers')
    split.add_argument('--test_fraction', type=float, default=default.test, metavar='F', help='share of the papers')
    split.add_argument('--split_seed', type=int, default=default.seed, metavar='N', help='of the hash that divides papers')
    split.add_argument(
        '--split_tolerance',
        type=float,
        default=default.tolerance,
        metavar='F',
        help="largest distance of a label's shares from these; 1 lets nothing but a paper's own label set decide",
    )
    ngrams = parser.add_argument_group('n-grams')
    defaults = configs.NgramConfig()
    ngrams.add_argument('--text', choices=configs.TEXTS, default=defaults.text, help='what is read of a paper')
    ngrams.add_argument(
        '--vocabulary_size', type=int, default=defaults.vocabulary_size, metavar='N', help='most frequent n-grams to keep'
    )
    ngrams.add_argument('--ngram_max', type=int, default=defaults.ngram_max, metavar='N', help='longest n-gram, in words')
    ngrams.add_argument(
        '--weighting',
        choices=configs.WEIGHTINGS,
        default=defaults.weighting,
        help='weight of an n-gram in a paper; tf_idf_l2 scales each paper to length 1',
    )


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_input(parser, 0.05)
    model = parser.add_argument_group('model and output')
    model.add_argument('--model_dir', required=True, metavar='DIR', help='output folder of train')
    model.add_argument('--output', metavar='FILE', help='file for the metrics, as JSON')
    model.add_argument('--batch_size', type=int, default=256, metavar='N', help='papers a call of the model')


def _add_score(parser: argparse.ArgumentParser) -> None:
    _add_input(parser, 1.0)
    output = parser.add_argument_group('model and output')
    output.add_argument('--model_dir', required=True, metavar='DIR', help='output folder of train')
    _add_output_dir(output, 'folder for the tagged papers')
    output.add_argument('--top_k', type=int, default=10, metavar='N', help='labels a paper')
    output.add_argument('--batch_size', type=int, default=256, metavar='N', help='papers a call of the model')
    output.add_argument('--shards', type=int, metavar='N', help='files (default: as many as make about 64 MB each)')


def _columns(text: str) -> dict[str, str]:
    pairs = [part.partition('=') for part in text.split(',')]
    if not all(field and column for field, _, column in pairs):
        raise argparse.ArgumentTypeError(f'"{text}" is not FIELD=COLUMN,...')
    return {field.strip(): column.strip() for field, _, column in pairs}


def _check_beam_flags(command: Command, rest: Sequence[str], own: Sequence[str]) -> None:
    known: dict[str, bool] = {}
    if command.takes_beam_flags:
        from pipeline.runners import beam_flags

        known = beam_flags()
    value_may_follow = False
    for word in rest:
        flag = word.partition('=')[0]
        if word.startswith('--') and flag in known:
            value_may_follow = known[flag] and '=' not in word
        elif word.startswith('-'):
            near = difflib.get_close_matches(flag, [*own, *known], n=1, cutoff=0.5)
            raise UsageError(
                f'"{command.name}" has no flag {flag}' + (f'; did you mean {near[0]}?' if near else '.')
                + f' See arxiv-tagger {command.name} --help'
            )
        elif value_may_follow:
            value_may_follow = False
        else:
            raise UsageError(f'"{word}" belongs to no flag. See arxiv-tagger {command.name} --help')


PREPARE = Command(
    'prepare',
    'turn dumps of papers into training data',
    """
Examples:
  arxiv-tagger prepare --input arxiv-metadata-oai-snapshot.json --output_dir data
  arxiv-tagger prepare --input 'dumps/*.csv.zst' --input more.jsonl.gz --output_dir data --vocabulary_size 50000
""",
    _add_prepare,
    takes_beam_flags=True,
)
EVALUATE = Command(
    'evaluate',
    'measure a model on a labelled dump',
    """
Example:
  arxiv-tagger evaluate --model_dir model --input labelled.csv --output metrics.json
""",
    _add_evaluate,
    takes_beam_flags=True,
)
SCORE = Command(
    'score',
    'tag the papers of a dump',
    """
Example:
  arxiv-tagger score --input new.jsonl --model_dir model --output_dir tagged --top_k 5
""",
    _add_score,
    takes_beam_flags=True,
)
