"""The wheel holds all that the commands need: nothing is taken from the repository's folder."""

import os
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import ROOT, write_json_lines


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp('wheel')
    # A copy: setuptools leaves folders behind where it builds.
    sources = [ROOT / name for name in ('setup.py', 'pyproject.toml', 'README.md', 'schemas', 'pipeline', 'trainer')]
    subprocess.run(['cp', '-r', *sources, folder], check=True)
    command = [
        sys.executable,
        '-m',
        'pip',
        'wheel',
        '--quiet',
        '--no-deps',
        '--no-build-isolation',
        '-w',
        folder,
        folder,
    ]
    subprocess.run(command, check=True, capture_output=True)
    [built] = folder.glob('*.whl')
    return built


def test_the_wheel_holds_the_packages_and_the_contracts_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    modules = {name for name in names if name.endswith('.py')}
    assert modules == {
        str(path.relative_to(ROOT))
        for package in ('schemas', 'pipeline', 'trainer')
        for path in (ROOT / package).rglob('*.py')
    }
    others = {name for name in names if not name.endswith('.py') and '.dist-info/' not in name}
    assert others == {
        'schemas/taxonomy.jsonl',
        'schemas/raw_paper.pbtxt',
        'schemas/drift.schema.json',
        'schemas/scored_paper.schema.json',
        'schemas/dead_letter.schema.json',
        'schemas/metrics.schema.json',
        'schemas/statistics.schema.json',
        'schemas/py.typed',
        'pipeline/py.typed',
        'trainer/py.typed',
    }


@pytest.mark.slow
def test_an_installed_wheel_prepares_papers_outside_the_repository(wheel, sample_papers, tmp_path):
    target = tmp_path / 'site'
    install = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--target', target, wheel]
    subprocess.run(install, check=True, capture_output=True)
    write_json_lines(tmp_path / 'papers.jsonl', sample_papers[:300])
    # The editable install of the repository stands behind PYTHONPATH; that it was not used, the paths show.
    command = f"""
import schemas.paper, pipeline.cli, trainer.config, sys
for module in (schemas.paper, pipeline.cli, trainer.config):
    assert module.__file__.startswith({str(target)!r}), module
sys.exit(pipeline.cli.main('prepare --input papers.jsonl --output_dir data --vocabulary_size 500'.split()))
"""
    environment = {**os.environ, 'PYTHONPATH': str(target)}
    done = subprocess.run(
        [sys.executable, '-c', command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('300 records read: ')
    assert (tmp_path / 'data' / 'COMPLETED').exists()
