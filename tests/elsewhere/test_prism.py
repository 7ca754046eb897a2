"""`--runner=prism` on a real Prism: the same results as without it, and nothing left behind."""

import pytest

from pipeline.engines import prism
from schemas.errors import ConfigError
from tests.conftest import files_below, run_command, write_json_lines

try:
    prism.find(prism.beam_version())
except ConfigError as error:
    pytest.skip(f'{error}', allow_module_level=True)

pytestmark = pytest.mark.slow


def said(done):
    """What a command wrote to standard error, but for the lines that tell how far it is."""
    return [line for line in done.stderr.splitlines() if not line.startswith(('prepare ', 'score '))]


def lines_below(folder, pattern):
    return sorted(line for file in folder.glob(pattern) for line in file.read_text().splitlines())


@pytest.fixture(scope='module')
def new_dump(sample_papers, tmp_path_factory):
    """A folder with 200 papers without categories, and a record that is none."""
    folder = tmp_path_factory.mktemp('new')
    papers = [{key: paper[key] for key in ('id', 'title', 'abstract')} for paper in sample_papers[:200]]
    write_json_lines(folder / 'new.jsonl', [*papers, {'id': '1', 'title': 'T'}])
    return folder / 'new.jsonl'


@pytest.fixture(scope='module')
def scored_dir(new_dump, model_dir, tmp_path_factory):
    """What `score` makes of it without --runner."""
    folder = tmp_path_factory.mktemp('scored') / 'tagged'
    run_command('score', '--input', new_dump, '--model_dir', model_dir, '--output_dir', folder)
    return folder


def test_prepare_publishes_the_same_bytes(dump, prepared_dir, tmp_path):
    folder = tmp_path / 'data'
    done = run_command(
        *('prepare', '--input', dump, '--output_dir', folder, '--vocabulary_size', 20000, '--runner=prism')
    )
    assert said(done) == []
    assert files_below(folder) == files_below(prepared_dir)


def test_score_publishes_the_same_bytes(new_dump, scored_dir, model_dir, tmp_path):
    folder = tmp_path / 'tagged'
    done = run_command(
        *('score', '--input', new_dump, '--model_dir', model_dir, '--output_dir', folder, '--runner', 'prism')
    )
    assert said(done) == []
    assert files_below(folder) == files_below(scored_dir)


def test_streaming_score_tags_each_paper_once_and_as_score_does(new_dump, scored_dir, model_dir, tmp_path):
    done = run_command(
        *('score', '--streaming', '--input', new_dump.parent, '--model_dir', model_dir, '--output_dir', tmp_path),
        *('--publish_seconds', 1, '--poll_seconds', 0.2, '--settle_seconds', 0, '--stop_when_idle', 0),
        '--runner=prism',
    )
    assert [line.split(': ')[-1] for line in said(done)] == ['1 file, 200 papers, 1 rejected']
    assert lines_below(tmp_path, '2*/part-*.jsonl') == lines_below(scored_dir, 'part-*.jsonl')
    assert lines_below(tmp_path, '2*/dead_letters/part-*') == lines_below(scored_dir, 'dead_letters/part-*')


def test_a_job_that_fails_says_so_in_one_line_and_leaves_nothing(dump, tmp_path):
    bad = tmp_path / 'bad.jsonl'
    bad.write_text(dump.read_text() + '{"id":\n' * 200)
    done = run_command('prepare', '--input', bad, '--output_dir', tmp_path / 'data', '--runner=prism', check=False)
    assert done.returncode == 1
    assert said(done) == [
        'arxiv-tagger: 200 of 1200 records (16.7%) are no valid papers: malformed_json 200. '
        'That is more than --max_rejected_fraction 0.05; mend the input, or raise the limit.'
    ]
    assert not (tmp_path / 'data').exists()
