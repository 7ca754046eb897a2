"""What is told of labels adds up: by arXiv's groups, and by how many training papers they have."""

from trainer.label_table import GroupRow, LabelRow, by_group, by_training_papers, label_rows, write_table
from trainer.metrics import LabelFigures

CS_CV = LabelRow('cs.CV', 2000, 100, 40, 0.25, 50, 30, 0.6, 0.75, 2 / 3, 0.8, 0.01)
CS_LG = LabelRow('cs.LG', 1500, 80, 10, 0.5, 0, 0, None, 0.0, 0.0, 0.1, 0.02)
MATH_PR = LabelRow('math.PR', 30, 2, 0, 0.5, 0, 0, None, None, None, None, None)
ODD = LabelRow('x.Y', 9, 0, 1, 0.5, 1, 1, 1.0, 1.0, 1.0, 1.0, 0.0)
GROUPS = {'cs.CV': 'cs', 'cs.LG': 'cs', 'math.PR': 'math', 'math.AG': 'math'}


def figures(support, given, found, precision, recall, f1, threshold=0.5, **values):
    return LabelFigures(support, given, found, threshold, precision, recall, f1, **values)


def test_a_row_has_the_papers_of_each_split_and_the_figures_of_the_test_papers():
    papers = {
        'math.PR': {'train': 30, 'validation': 2, 'test': 0},
        'cs.CV': {'train': 2000, 'validation': 100, 'test': 40},
    }
    measured = [
        figures(40, 50, 30, 0.6, 0.75, 2 / 3, average_precision=0.8, expected_calibration_error=0.01, threshold=0.25),
        figures(0, 0, 0, None, None, None, average_precision=None, expected_calibration_error=None),
    ]
    assert label_rows(['cs.CV', 'math.PR'], papers, measured) == [CS_CV, MATH_PR]


def test_labels_are_added_up_by_group():
    assert by_group([MATH_PR, CS_CV, ODD, CS_LG], GROUPS) == [
        GroupRow('cs', 2, 50, precision=0.6, recall=0.6, f1=0.6, macro_f1=1 / 3),
        GroupRow('math', 1, 0, precision=None, recall=None, f1=None, macro_f1=None),
        GroupRow('other', 1, 1, precision=1.0, recall=1.0, f1=1.0, macro_f1=1.0),
    ]


def test_labels_are_added_up_by_the_number_of_their_training_papers():
    rows = by_training_papers([CS_CV, ODD, MATH_PR, CS_LG])
    assert [(row.group, row.labels) for row in rows] == [('1 to 9', 1), ('10 to 99', 1), ('1000 to 9999', 2)]
    assert by_training_papers([]) == by_group([], GROUPS) == []


def test_tables_have_six_digits_and_leave_empty_what_is_not_defined(tmp_path):
    path = tmp_path / 'labels.tsv'
    write_table(str(path), LabelRow._fields, [CS_CV, MATH_PR], '\t')
    assert path.read_text() == (
        'label\ttraining_papers\tvalidation_papers\ttest_papers\tthreshold\tgiven\ttrue_positives\tprecision\trecall\t'
        'f1\taverage_precision\texpected_calibration_error\n'
        'cs.CV\t2000\t100\t40\t0.25\t50\t30\t0.6\t0.75\t0.666667\t0.8\t0.01\n'
        'math.PR\t30\t2\t0\t0.5\t0\t0\t\t\t\t\t\n'
    )
