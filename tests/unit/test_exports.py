"""Which version serves follows from the folder, and what is not whole or not ours gets a line that says so."""

import json
import os

import pytest

from pipeline.exports import Export, check_export, files_of, first_line, newest_export, wanted_export
from pipeline.signatures import SIGNATURES, Signature, Tensor, signature_fault
from schemas.errors import JobError


@pytest.fixture
def model_dir(tmp_path):
    """A finished model folder with the versions 2, 9 and 10, whose files hold a few bytes."""
    for version in (2, 9, 10):
        write_export(tmp_path / 'model' / 'export' / str(version))
    (tmp_path / 'model' / 'COMPLETED').touch()
    return tmp_path / 'model'


def write_export(folder, format_=1):
    files = {'saved_model.pb': b'graph', 'variables/variables.index': b'', 'assets.extra/reference_papers.jsonl': b'{}'}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    described = {'format': format_, 'arxiv_tagger': '1.2', 'files': {name: len(files[name]) for name in files}}
    (folder / 'assets.extra' / 'export.json').write_text(json.dumps(described))


def message(function, *arguments):
    with pytest.raises(JobError) as raised:
        function(*arguments)
    assert '\n' not in str(raised.value)
    return str(raised.value)


def test_the_greatest_number_serves_whatever_stands_beside_it(model_dir):
    for name in ('tmp', '11.part', '-12', '٣'):
        write_export(model_dir / 'export' / name)
    assert newest_export(str(model_dir)) == Export(f'{model_dir}/export/10', '10')


@pytest.mark.parametrize('text', ['9', ' 9\n', '09'])
def test_the_version_that_the_file_pinned_names_serves(model_dir, text):
    (model_dir / 'export' / 'PINNED').write_text(text)
    assert newest_export(str(model_dir)) == Export(f'{model_dir}/export/9', '9')
    assert wanted_export(str(model_dir), '2') == Export(f'{model_dir}/export/2', '2')
    (model_dir / 'export' / 'PINNED').unlink()
    assert newest_export(str(model_dir)) == Export(f'{model_dir}/export/10', '10')


def test_a_pin_to_what_is_not_there_says_what_is(model_dir):
    (model_dir / 'export' / 'PINNED').write_text('3')
    assert message(newest_export, str(model_dir)) == (
        f'{model_dir}/export/3 does not exist; {model_dir}/export holds 2, 9, 10. Write the number of one that is '
        f'there to {model_dir}/export/PINNED, or remove that file: the greatest then serves.'
    )


@pytest.mark.parametrize('text', ['', 'three', '3.0', '\x00\xff', '1 2'])
def test_a_pin_that_is_no_number_names_the_file(model_dir, text):
    (model_dir / 'export' / 'PINNED').write_text(text)
    assert message(newest_export, str(model_dir)) == (
        f'{model_dir}/export/PINNED should be the number of a version, not {text.strip()!r}. There are: 2, 9, 10. '
        'Without it the greatest serves.'
    )


def test_a_running_job_needs_no_completed_but_one_that_begins_does(model_dir):
    (model_dir / 'COMPLETED').unlink()
    assert wanted_export(str(model_dir)).version == '10'
    assert message(newest_export, str(model_dir)).startswith(f'{model_dir} has no file COMPLETED')


def test_a_folder_without_versions_is_told_from_one_that_is_missing(tmp_path):
    (tmp_path / 'export').mkdir()
    assert message(wanted_export, str(tmp_path)) == (
        f'{tmp_path}/export holds no export. Run "arxiv-tagger train" first.'
    )
    assert message(wanted_export, str(tmp_path / 'gone')) == (
        f'{tmp_path}/gone/export does not exist. Run "arxiv-tagger train" first.'
    )


def test_a_whole_export_is_accepted_and_files_that_it_does_not_list_do_no_harm(model_dir):
    export = newest_export(str(model_dir))
    (model_dir / 'export' / '10' / 'README').write_text('Ours.')
    check_export(export)
    assert {name: size for name, (size, _) in files_of(export).items()} == {
        'README': 5,
        'assets.extra/export.json': 142,
        'assets.extra/reference_papers.jsonl': 2,
        'saved_model.pb': 5,
        'variables/variables.index': 0,
    }


def test_an_export_of_gone_files_has_none(tmp_path):
    assert files_of(Export(str(tmp_path / 'gone'), '1')) == {}


def test_files_change_when_their_time_does(model_dir):
    export = newest_export(str(model_dir))
    before = files_of(export)
    os.utime(model_dir / 'export' / '10' / 'saved_model.pb', ns=(5, 5))
    changed = {name for name, found in files_of(export).items() if found != before[name]}
    assert changed == {'saved_model.pb'}


