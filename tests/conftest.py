"""What tests share: a thousand real papers, what the commands make of them, and a way to run a command."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
import zstandard

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAMPLES = ROOT / 'samples'

# A shell starts what it runs in the background deaf to interrupts, and all of its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def run_command(*arguments, cwd=None, check=True, **environment):
    """Runs arxiv-tagger in a process of its own."""
    done = subprocess.run(
        [sys.executable, '-m', 'pipeline.cli', *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, 'PYTHONPATH': str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def write_json_lines(path, papers):
    """Writes papers as the Kaggle snapshot has them."""
    path.write_text(''.join(json.dumps(paper) + '\n' for paper in papers))
    return path


def files_below(folder):
    """Path below the folder -> content of each file."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob('*')) if file.is_file()}


@pytest.fixture(scope='session')
def sample_papers():
    """The first thousand papers of the sample, with the keys of the Kaggle snapshot."""
    text = zstandard.ZstdDecompressor().stream_reader((SAMPLES / 'train.csv.zst').open('rb')).read().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline='')))[:1000]
    return [
        {
            'id': f'2503.{number:05d}',
            'title': row['titles'],
            'abstract': row['summaries'],
            'categories': ast.literal_eval(row['terms']),
            'update_date': '2025-03-01',
        }
        for number, row in enumerate(rows)
    ]


@pytest.fixture(scope='session')
def dump(sample_papers, tmp_path_factory):
    """A JSON Lines dump of the thousand papers."""
    return write_json_lines(tmp_path_factory.mktemp('dump') / 'papers.jsonl', sample_papers)


@pytest.fixture(scope='session')
def prepared_dir(dump, tmp_path_factory):
    """What `prepare` makes of the dump."""
    folder = tmp_path_factory.mktemp('prepared') / 'data'
    run_command('prepare', '--input', dump, '--output_dir', folder, '--vocabulary_size', 20000)
    return folder


@pytest.fixture(scope='session')
def model_dir(prepared_dir, tmp_path_factory):
    """What `train` makes of the prepared papers."""
    folder = tmp_path_factory.mktemp('trained') / 'model'
    run_command('train', '--data_dir', prepared_dir, '--model_dir', folder, '--epochs', 4, '--hidden_units', 64, 32)
    return folder
