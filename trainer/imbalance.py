"""How much more a paper that has a label counts in the loss than one that has not. Pure NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# How the weight depends on the odds against the label.
EXPONENTS = {'balanced': 1.0, 'sqrt': 0.5}

# A label with a handful of papers would otherwise decide the steps that its papers are in: 20 of 30,000 papers make a
# weight of 1,500.
CAP = 100.0


def positive_weights(papers_with_label: Sequence[int], papers: int, method: str) -> npt.NDArray[np.float32] | None:
    """Weighs the papers that have a label against those that have not.

    weight = min(CAP, (negatives / positives) ^ exponent), the exponent 1 for 'balanced' and 1/2 for 'sqrt'. With
    'balanced' both sides of each label weigh the same in all (King and Zeng, 2001, "Logistic regression in rare events
    data", section 4.2); `tf.nn.weighted_cross_entropy_with_logits` calls it `pos_weight`. Probabilities come out too
    high by the odds of the weight, so that thresholds or a calibration must make up for it.

    Args:
        papers_with_label: training papers of each label.
        papers: training papers.
        method: one of `config.POSITIVE_WEIGHTS`.

    Returns:
        float32 [labels], or None for 'none'.

    >>> positive_weights([1, 10, 50, 100], 100, 'sqrt').tolist()
    [9.949873924255371, 3.0, 1.0, 0.10000000149011612]
    """
    if method == 'none':
        return None
    # A label of no paper or of all papers counts as one of one paper, or as one that one paper lacks.
    positives = np.maximum(np.asarray(papers_with_label, np.float64), 1)
    negatives = np.maximum(papers - positives, 1)
    return np.minimum((negatives / positives) ** EXPONENTS[method], CAP).astype(np.float32)