def unlink(name):
    return lambda folder: (folder / name).unlink()


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


AGAIN = 'Copy the export again, or run "arxiv-tagger train" again.'


@pytest.mark.parametrize(
    ('damage', 'said'),
    [
        (unlink('saved_model.pb'), '{path} has no saved_model.pb. ' + AGAIN),
        (unlink('variables/variables.index'), '{path} has no variables/variables.index. ' + AGAIN),
        (
            write('variables/variables.index', b'half'),
            '{path}/variables/variables.index has 4 bytes, and {path}/assets.extra/export.json says 0. ' + AGAIN,
        ),
        (
            write('assets.extra/export.json', b'{"format": 1, "files": {}}'),
            '{path}/saved_model.pb has 5 bytes, and {path}/assets.extra/export.json does not list it. ' + AGAIN,
        ),
        (
            unlink('assets.extra/export.json'),
            '{path} has no assets.extra/export.json: it was exported by an earlier version of arxiv-tagger or by '
            'something else, or is not yet copied. Run "arxiv-tagger train" again.',
        ),
        (
            lambda folder: write_export(folder, format_=7),
            '{path} is an export of format 7, by arxiv-tagger 1.2; this version reads format 1. '
            'Run "arxiv-tagger train" with this version, or use that one.',
        ),
        (
            write('assets.extra/export.json', b'{"format": 1, "fi'),
            '{path}/assets.extra/export.json is damaged (JSONDecodeError). ' + AGAIN,
        ),
        (
            write('assets.extra/export.json', b'[1]'),
            '{path}/assets.extra/export.json is damaged (TypeError). ' + AGAIN,
        ),
        (
            write('assets.extra/export.json', b'{"format": 1, "files": {"saved_model.pb": null}}'),
            '{path}/assets.extra/export.json is damaged (TypeError). ' + AGAIN,
        ),
    ],
)
def test_what_is_not_whole_or_not_ours_gets_a_line_that_says_so(model_dir, damage, said):
    export = newest_export(str(model_dir))
    damage(model_dir / 'export' / '10')
    assert message(check_export, export) == said.format(path=export.path)


def test_an_empty_version_is_none(model_dir):
    (model_dir / 'export' / '11').mkdir()
    assert message(newest_export, str(model_dir)).startswith(
        f'{model_dir}/export/11 is empty; {model_dir}/export holds 2, 9, 10. '
    )


def changed(signature, way, **tensors):
    """SIGNATURES with other inputs or outputs of one of them; None takes one away."""
    found = SIGNATURES[signature]
    merged = getattr(found, way) | tensors
    kept = {name: tensor for name, tensor in merged.items() if tensor is not None}
    return SIGNATURES | {signature: found._replace(**{way: kept})}


@pytest.mark.parametrize(
    ('found', 'fault'),
    [
        (SIGNATURES, None),
        (SIGNATURES | {'more': Signature({}, {})}, None),
        (changed('tag', 'outputs', more=Tensor('int8', 0)), None),
        (changed('tag', 'outputs', scores=Tensor('float32', None)), None),
        ({}, 'it has no signature "serving_default" (it has: none)'),
        (
            {'serving_default': SIGNATURES['serving_default'], 'top_k': SIGNATURES['tag']},
            'it has no signature "tag" (it has: serving_default, top_k)',
        ),
        (changed('tag', 'inputs', k=None), 'its signature "tag" does not take "k"'),
        (changed('tag', 'inputs', n=Tensor('int32', 0)), 'its signature "tag" takes "n", which nobody gives it'),
        (
            changed('tag', 'inputs', k=Tensor('int64', 0)),
            'its signature "tag" takes "k" as int64 of rank 0, not as int32 of rank 0',
        ),
        (
            changed('predict_all', 'outputs', probabilities=Tensor('float32', 1)),
            'its signature "predict_all" gives "probabilities" as float32 of rank 1, not as float32 of rank 2',
        ),
        (
            changed('label_table', 'outputs', thresholds=None),
            'its signature "label_table" does not give "thresholds"',
        ),
    ],
)
def test_signatures_that_are_not_ours_are_told_by_what_differs(found, fault):
    assert signature_fault(found) == fault


def test_of_an_error_of_tensorflow_what_went_wrong_is_told():
    error = ValueError('{{function_node __wrapped__RestoreV2}} Checksum does not match: 1 vs. 2 [Op:RestoreV2].\nmore')
    assert first_line(error) == 'Checksum does not match: 1 vs. 2'
    assert first_line(MemoryError()) == 'MemoryError'
