"""The image of Beam's workers, as far as it can be checked without building it."""

import re
import shutil
import subprocess

import pytest

from tests.conftest import ROOT
from tests.dockerfile import instructions

DOCKERFILE = ROOT / 'deploy' / 'Dockerfile'
BEAM = re.search(r'^apache-beam==(\S+)', (ROOT / 'requirements.lock').read_text(), re.MULTILINE)[1]


def of_kind(kind):
    return [rest for name, rest in instructions(DOCKERFILE) if name == kind]


def test_the_base_is_that_of_the_pinned_beam_and_python():
    assert of_kind('ARG')[0] == f'BEAM_VERSION={BEAM}'
    assert of_kind('FROM') == ['apache/beam_python3.11_sdk:${BEAM_VERSION}']
    assert "python_requires='>=3.11,<3.12'" in (ROOT / 'setup.py').read_text()


def test_it_runs_without_rights_unless_asked_otherwise():
    assert of_kind('ARG')[-1] == 'WORKER_USER=10001'
    assert of_kind('USER') == ['${WORKER_USER}']
    assert list(instructions(DOCKERFILE))[-1][0] == 'USER'


def test_it_starts_what_its_base_starts():
    assert of_kind('ENTRYPOINT') + of_kind('CMD') == []


def test_what_is_copied_exists_and_is_let_into_the_context():
    sources = [source for copied in of_kind('COPY') for source in copied.split()[:-1]]
    let_in = {line[1:] for line in (ROOT / '.dockerignore').read_text().splitlines() if line.startswith('!')}
    assert set(sources) == let_in
    assert all((ROOT / source).exists() for source in sources)


@pytest.mark.parametrize('dockerfile', ['deploy/Dockerfile', 'deploy/dataflow/Dockerfile'])
def test_the_linter_has_nothing_to_say(dockerfile):
    linter = shutil.which('hadolint', path=ROOT / 'build' / 'hadolint' / 'bin') or shutil.which('hadolint')
    if not linter:
        pytest.skip('hadolint is not there: make hadolint')
    done = subprocess.run([linter, ROOT / dockerfile], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ''
