"""What `--runner=prism` stands for, and which program is taken for Prism."""

import pytest

from pipeline.engines import prism
from schemas.errors import ConfigError

_RUNNER = '--runner=pipeline.engines.prism_runner.LocalPrismRunner'
_MODULE = 'github.com/apache/beam/sdks/v2'


def build(folder, version, module=_MODULE):
    """A file that Go seems to have built, executable."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / 'prism'
    path.write_bytes(b'\x7fELF\0' + f'path\t{module}/go/cmd/prism\nmod\t{module}\t{version}\th1:x\n'.encode() + b'\0')
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine without Prism: its PATH, its Python's folder and its home are empty folders."""
    monkeypatch.setenv('PATH', str(tmp_path / 'path'))
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    monkeypatch.delenv('GOBIN', raising=False)
    monkeypatch.delenv('GOPATH', raising=False)
    monkeypatch.setattr(prism.sys, 'executable', str(tmp_path / 'venv' / 'python'))
    monkeypatch.setattr(prism, 'beam_version', lambda: '2.77.0')
    return tmp_path


def test_what_is_found_is_filled_in_before_what_is_typed(machine):
    found = build(machine / 'path', 'v2.77.0')
    assert prism.filled_in(['--prism_log_level=warn'], streaming=False) == [
        _RUNNER,
        '--prism_log_kind=text',
        f'--prism_location={found}',
        '--prism_log_level=warn',
    ]


def test_a_typed_location_is_taken_whatever_it_is(machine):
    typed = machine / 'mine'
    typed.write_bytes(b'zip')
    flags = ['--prism_location', str(typed)]
    assert prism.filled_in(flags, streaming=True) == [_RUNNER, '--prism_log_kind=text', *flags]
    assert prism.filled_in(['--prism_location=https://host/prism.zip'], streaming=False)[-1].endswith('prism.zip')


def test_a_prism_that_runs_is_used_without_looking_for_one():
    assert prism.filled_in(['--job_endpoint=localhost:8073'], streaming=False) == [
        _RUNNER,
        '--prism_log_kind=text',
        '--job_endpoint=localhost:8073',
    ]


def test_a_typed_location_that_is_no_file_is_refused(machine):
    with pytest.raises(ConfigError) as error:
        prism.filled_in([f'--prism_location={machine}'], streaming=False)
    assert str(error.value) == f'--prism_location {machine} is no file. Name the program, or a zip file with it.'


def test_prism_is_looked_for_in_path_beside_python_and_where_go_installs(machine, monkeypatch):
    monkeypatch.setenv('GOBIN', str(machine / 'gobin'))
    monkeypatch.setenv('GOPATH', str(machine / 'gopath'))
    folders = ['home/go/bin', 'gopath/bin', 'gobin', 'venv', 'path']
    for folder in folders:
        built = build(machine / folder, 'v2.77.0')
        assert prism.find('2.77.0') == built


def test_other_programs_and_other_versions_are_passed_over(machine):
    other = build(machine / 'path', 'v5.0.0', module='github.com/someone/prism')
    old = build(machine / 'venv', 'v2.60.0')
    right = build(machine / 'home/go/bin', 'v2.77.0')
    assert prism.find('2.77.0') == right
    with pytest.raises(ConfigError) as error:
        prism.find('2.78.0')
    assert f'{other} is another program, {old} is of Beam v2.60.0, {right} is of Beam v2.77.0.' in str(error.value)


def test_a_prism_built_in_a_clone_of_beam_is_taken(machine):
    built = build(machine / 'path', '(devel)')
    assert prism.find('2.77.0') == built


def test_without_prism_the_message_says_how_to_get_it():
    with pytest.raises(ConfigError) as error:
        prism.filled_in([], streaming=False)
    assert str(error.value) == (
        "found no prism, Beam's program, of version 2.77.0 in PATH, beside Python or where Go installs. "
        'Say "make prism" in the repository, or "go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0", '
        'or name it by --prism_location FILE.'
    )


def test_an_empty_file_is_no_prism(machine):
    (machine / 'prism').touch()
    assert prism.version_of(str(machine / 'prism')) is None


@pytest.mark.parametrize(
    ('error', 'explanation'),
    [
        (
            RuntimeError('Service failed to start up with error 3'),
            'Prism does not start. Nothing was published; --verbose shows what it says.',
        ),
        (
            RuntimeError('<_MultiThreadedRendezvous of RPC that terminated with:\n\tstatus = StatusCode.UNAVAILABLE'),
            'Prism ended before the job did, perhaps for want of memory. Nothing was published. '
            'Start the job again, or leave out --runner.',
        ),
        (RuntimeError('division by zero'), None),
    ],
)
def test_what_prism_is_known_to_fail_with_is_explained(error, explanation):
    assert prism.explain(error) == explanation
