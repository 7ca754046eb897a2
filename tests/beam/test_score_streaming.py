"""Windows of a streaming job, on a clock that the test sets; and ticks on the real one."""

import json
import time

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.testing import test_stream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.periodicsequence import PeriodicImpulse
from apache_beam.transforms.window import TimestampedValue

from pipeline import pubsub, windows
from pipeline.local_streaming import LocalStreamingRunner
from pipeline.published import Published, Source, exclusive
from pipeline.readers.format import ReadOptions
from pipeline.runners import make_streaming_pipeline
from pipeline.shards import write_lines
from pipeline.tagged_files import FileFormat
from pipeline.watch import WatchFolders, WatchOptions
from pipeline.windows import DEAD_LETTER, SOURCE, TAGGED, TALLY, Output, PublishWindows, in_windows
from schemas.paper import DeadLetter, Paper
from tests.helpers import paper_line


def streaming_pipeline():
    return beam.Pipeline(runner=LocalStreamingRunner(), options=PipelineOptions(['--streaming']))


def found_in(name, number):
    """What a file of that many tagged papers and one dead letter comes to."""
    source = Source(f'/in/{name}', number, 1, f'/copy/{name}')
    papers = [
        (TAGGED, (index, f'{name}{index}'.encode(), b'{"id": "%s%d"}' % (name.encode(), index)))
        for index in range(number)
    ]
    return [
        (SOURCE, source),
        *papers,
        (DEAD_LETTER, DeadLetter(source.copy, 0, 'too_long', 'too long', b'')),
        (TALLY, (('read',), number + 1)),
        (TALLY, (('tagged',), number)),
        (TALLY, (('rejected', 'too_long'), 1)),
        (TALLY, (('sources', source.copy), number + 1)),
    ]


def at(seconds, *findings):
    return [TimestampedValue(finding, seconds) for finding in findings]


def publish_two_windows(folder):
    """Runs papers of two files in one window, of a third in the next, and nothing in the third."""
    stream = test_stream.TestStream().advance_watermark_to(0)
    for finding in found_in('a', 2):
        stream = stream.add_elements(at(1, finding))
    stream = stream.add_elements(at(59, *found_in('b', 1))).advance_watermark_to(61)
    stream = stream.add_elements(at(62, *found_in('c', 3))).advance_watermark_to(200).advance_watermark_to_infinity()
    with exclusive(str(folder)) as staging, streaming_pipeline() as root:
        output = Output(folder=str(folder), staging=staging, files=FileFormat('.jsonl', write_lines), shards=2)
        _ = root | stream | in_windows(60) | PublishWindows(output)


def published(folder):
    """(window's end, paths and records of its files, ids of its papers) of each window."""
    return [(name.partition('-')[0], *contents(folder / name)) for name in sorted(Published(str(folder)).refresh())]


def contents(window):
    files = json.loads((window / 'sources.json').read_text())['files']
    lines = [line for part in window.glob('part-*-of-00002.jsonl') for line in part.read_text().splitlines()]
    return [(file['path'], file['records']) for file in files], sorted(json.loads(line)['id'] for line in lines)


TWO_WINDOWS = [
    ('19700101T000100Z', [('/in/a', 3), ('/in/b', 2)], ['a0', 'a1', 'b0']),
    ('19700101T000200Z', [('/in/c', 4)], ['c0', 'c1', 'c2']),
]


def test_each_window_is_a_folder_of_the_files_that_were_found_in_it_and_an_empty_one_is_none(tmp_path):
    publish_two_windows(tmp_path / 'out')
    assert published(tmp_path / 'out') == TWO_WINDOWS


@pytest.mark.parametrize('after', [False, True])
def test_a_bundle_that_a_runner_repeats_is_published_once(tmp_path, monkeypatch, after):
    publish, calls = windows.publish, []

    def flaky(*arguments):
        calls.append(arguments)
        if after:
            publish(*arguments)
        if len(calls) < 3:
            raise RuntimeError('a worker died')
        return publish(*arguments)

    monkeypatch.setattr(windows, 'publish', flaky)
    publish_two_windows(tmp_path / 'out')
    assert len(calls) >= 3
    assert published(tmp_path / 'out') == TWO_WINDOWS


