"""How often labels apply, and what the loss and the model make of that. Pure NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# How the weight depends on the odds against the label.
EXPONENTS = {'balanced': 1.0, 'sqrt': 0.5}

# A label with a handful of papers would otherwise decide the steps that its papers are in: 20 of 30,000 papers make a
# weight of 1,500.
CAP = 100.0


def label_shares(papers_with_label: Sequence[int], papers: int) -> npt.NDArray[np.float64]:
    """Estimates the share of papers that each label applies to, (n + 1/2) / (papers + 1): never 0 and never 1.

    That is the mean of Jeffreys' posterior for a share of which n in `papers` were seen.

    Returns:
        float64 [labels]: as a float32 the share of a label that each of ten million papers has would be 1.

    >>> label_shares([0, 1, 3], 3).tolist()
    [0.125, 0.375, 0.875]
    """
    return (np.asarray(papers_with_label, np.float64) + 0.5) / (papers + 1)


def prior_log_odds(
    shares: npt.NDArray[np.float64], weights: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """Says which logits are best for papers of which nothing is known.

    That is where the biases start. From elsewhere the steps of a bias are too short to get there, and the n-grams that
    most papers have make up for it: a label of a third of the papers, which starts as unlikely as one of a hundredth,
    is then given by the length of a paper as much as by what it is about.

    Args:
        shares: float64 [labels], between 0 and 1, of papers that each label applies to.
        weights: `positive_weights`, which make a label likelier.

    Returns:
        float32 [labels].

    >>> prior_log_odds(np.array([0.5, 0.2])).tolist()  # log(1), log(1 / 4)
    [0.0, -1.3862943649291992]
    """
    odds = shares / (1 - shares)
    return np.log(odds if weights is None else odds * weights).astype(np.float32)


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
