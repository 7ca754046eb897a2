"""When a run ends, and which of its epochs is the best, follows from its history alone."""

import pytest

from trainer.history import best_epoch, is_over, monitored, write_csv


def rows(*figures):
    return [{'epoch': epoch, 'val_ndcg_at_5': figure} for epoch, figure in enumerate(figures, start=1)]


@pytest.mark.parametrize(
    ('figures', 'best'), [((0.5,), 1), ((0.1, 0.2), 2), ((0.1, 0.3, 0.2), 2), ((0.3, 0.3), 1), ((None, 0.1), 2)]
)
def test_the_best_epoch_has_the_highest_figure_and_is_the_first_of_equals(figures, best):
    assert best_epoch(rows(*figures)) == best


def test_a_figure_that_is_not_defined_is_worse_than_any():
    assert monitored(rows(None)[0]) < -1


@pytest.mark.parametrize(
    ('figures', 'over'),
    [
        ((), False),
        ((0.5,), False),
        ((0.5, 0.4), False),
        ((0.5, 0.4, 0.5), True),
        ((0.5, 0.4, 0.6), False),
        ((0.5, 0.4, 0.6, 0.7, 0.8), True),
    ],
)
def test_a_run_is_over_after_its_epochs_or_when_none_was_better_for_a_while(figures, over):
    assert is_over(rows(*figures), epochs=5, patience=2) is over


def test_the_table_has_a_line_an_epoch_and_every_digit(tmp_path):
    path = tmp_path / 'history.csv'
    write_csv(str(path), [{'epoch': 1, 'loss': 0.1 + 0.2, 'val_a': None}, {'epoch': 2, 'loss': 1e-9, 'val_a': 1}])
    assert path.read_bytes() == b'epoch,loss,val_a\n1,0.30000000000000004,\n2,1e-09,1\n'
