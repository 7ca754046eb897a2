"""What Beam sends to workers by --setup_file is all they need: nothing is taken from the repository's folder."""

import json
import os
import shutil
import subprocess
import sys
import tarfile

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.stager import Stager

from tests import clean, portable_jobs
from tests.conftest import ROOT, files_below, run_command, write_json_lines

pytestmark = pytest.mark.slow

# Modules, contracts between stages, pages, and that there are types.
PACKAGES = ('schemas', 'pipeline', 'trainer', 'reporting', 'serving')


def package_files():
    return set(clean.tracked(*PACKAGES))


@pytest.fixture(scope='module')
def sdist(tmp_path_factory):
    """The file that Beam makes of --setup_file and sends to workers."""
    source = clean.clone(tmp_path_factory.mktemp('source'))
    options = PipelineOptions([f'--setup_file={source / "setup.py"}', '--requirements_cache=skip'])
    resources = Stager.create_job_resources(
        options, str(tmp_path_factory.mktemp('staged')), log_submission_env_dependencies=False
    )
    [(path, name, _)] = Stager.extract_staging_tuple_iter(resources)
    assert name == 'workflow.tar.gz'
    return path


@pytest.fixture(scope='module')
def python(sdist, tmp_path_factory):
    """A Python with the sdist and the dependencies of this one, but nothing of the repository."""
    python = clean.virtual_environment(tmp_path_factory.mktemp('worker') / 'venv')
    install = ['install', '--quiet', '--no-index', '--no-deps', '--no-build-isolation', '--ignore-installed', sdist]
    subprocess.run([sys.executable, '-m', 'pip', '--python', python, *install], check=True)
    return python


def test_the_sdist_holds_the_packages_and_the_contracts_and_nothing_else(sdist):
    with tarfile.open(sdist) as archive:
        names = {member.name.partition('/')[2] for member in archive if member.isfile()}
    assert {name for name in names if '.egg-info/' not in name} == package_files() | {
        *('LICENSE', 'PKG-INFO', 'README.md', 'pyproject.toml', 'setup.cfg', 'setup.py')
    }


def test_all_of_it_is_installed(python):
    site = clean.site_packages(python)
    installed = {name for name in files_below(site) if '.dist-info/' not in name and '__pycache__' not in name}
    assert installed == package_files() | {'dependencies.pth'}
    assert {path.name for path in python.parent.glob('arxiv-*')} == {'arxiv-tagger', 'arxiv-tagger-worker'}


def test_each_function_of_each_job_is_found_where_only_the_sdist_is_installed(python, dump, model_dir, tmp_path):
    papers, model = ('--input', dump), ('--model_dir', model_dir)
    files = portable_jobs.capture(
        tmp_path,
        {
            'prepare': ['prepare', *papers, '--output_dir', tmp_path / 'data'],
            'evaluate': ['evaluate', *papers, *model],
            'score': ['score', *papers, *model, '--output_dir', tmp_path / 'tagged'],
            'streaming': ['score', '--streaming', '--input', dump.parent, *model, '--output_dir', tmp_path / 'stream'],
            'drift': ['drift', *papers, *model],
        },
    )
    program = shutil.copy(ROOT / 'tests' / 'unpickle_jobs.py', tmp_path)
    done = subprocess.run(
        [python, '-I', program, *files.values()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name, file in files.items():
        counts = found['jobs'][str(file)]
        assert counts['pickles'] > counts['ParDo'] > 20, name
        assert counts['of __main__'] == 0, name
    assert {'pipeline.prepare', 'pipeline.evaluate', 'pipeline.score', 'pipeline.windows', 'pipeline.drift'} <= set(
        found['modules']
    )
    for file in found['modules'].values():
        assert file.startswith(f'{clean.site_packages(python)}/')


def test_a_worker_where_only_the_sdist_is_installed_prepares_the_same_bytes(python, dump, prepared_dir, tmp_path):
    (tmp_path / 'elsewhere').mkdir()
    flags, environment = portable_jobs.with_worker(
        f'cd {tmp_path}/elsewhere && exec env -u PYTHONPATH {python} -m apache_beam.runners.worker.sdk_worker_main'
    )
    run_command(
        *('prepare', '--input', dump, '--output_dir', tmp_path / 'data', '--vocabulary_size', 20000, *flags),
        **environment,
    )
    assert files_below(tmp_path / 'data') == files_below(prepared_dir)


def test_the_installed_command_prepares_papers_far_from_the_repository(python, sample_papers, tmp_path):
    write_json_lines(tmp_path / 'papers.jsonl', sample_papers[:300])
    command = 'prepare --input papers.jsonl --output_dir data --vocabulary_size 500'
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run(
        [python.parent / 'arxiv-tagger', *command.split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('300 records read: ')
    assert (tmp_path / 'data' / 'COMPLETED').exists()
