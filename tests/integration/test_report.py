"""The command report makes one page of what the other commands publish, the same one each time."""

import re
import shutil
from html.parser import HTMLParser

import pytest

from tests.conftest import files_below, run_command
from tests.report_files import DRIFT, write, write_data, write_model, write_scored


class Page(HTMLParser):
    """Notes what a page is made of, and what it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.loaded, self.tags, self._heading = [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._heading = tag == 'h2'
        for name, value in attributes:
            if name in ('src', 'srcset', 'href', 'data', 'action', 'poster') and not value.startswith('#'):
                self.loaded.append((tag, value))

    def handle_data(self, data):
        if self._heading:
            self.headings.append(data)
            self._heading = False


@pytest.fixture(scope='module')
def report(prepared_dir, model_dir, tmp_path_factory):
    """The report of what the commands really publish."""
    folder = tmp_path_factory.mktemp('reported') / 'report'
    done = run_command('report', '--output_dir', folder, '--data_dir', prepared_dir, '--model_dir', model_dir)
    assert done.stdout == f'Report: {folder}/report.html\n'
    return folder


def test_the_page_has_a_section_for_each_input_and_loads_nothing(report):
    text = (report / 'report.html').read_text('utf-8')
    page = Page(text)
    assert page.headings == ['The data', 'The training', 'The model']
    assert page.loaded == []
    assert not re.search('https?:', re.sub(r'>[^<]*<', '><', text))
    assert len(text) < 6_000_000


def test_each_picture_is_a_file_too(report):
    names = {path.stem for path in (report / 'pictures').iterdir()}
    assert {'accounting', 'labels', 'labels-a-paper', 'words', 'together', 'splits', 'zipf', 'heaps'} <= names
    assert {'loss', 'figures', 'learning-rate', 'overall', 'precision-recall', 'reliability'} <= names
    page = (report / 'report.html').read_text('utf-8')
    for name in names:
        assert f'id="{name}-title"' in page
        assert (report / 'pictures' / f'{name}.svg').read_text('utf-8').startswith('<svg xmlns')
    assert sorted(path.name for path in report.iterdir()) == ['COMPLETED', 'pictures', 'report.html']


def test_nothing_that_today_s_commands_publish_is_missing(report):
    assert 'an older version' not in (report / 'report.html').read_text('utf-8')


def test_the_same_input_gives_the_same_bytes(report, prepared_dir, model_dir, tmp_path):
    run_command('report', '--output_dir', tmp_path / 'r', '--data_dir', prepared_dir, '--model_dir', model_dir)
    assert files_below(tmp_path / 'r') == files_below(report)


def test_a_finished_report_is_replaced_only_if_asked_for(report, prepared_dir):
    before = files_below(report)
    flags = ['report', '--output_dir', report, '--data_dir', prepared_dir]
    done = run_command(*flags, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(
        f'arxiv-tagger: {report} already holds a finished output of "arxiv-tagger report". '
        'Choose another folder, or say --overwrite to replace it.\n'
    )
    assert files_below(report) == before


@pytest.fixture(scope='module')
def foreign(tmp_path_factory):
    """A report of texts that try to be more than text."""
    folder = tmp_path_factory.mktemp('foreign')
    write(folder, **{'drift.json': DRIFT})
    run_command(
        'report', '--output_dir', folder / 'report', '--data_dir', write_data(folder / 'data'),
        '--model_dir', write_model(folder / 'model'), '--scored', write_scored(folder / 'scored'),
        '--drift', folder / 'drift.json',
    )  # fmt: skip
    return (folder / 'report' / 'report.html').read_text('utf-8')


def test_other_people_s_text_is_never_html(foreign):
    assert '&lt;script&gt;alert(1)&lt;/script&gt; &amp; more' in foreign
    for text in ('<script>alert', '<img', '<i>', '<b>', '</script><b>'):
        assert text not in foreign
    assert Page(foreign).tags.count('script') == 1


def test_a_scored_dump_shows_its_labels_its_months_and_its_dead_letters(foreign):
    assert Page(foreign).headings == ['The data', 'The training', 'The model', 'Tagged papers']
    for name in ('predicted', 'drift', 'months', 'rejected'):
        assert f'id="{name}-title"' in foreign
    assert 'dump.jsonl, byte 1,234' in foreign


def test_what_an_older_version_did_not_write_is_said(tmp_path):
    data, model = write_data(tmp_path / 'data'), write_model(tmp_path / 'model')
    (data / 'overview.json').unlink()
    (model / 'review.json').unlink()
    shutil.rmtree(model / 'plots')
    run_command('report', '--output_dir', tmp_path / 'r', '--data_dir', data, '--model_dir', model)
    text = (tmp_path / 'r' / 'report.html').read_text('utf-8')
    for path, command in (
        (data / 'overview.json', 'prepare'),
        (model / 'review.json', 'train'),
        (model / 'plots' / 'precision_recall.csv', 'train'),
        (model / 'plots' / 'reliability.csv', 'train'),
    ):
        again = f'{path} is missing: an older version made this folder. Run &#34;arxiv-tagger {command}&#34; again'
        assert again in text


@pytest.mark.parametrize(
    ('flag', 'file', 'content', 'message'),
    [
        ('--data_dir', 'COMPLETED', None, '{} has no file COMPLETED, so it is no finished output of'),
        ('--data_dir', 'statistics.json', '{', '{}/statistics.json is no JSON (Expecting property name'),
        ('--model_dir', 'COMPLETED', None, '{} has no file COMPLETED, so it is no finished output of'),
        ('--model_dir', 'metrics.json', None, '--model_dir {} has no metrics.json, so it is no output of'),
        ('--model_dir', 'review.json', '[]', '{}/review.json holds no JSON object: it is damaged.'),
        ('--model_dir', 'review.json', '{}', '{}/review.json has no "intervals", '),
        ('--model_dir', 'labels.tsv', 'label\nx\n', '{}/labels.tsv has no column "training_papers", '),
        ('--scored', 'statistics.json', None, '--scored {} has no statistics.json, so it is no output of'),
    ],
)
def test_broken_input_is_one_line(tmp_path, flag, file, content, message):
    make = {'--data_dir': write_data, '--model_dir': write_model, '--scored': write_scored}[flag]
    folder = make(tmp_path / 'in', **({file: content} if content is not None else {}))
    if content is None:
        (folder / file).unlink()
    done = run_command('report', '--output_dir', tmp_path / 'r', flag, folder, check=False)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith('arxiv-tagger: ')]
    assert line.startswith('arxiv-tagger: ' + message.format(folder))
    assert done.returncode == 1
    assert not (tmp_path / 'r').exists()
