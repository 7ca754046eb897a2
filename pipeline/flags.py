"""The flags of the Beam jobs, and the configs that they build. Imports neither Beam nor TensorFlow."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from pipeline import config as configs
from pipeline import streaming_config
from pipeline.parsing import Command


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
        analysis_cache_dir=arguments.analysis_cache_dir,
    )


def evaluate_config(arguments: argparse.Namespace) -> configs.EvaluateConfig:
    """Builds the config that the flags of `evaluate` ask for; raises ConfigError."""
    return _of(configs.EvaluateConfig, arguments, input=_input_config(arguments))


def score_config(arguments: argparse.Namespace) -> configs.ScoreConfig:
    """Builds the config that the flags of `score` ask for; raises ConfigError."""
    return _of(configs.ScoreConfig, arguments, input=_input_config(arguments))


def drift_config(arguments: argparse.Namespace) -> configs.DriftConfig:
    """Builds the config that the flags of `drift` ask for; raises ConfigError."""
    return _of(configs.DriftConfig, arguments, input=_input_config(arguments))


def _of(config: type, arguments: argparse.Namespace, **given: Any) -> Any:
    """Builds a config whose fields are named like flags."""
    names = {field.name for field in dataclasses.fields(config)} - set(given)
    return config(**{name: value for name, value in vars(arguments).items() if name in names}, **given)


def _input_config(arguments: argparse.Namespace) -> configs.InputConfig:
    # A streaming job may read a subscription in place of files.
    names = arguments.input or filter(None, [getattr(arguments, 'input_subscription', None)])
    return _of(configs.InputConfig, arguments, patterns=tuple(names))


def _add_input(parser: argparse.ArgumentParser, max_rejected_fraction: float, *, required: bool = True) -> None:
    default = configs.InputConfig(patterns=('',))
    group = parser.add_argument_group('input')
    group.add_argument(
        '--input',
        action='append',
        required=required,
        metavar='PATTERN',
        help='a file or a glob of CSV, JSON Lines, OAI-PMH, Atom or RSS, plain or gzip, bzip2, xz, zstd, told apart by '
        'content; may be repeated',
    )
    group.add_argument(
        '--csv_columns',
        type=_columns,
        default={},
        metavar='FIELD=COLUMN,...',
        help='columns of CSV files that hold title, abstract, categories, id, updated, where they have unusual names',
    )
    group.add_argument(
        '--max_record_bytes',
        type=int,
        default=default.max_record_bytes,
        metavar='N',
        help='longer records are rejected',
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
        help='what a file does that is cut off or corrupt: fail the job, or end as one dead letter',
    )


def _add_output_dir(group: Any, what: str) -> None:
    group.add_argument('--output_dir', required=True, metavar='DIR', help=what)
    group.add_argument('--overwrite', action='store_true', help='replace a finished output there')


def _add_prepare(parser: argparse.ArgumentParser) -> None:
    _add_input(parser, 0.05)
    output = parser.add_argument_group('output')
    _add_output_dir(output, 'folder for the training data')
    output.add_argument(
        '--shards', type=int, metavar='N', help='files a split (default: as many as make about 32 MB each)'
    )
    output.add_argument(
        '--analysis_cache_dir',
        metavar='DIR',
        help='keep there what was read and counted of each dump; a later run reads only what is new or changed',
    )
    split = parser.add_argument_group('papers and split')
    split.add_argument(
        '--min_label_set_papers',
        type=int,
        default=2,
        metavar='N',
        help='papers whose combination of labels occurs less often are dropped; 1 keeps all',
    )
    default = configs.SplitConfig()
    split.add_argument(
        '--validation_fraction', type=float, default=default.validation, metavar='F', help='share of the papers'
    )
    split.add_argument('--test_fraction', type=float, default=default.test, metavar='F', help='share of the papers')
    split.add_argument(
        '--split_seed', type=int, default=default.seed, metavar='N', help='of the hash that divides papers'
    )
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
        '--vocabulary_size',
        type=int,
        default=defaults.vocabulary_size,
        metavar='N',
        help='most frequent n-grams to keep',
    )
    ngrams.add_argument(
        '--ngram_max', type=int, default=defaults.ngram_max, metavar='N', help='longest n-gram, in words: 1 to 3'
    )
    ngrams.add_argument(
        '--min_document_frequency',
        type=int,
        default=defaults.min_document_frequency,
        metavar='N',
        help='n-grams that fewer training papers contain are left out',
    )
    ngrams.add_argument(
        '--max_document_fraction',
        type=float,
        default=defaults.max_document_fraction,
        metavar='F',
        help='n-grams that a larger share of the training papers contain are left out',
    )
    ngrams.add_argument(
        '--weighting',
        choices=configs.WEIGHTINGS,
        default=defaults.weighting,
        help='weight of an n-gram in a paper; tf_idf_l2 scales each paper to length 1',
    )
    ngrams.add_argument('--sublinear_tf', action='store_true', help='weigh 1 + log(count) in place of the count')


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_input(parser, 0.05)
    model = parser.add_argument_group('model and output')
    model.add_argument('--model_dir', required=True, metavar='DIR', help='output folder of train')
    model.add_argument('--output', metavar='FILE', help='file for the metrics, as JSON')
    model.add_argument('--batch_size', type=int, default=256, metavar='N', help='papers a call of the model')


def _add_score(parser: argparse.ArgumentParser) -> None:
    _add_input(parser, 1.0, required=False)
    streaming_config.add_flags(parser)
    output = parser.add_argument_group('model and output')
    output.add_argument('--model_dir', required=True, metavar='DIR', help='output folder of train')
    _add_output_dir(output, 'folder for the tagged papers')
    output.add_argument(
        '--output_format', choices=configs.OUTPUT_FORMATS, default='jsonl', help='JSON Lines, or Parquet files'
    )
    output.add_argument('--top_k', type=int, default=10, metavar='N', help='labels a paper')
    output.add_argument(
        '--only_accepted', action='store_true', help='leave out labels whose scores do not reach their thresholds'
    )
    output.add_argument(
        '--explain', type=int, default=0, metavar='N', help='name the N n-grams that weigh most for each label'
    )
    output.add_argument('--batch_size', type=int, default=1024, metavar='N', help='papers a call of the model')
    output.add_argument('--shards', type=int, metavar='N', help='files (default: as many as make about 32 MB each)')


def _add_drift(parser: argparse.ArgumentParser) -> None:
    _add_input(parser, 0.05)
    model = parser.add_argument_group('model and output')
    model.add_argument('--model_dir', required=True, metavar='DIR', help='output folder of train')
    model.add_argument('--output', metavar='FILE', help='file for the report, as JSON')
    model.add_argument('--fail_on_drift', action='store_true', help='end with exit code 3 if drift is flagged')
    model.add_argument(
        '--data_dir',
        metavar='DIR',
        help='output folder of prepare that the model was trained on: also check that held-out papers get the same '
        'probabilities from its TFRecords as from raw text',
    )
    model.add_argument('--batch_size', type=int, default=256, metavar='N', help='papers a call of the model')


def _columns(text: str) -> dict[str, str]:
    pairs = [part.partition('=') for part in text.split(',')]
    if not all(field and column for field, _, column in pairs):
        raise argparse.ArgumentTypeError(f'"{text}" is not FIELD=COLUMN,...')
    return {field.strip(): column.strip() for field, _, column in pairs}


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
  arxiv-tagger score --streaming --input incoming/ --model_dir model --output_dir tagged --publish_seconds 60
""",
    _add_score,
    takes_beam_flags=True,
)
DRIFT = Command(
    'drift',
    'tell how far papers are from those that a model was measured on',
    """
Example:
  arxiv-tagger drift --model_dir model --input new.jsonl --output drift.json --fail_on_drift

Where papers have categories, the model is measured on them, too, month by month.
""",
    _add_drift,
    takes_beam_flags=True,
)
