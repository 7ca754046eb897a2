#!/bin/sh
# Takes the two sample dumps through all of arxiv-tagger: prepare, train, evaluate, score, report. `make demo` runs it.
set -eu
cd -- "$(dirname -- "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
out=build/demo

command -v arxiv-tagger >/dev/null || { echo 'demo.sh: arxiv-tagger is not installed; run: make demo' >&2; exit 1; }

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

run arxiv-tagger prepare --input samples/train.csv.zst --output_dir $out/data --overwrite
run arxiv-tagger train --data_dir $out/data --model_dir $out/model --overwrite
run arxiv-tagger evaluate --model_dir $out/model --input samples/new_dump.jsonl.gz --output $out/metrics.json
run arxiv-tagger score --input samples/new_dump.jsonl.gz --model_dir $out/model --output_dir $out/tagged --overwrite
run arxiv-tagger report --data_dir $out/data --model_dir $out/model --scored $out/tagged --output_dir $out/report --overwrite

printf '\nTen of the new papers\n'
python samples/show_tagged.py $out/tagged --dump samples/new_dump.jsonl.gz

export=$(find $out/model/export -mindepth 1 -maxdepth 1 -name '[0-9]*' | sort -V | tail -n 1)
cat <<END

What was made
  $out/data/             examples to train on, the transform graph, statistics.json, dead letters
  $out/model/            the model: ${export#"$out"/model/} is a SavedModel, strings in, labels out; metrics.json, model_card.md, labels.tsv
  $out/metrics.json      how well it does on the new papers
  $out/tagged/           every new paper with its labels, JSON Lines

What to look at
  $out/report/report.html   data, training, model and new papers in pictures: open it in a browser
  http://127.0.0.1:8501     a page that asks the model for a paper's subjects while you type, once this runs:
                            .venv/bin/arxiv-tagger serve --model_dir $out/model

What to try next, with .venv/bin on your PATH
  your own papers        arxiv-tagger prepare --input 'dumps/*.json' --output_dir build/mine   (then train; see arxiv-tagger prepare --help)
  your own labelled dump arxiv-tagger evaluate --model_dir $out/model --input yours.csv
  papers as they come    arxiv-tagger score --streaming --input incoming/ --model_dir $out/model --output_dir build/stream
  when to distrust it    arxiv-tagger drift --model_dir $out/model --input yours.csv
  why a label            arxiv-tagger score --explain 5 ...   (names the n-grams that weigh most)
  without this project   python -c "import tensorflow as tf; print(tf.saved_model.load('$export').signatures['serving_default'](title=tf.constant(['Galaxies']), abstract=tf.constant(['We map the dust of spiral galaxies.'])))"   (TensorFlow Serving loads the same folder)
END
