"""The steps of the Dockerfile, run in a clean virtual environment: what they install is all that a worker needs."""

import pathlib
import subprocess

import pytest

from tests import clean
from tests.conftest import ROOT
from tests.dockerfile import instructions


@pytest.mark.slow
def test_its_steps_install_the_package_on_what_the_lock_holds(tmp_path):
    """The dependencies are those installed here: the step that installs them finds all in place, by the lock."""
    context, image = clean.clone(tmp_path / 'context'), tmp_path / 'image'
    python = clean.virtual_environment(image / 'usr')
    programs = image / 'usr' / 'bin'
    for name, program in {'pip': f'exec {python} -m pip "$@"', 'useradd': 'echo "$@" > "$0.called"'}.items():
        (programs / name).write_text(f'#!/bin/sh\n{program}\n')
        (programs / name).chmod(0o755)
    environment = {'PATH': f'{programs}:/usr/bin:/bin', 'PIP_NO_INDEX': '1', 'PIP_DISABLE_PIP_VERSION_CHECK': '1'}
    for name, rest in instructions(ROOT / 'deploy' / 'Dockerfile'):
        if name == 'COPY':
            *sources, target = rest.split()
            copy([context / source for source in sources], f'{image}{target}')
        elif name == 'RUN':
            command = rest.replace('/tmp/', f'{image}/tmp/')
            done = subprocess.run(
                ['/bin/sh', '-c', command], cwd=image, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
    assert list((image / 'tmp').iterdir()) == []
    assert (programs / 'useradd.called').read_text() == '--uid 10001 --create-home tagger\n'
    found = subprocess.run(
        [python, '-Ic', 'import pipeline.worker_command as it; print(it.__file__)'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == f'{clean.site_packages(python)}/pipeline/worker_command.py\n'


def copy(sources, target):
    """Does what COPY does: of a folder, what is in it; into a folder, if that is named with a slash."""
    for source in sources:
        place = pathlib.Path(target, source.name if target.endswith('/') else '')
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(['cp', '-rT', source, place], check=True)