def test_messages_become_papers_and_dead_letters_in_their_windows():
    messages = [paper_line('2501.00001'), b'no JSON', b'[1]', b'\xff', b'{"title": "T"}', paper_line('2501.00002v3')]
    stream = (
        test_stream.TestStream().advance_watermark_to(0).add_elements(at(1, *messages)).advance_watermark_to_infinity()
    )
    with streaming_pipeline() as root:
        read = root | stream | pubsub.ToPapers('projects/p/subscriptions/s', 60, batch_size=10)
        papers = [
            Paper('2501.00001', 'Title 2501.00001', 'Text.'),
            Paper('2501.00002', 'Title 2501.00002v3', 'Text.', version=3),
        ]
        assert_that(read.batches, equal_to([papers]), label='papers')
        assert_that(
            read.dead_letters | beam.Map(lambda letter: (letter.source, letter.reason, letter.raw)),
            equal_to(
                [
                    ('projects/p/subscriptions/s', 'malformed_json', b'no JSON'),
                    ('projects/p/subscriptions/s', 'malformed_json', b'[1]'),
                    ('projects/p/subscriptions/s', 'invalid_encoding', b'\xff'),
                    ('projects/p/subscriptions/s', 'missing_abstract', b'{"title": "T"}'),
                ]
            ),
            label='letters',
        )
        assert_that(
            read.tallies | beam.CombinePerKey(sum),
            equal_to(
                [
                    (('read',), 6),
                    (('rejected', 'malformed_json'), 2),
                    (('rejected', 'invalid_encoding'), 1),
                    (('rejected', 'missing_abstract'), 1),
                ]
            ),
            label='tallies',
        )


def test_a_message_that_comes_late_is_published_late():
    stream = (
        test_stream.TestStream()
        .add_elements(at(1, paper_line('2501.00001')))
        .advance_watermark_to(3600)
        .add_elements(at(2, paper_line('2501.00002')))
        .advance_watermark_to_infinity()
    )
    with streaming_pipeline() as root:
        read = root | stream | pubsub.ToPapers('projects/p/subscriptions/s', 60, batch_size=10)
        grouped = read.batches | beam.WithKeys(0) | beam.GroupByKey()
        ids = grouped | beam.Map(lambda group: [paper.id for batch in group[1] for paper in batch])
        assert_that(ids, equal_to([['2501.00001'], ['2501.00002']]))


def test_a_tagged_paper_is_sent_as_its_line_of_json():
    message = pubsub.message_of((7, b'2501.00001', b'{"id": "2501.00001"}'))
    assert (message.data, message.attributes) == (b'{"id": "2501.00001"}', {'id': '2501.00001'})


def test_the_local_runner_ticks_in_real_time_and_its_windows_close(tmp_path):
    log = tmp_path / 'windows'
    log.touch()

    def note(group, window=beam.DoFn.WindowParam):
        with log.open('a') as file:
            file.write(f'{time.time()} {float(window.end)} {len(group[1])}\n')

    root = streaming_pipeline()
    ticks = root | PeriodicImpulse(fire_interval=0.1) | in_windows(1) | beam.WithKeys(0)
    _ = ticks | beam.GroupByKey() | beam.Map(note)
    result = root.run()
    deadline = time.monotonic() + 20
    while log.read_text().count('\n') < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    result.cancel()
    first, second, *_ = [list(map(float, line.split())) for line in log.read_text().splitlines()]
    assert second[1] == first[1] + 1
    assert second[0] >= second[1]
    assert 1 <= second[2] <= 10


def test_the_watcher_gives_each_file_once_while_it_looks_again_and_again(tmp_path):
    for name in ('in', 'out', 'out/.staging-0'):
        (tmp_path / name).mkdir()
    log = tmp_path / 'taken'
    log.touch()

    def note(taken):
        with log.open('a') as file:
            file.write(taken.source.path.rpartition('/')[2] + '\n')
        # As a window does that is published.
        if taken.source.path.endswith('a.jsonl'):
            window = tmp_path / 'out' / '19700101T000000Z-00000000'
            window.mkdir()
            (window / 'sources.json').write_text(json.dumps({'files': [taken.source._asdict()]}))
            (window / 'COMPLETED').touch()

    options = WatchOptions(
        patterns=(f'{tmp_path}/in/*',),
        poll_seconds=0.05,
        settle_seconds=0,
        output_dir=f'{tmp_path}/out',
        staging=f'{tmp_path}/out/.staging-0',
        read=ReadOptions(labelled=False),
    )
    root = streaming_pipeline()
    _ = root | WatchFolders(options) | beam.Map(note)
    result = root.run()
    for number, name in enumerate(['a.jsonl', 'b.jsonl', 'c.jsonl'], 1):
        (tmp_path / name).write_bytes(paper_line('2501.00001'))
        (tmp_path / name).rename(tmp_path / 'in' / name)
        deadline = time.monotonic() + 20
        while log.read_text().count('\n') < number and time.monotonic() < deadline:
            time.sleep(0.05)
    time.sleep(0.5)
    result.cancel()
    assert log.read_text().split() == ['a.jsonl', 'b.jsonl', 'c.jsonl']


def test_without_a_runner_streams_run_in_this_process():
    for flags in ([], ['--runner', 'direct'], ['--runner=DirectRunner']):
        pipeline = make_streaming_pipeline(flags)
        assert isinstance(pipeline.runner, LocalStreamingRunner)
        assert pipeline.options.view_as(StandardOptions).streaming
    assert not isinstance(make_streaming_pipeline(['--runner=FnApiRunner']).runner, LocalStreamingRunner)
