"""What is transient is waited for, and told once."""

import errno

from pipeline import patience


def test_a_full_disk_is_waited_for_and_told_once(capsys):
    outcomes = [
        OSError(errno.ENOSPC, 'No space left on device', '/out/x'),
        OSError(errno.ENOSPC, 'No space left on device'),
    ]
    slept = []

    def action():
        if outcomes:
            raise outcomes.pop(0)
        return 'done'

    assert patience.until_it_works('/out', action, slept.append) == 'done'
    assert slept == [0.5, 1.0]
    assert capsys.readouterr().err == (
        'arxiv-tagger: Cannot write to /out: No space left on device (/out/x). '
        'Nothing is lost: the job tries until it works.\n'
        'arxiv-tagger: /out is back in order.\n'
    )


def test_waits_grow_to_half_a_minute_and_the_trouble_is_told_again_every_ten_minutes(capsys):
    failures = iter(range(50))
    slept = []

    def action():
        if next(failures, None) is not None:
            raise OSError(errno.EIO, 'Input/output error')

    patience.until_it_works('/out', action, slept.append)
    assert slept[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert len(slept) == 50
    assert capsys.readouterr().err.count('Input/output error') == 3


def test_a_place_that_was_never_in_trouble_is_not_spoken_of(capsys):
    patience.well('/fine')
    patience.trouble('/away', 'Cannot list /away.')
    patience.trouble('/away', 'Cannot list /away.')
    patience.well('/away')
    assert capsys.readouterr().err == 'arxiv-tagger: Cannot list /away.\narxiv-tagger: /away is back in order.\n'
