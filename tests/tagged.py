"""What the signature `tag` gives, made by hand."""

import numpy as np


def answers(papers, ngrams):
    """The answers to papers of (labels, best score, whether the best label is accepted, words, unknown in a hundred
    n-grams, ids of frequent n-grams)."""
    labels = [paper[0] for paper in papers]
    scores, accepted = ([paper[place] for paper in papers] for place in (1, 2))
    words, unknown = (np.array([paper[place] for paper in papers], np.int64) for place in (3, 4))
    k = len(labels[0]) if papers else 2
    occurrences = np.maximum(2 * words - 1, 0)
    return {
        'labels': np.array([[label.encode() for label in row] for row in labels], object).reshape(len(papers), k),
        'scores': np.outer(scores, [1.0] + [0.5] * (k - 1)).astype(np.float32).reshape(len(papers), k),
        'accepted': np.array([[best] + [False] * (k - 1) for best in accepted], bool).reshape(len(papers), k),
        'words': words,
        'ngrams': occurrences,
        'known_ngrams': occurrences - occurrences * unknown // 100,
        'ngram_papers': np.array([sum(id_ in paper[5] for paper in papers) for id_ in range(ngrams)], np.int64),
    }
