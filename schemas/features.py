"""Names of what crosses from one stage to the next: features, folders, files."""

from __future__ import annotations

import pathlib

# Features of the transform graph's input (schemas/raw_paper.pbtxt).
TITLE = 'title'
ABSTRACT = 'abstract'
LABELS = 'labels'
PAPER_ID = 'paper_id'

# Features of its output, and of the TFRecords.
NGRAM_IDS = 'ngram_ids'
NGRAM_WEIGHTS = 'ngram_weights'
LABEL_IDS = 'label_ids'

# Features of its output alone: words of a paper, occurrences of n-grams in it, and of those that have an id.
WORDS = 'words'
NGRAMS = 'ngrams'
KNOWN_NGRAMS = 'known_ngrams'

SPLITS = ('train', 'validation', 'test')

# Inside prepare's output folder.
EXAMPLES_DIR = 'examples'
TRANSFORM_GRAPH_DIR = 'transform_graph'
VOCABULARY_DIR = 'vocabulary'
NGRAMS_FILE = f'{VOCABULARY_DIR}/ngrams.tsv'
LABELS_FILE = f'{VOCABULARY_DIR}/labels.tsv'
LABELS_HEADER = 'label\tid\tpapers'
DEAD_LETTERS_DIR = 'dead_letters'
STATISTICS_FILE = 'statistics.json'
MANIFEST_FILE = 'manifest.json'
REFERENCE_PAPERS_FILE = 'reference_papers.jsonl.gz'
# What a report shows of the papers.
OVERVIEW_FILE = 'overview.json'

# Inside train's model folder.
EXPORT_DIR = 'export'
METRICS_FILE = 'metrics.json'
HISTORY_FILE = 'history.csv'
LOGS_DIR = 'logs'
CHECKPOINTS_DIR = 'checkpoints'
BEST_WEIGHTS_FILE = f'{CHECKPOINTS_DIR}/best.weights.h5'
PLOTS_DIR = 'plots'
LABEL_FIGURES_FILE = 'labels.tsv'
MODEL_CARD_FILE = 'model_card.md'
# What a report shows of the model.
REVIEW_FILE = 'review.json'
# What a run that was broken off needs to go on; not published.
UNFINISHED_DIR = 'unfinished'

# Inside a version of the exported model, where TensorFlow Serving looks for nothing.
ASSETS_DIR = 'assets.extra'
EXPORT_FILE = f'{ASSETS_DIR}/export.json'
REFERENCE_ANSWERS_FILE = f'{ASSETS_DIR}/reference_papers.jsonl'
REFERENCE_PROFILE_FILE = f'{ASSETS_DIR}/reference_profile.json'
EXPORT_FORMAT = 1

# What each stage publishes, COMPLETED aside, as glob patterns.
PREPARE_PUBLISHES = (
    EXAMPLES_DIR,
    TRANSFORM_GRAPH_DIR,
    VOCABULARY_DIR,
    DEAD_LETTERS_DIR,
    STATISTICS_FILE,
    MANIFEST_FILE,
    REFERENCE_PAPERS_FILE,
    OVERVIEW_FILE,
)
TRAIN_PUBLISHES = (
    EXPORT_DIR,
    METRICS_FILE,
    HISTORY_FILE,
    LOGS_DIR,
    CHECKPOINTS_DIR,
    PLOTS_DIR,
    LABEL_FIGURES_FILE,
    MODEL_CARD_FILE,
    REVIEW_FILE,
)
# Beside the windows of a streaming job: which model it uses, and why.
MODEL_STATUS_FILE = 'model_status.json'
SCORE_PUBLISHES = ('part-*', DEAD_LETTERS_DIR, STATISTICS_FILE)

# Signatures of the exported model, and the names of their outputs.
SERVING_SIGNATURE = 'serving_default'
PREDICT_ALL_SIGNATURE = 'predict_all'
TAG_SIGNATURE = 'tag'
EXPLAIN_SIGNATURE = 'explain'
LABEL_TABLE_SIGNATURE = 'label_table'
SCORES = 'scores'
ACCEPTED = 'accepted'
PROBABILITIES = 'probabilities'
THRESHOLDS = 'thresholds'
PROPENSITIES = 'propensities'
EXPLANATIONS = 'explanations'
CONTRIBUTIONS = 'contributions'
# How many papers of a batch contain each of the most frequent n-grams, and of how many n-grams that is told.
NGRAM_PAPERS = 'ngram_papers'
MOST_FREQUENT_NGRAMS = 2000

RAW_PAPER_SCHEMA = pathlib.Path(__file__).with_name('raw_paper.pbtxt')
