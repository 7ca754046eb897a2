"""What is counted anywhere is shown in one place."""

import io
import threading

from pipeline import progress


def test_the_line_shows_the_command_and_what_was_handled():
    with progress.Progress('prepare', stream=io.StringIO()) as display:
        progress.count('records read', 1000)
        progress.count('records read', 234)
        assert display.line().startswith('prepare')
        assert display.line().endswith('starting, 1,234 records read')


def test_counts_of_many_threads_add_up():
    with progress.Progress('prepare', stream=io.StringIO()) as display:
        threads = [
            threading.Thread(target=lambda: [progress.count('papers', 1) for _ in range(10_000)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert display.line().endswith(', 40,000 papers')


def test_forwarded_counts_are_sums_and_arrive_once_at_the_end_at_the_latest():
    sent = []
    with progress.forwarded(sent.append):
        for _ in range(1000):
            progress.count('papers', 2)
    assert 1 <= len(sent) < 100
    assert sum(counts['papers'] for counts in sent) == 2000
    assert all(sent)


def test_counts_that_nobody_takes_any_more_do_no_harm():
    def gone(counts):
        raise BrokenPipeError

    with progress.forwarded(gone):
        progress.count('papers', 2)


def test_of_a_job_elsewhere_the_line_names_the_runner():
    with progress.Progress('score', 'flink', io.StringIO()) as display:
        assert display.line().endswith(' s  on flink')
