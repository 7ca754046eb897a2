"""Each command has the flags of its config and Beam's, and names the nearest where a flag is unknown."""

import dataclasses
import re

import pytest

from pipeline import cli, config, flags, parsing
from tests.helpers import COMMANDS
from trainer.config import TrainConfig

# Fields of configs whose flags have names of their own; None: no flag.
FLAG_OF_FIELD = {
    (config.InputConfig, 'patterns'): 'input',
    (config.SplitConfig, 'validation'): 'validation_fraction',
    (config.SplitConfig, 'test'): 'test_fraction',
    (config.SplitConfig, 'seed'): 'split_seed',
    (config.SplitConfig, 'tolerance'): 'split_tolerance',
    (config.SplitConfig, 'tolerance_papers'): None,
}
CONFIGS = {
    'prepare': (config.PrepareConfig, config.InputConfig, config.SplitConfig, config.NgramConfig),
    'train': (TrainConfig,),
    'evaluate': (config.EvaluateConfig, config.InputConfig),
    'score': (config.ScoreConfig, config.InputConfig),
    'drift': (config.DriftConfig, config.InputConfig),
}


def usage_error(*arguments):
    with pytest.raises(parsing.UsageError) as error:
        parsing.parse(cli._ALL_COMMANDS, arguments)
    return str(error.value)


def parsed(*arguments):
    return parsing.parse(cli._ALL_COMMANDS, arguments)


@pytest.mark.parametrize('command', COMMANDS)
def test_each_flag_of_a_command_stands_in_its_help(command, capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main([command, '--help'])
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    fields = [(class_, field) for class_ in CONFIGS[command] for field in dataclasses.fields(class_)]
    nested = {'input', 'split', 'ngrams'}
    names = [
        FLAG_OF_FIELD.get((class_, field.name), field.name) for class_, field in fields if field.name not in nested
    ]
    expected = {f'--{name}' for name in names if name} | {'--help', '--verbose'}
    assert {flag for flag in re.findall(r'^ +(?:-h, )?(--\w+)', text, re.MULTILINE) if flag in expected} == expected
    assert f'arxiv-tagger {command} --' in text
    assert ('Every flag of Apache Beam is passed on' in text) == (command != 'train')


@pytest.mark.parametrize(
    ('command', 'built'),
    [
        ('prepare', flags.prepare_config),
        ('evaluate', flags.evaluate_config),
        ('score', flags.score_config),
        ('drift', flags.drift_config),
    ],
)
def test_the_default_of_each_flag_is_that_of_its_config(command, built):
    found = built(parsed(command, *COMMANDS[command])[0])
    tolerated = 1.0 if command == 'score' else 0.05
    read = config.InputConfig(patterns=('in',), max_rejected_fraction=tolerated)
    expected = {
        'prepare': lambda: config.PrepareConfig(input=read, output_dir='out'),
        'evaluate': lambda: config.EvaluateConfig(input=read, model_dir='model'),
        'score': lambda: config.ScoreConfig(input=read, model_dir='model', output_dir='out'),
        'drift': lambda: config.DriftConfig(input=read, model_dir='model'),
    }
    assert found == expected[command]()


def test_every_flag_of_prepare_arrives_in_its_config():
    arguments, beam = parsed(
        'prepare', '--input', 'a', '--input', 'b*', '--output_dir', 'out', '--overwrite', '--shards', '3',
        '--csv_columns', 'title=Head, abstract=Body', '--max_record_bytes', '2048', '--max_rejected_fraction', '0.5',
        '--damaged_inputs', 'dead_letter', '--min_label_set_papers', '1', '--validation_fraction', '0.1',
        '--test_fraction', '0.2', '--split_seed', '7', '--split_tolerance', '1', '--text', 'abstract',
        '--vocabulary_size', '10', '--ngram_max', '1', '--weighting', 'tf_idf', '--min_document_frequency', '2',
        '--max_document_fraction', '0.7', '--sublinear_tf', '--analysis_cache_dir', 'cache',
    )  # fmt: skip
    assert beam == []
    assert flags.prepare_config(arguments) == config.PrepareConfig(
        input=config.InputConfig(
            patterns=('a', 'b*'),
            csv_columns={'title': 'Head', 'abstract': 'Body'},
            max_record_bytes=2048,
            max_rejected_fraction=0.5,
            damaged_inputs='dead_letter',
        ),
        output_dir='out',
        overwrite=True,
        shards=3,
        min_label_set_papers=1,
        split=config.SplitConfig(validation=0.1, test=0.2, seed=7, tolerance=1),
        ngrams=config.NgramConfig(
            text='abstract',
            vocabulary_size=10,
            ngram_max=1,
            min_document_frequency=2,
            max_document_fraction=0.7,
            weighting='tf_idf',
            sublinear_tf=True,
        ),
        analysis_cache_dir='cache',
    )


@pytest.mark.parametrize(
    ('command', 'flag', 'nearest'),
    [
        ('prepare', '--vocabulary', '--vocabulary_size'),
        ('prepare', '--wieghting=tf_idf', '--weighting'),
        ('prepare', '--overwrit', '--overwrite'),
        ('prepare', '--direct_num_worker', '--direct_num_workers'),
        ('score', '--topk', '--top_k'),
        ('evaluate', '--batchsize', '--batch_size'),
        ('train', '--epoch', '--epochs'),
        ('train', '--learning-rate', '--learning_rate'),
    ],
)
def test_an_unknown_flag_is_refused_with_the_nearest_known_one(command, flag, nearest):
    name = flag.partition('=')[0]
    assert usage_error(command, *COMMANDS[command], flag) == (
        f'"{command}" has no flag {name}; did you mean {nearest}? See arxiv-tagger {command} --help'
    )


def test_an_unknown_flag_like_no_other_a_beam_flag_for_train_and_a_stray_word_are_refused():
    assert usage_error('score', *COMMANDS['score'], '--zzzzzz') == (
        '"score" has no flag --zzzzzz. See arxiv-tagger score --help'
    )
    assert usage_error('train', *COMMANDS['train'], '--runner=DirectRunner').startswith('"train" has no flag --runner')
    assert usage_error('prepare', *COMMANDS['prepare'], 'more.csv') == (
        '"more.csv" belongs to no flag. See arxiv-tagger prepare --help'
    )
    assert usage_error('prepare', *COMMANDS['prepare'], '--runner', 'direct', 'more.csv') == (
        '"more.csv" belongs to no flag. See arxiv-tagger prepare --help'
    )


@pytest.mark.parametrize(
    'beam',
    [
        ['--direct_num_workers', '2'],
        ['--direct_num_workers=2'],
        ['--runner=DirectRunner'],
        ['--runner', 'PortableRunner', '--job_endpoint=localhost:8099', '--environment_type', 'LOOPBACK'],
        ['--enable_streaming_engine'],
        ['--parallelism', '4'],
        ['--save_main_session', '--temp_location', 'gs://bucket/tmp'],
    ],
)
@pytest.mark.parametrize('command', ['prepare', 'evaluate', 'score'])
def test_flags_of_beam_are_passed_on(command, beam):
    assert parsed(command, *COMMANDS[command], *beam)[1] == beam


def test_a_mistyped_flag_that_is_required_is_named_rather_than_the_one_that_is_missing():
    assert usage_error('score', '--inptu', 'in', '--model_dir', 'model', '--output_dir', 'out') == (
        '"score" has no flag --inptu; did you mean --input? See arxiv-tagger score --help'
    )
