"""The learning rate rises in the warm-up, then stays or falls to 0."""

import keras
import pytest

from trainer.config import TrainConfig
from trainer.schedules import Schedule, learning_rate, share_of_rate


def config(**settings):
    settings = {'learning_rate_schedule': 'constant', 'epochs': 2} | settings
    return TrainConfig(data_dir='', model_dir='', learning_rate=0.1, **settings)


@pytest.mark.parametrize(
    ('schedule', 'shares'),
    [('constant', [1, 1, 1, 1, 1]), ('linear', [1, 0.75, 0.5, 0.25, 0]), ('cosine', [1, 0.853553, 0.5, 0.146447, 0])],
)
def test_without_warm_up_the_rate_starts_at_its_highest(schedule, shares):
    rates = [share_of_rate(schedule, done, warmup=0) for done in (0, 0.25, 0.5, 0.75, 1)]
    assert rates == pytest.approx(shares, abs=1e-6)


@pytest.mark.parametrize(('schedule', 'late'), [('constant', 1), ('linear', 0.25), ('cosine', 0.146447)])
def test_in_the_warm_up_the_rate_rises_in_a_straight_line(schedule, late):
    rates = [share_of_rate(schedule, done, warmup=0.2) for done in (0, 0.05, 0.1, 0.2, 0.8)]
    assert rates == pytest.approx([0, 0.25, 0.5, 1, late], abs=1e-6)


def test_a_constant_rate_without_warm_up_is_a_plain_number():
    assert learning_rate(config(), steps_per_epoch=10) == 0.1


def test_the_rate_goes_by_the_steps_of_all_epochs():
    schedule = learning_rate(config(learning_rate_schedule='linear'), steps_per_epoch=10)
    assert [float(schedule(step)) for step in (0, 10, 15, 20, 25)] == pytest.approx([0.1, 0.05, 0.025, 0, 0])


def test_without_a_number_of_epochs_the_rate_goes_by_the_epochs_that_are_planned():
    schedule = learning_rate(config(learning_rate_schedule='linear', epochs=None), steps_per_epoch=20)
    assert [float(schedule(step)) for step in (0, 50, 100)] == pytest.approx([0.1, 0.05, 0])


def test_the_first_step_of_a_warm_up_learns_already_and_the_last_one_is_at_the_highest_rate():
    schedule = learning_rate(config(warmup_fraction=0.25), steps_per_epoch=10)
    assert [float(schedule(step)) for step in (0, 1, 4, 5)] == pytest.approx([0.02, 0.04, 0.1, 0.1])


def test_a_saved_schedule_comes_back_the_same():
    schedule = Schedule('cosine', 0.1, 20, 0.25)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert [float(again(step)) for step in range(20)] == [float(schedule(step)) for step in range(20)]
