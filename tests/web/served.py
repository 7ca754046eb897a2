"""What is served and looked at: the process, a paper, and where pictures go."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PICTURES = ROOT / 'build' / 'web'

# The first example of the page, that each model of the samples knows a subject for.
TITLE = 'Finding small objects in aerial images with a sparse attention network'
ABSTRACT = 'Objects in aerial images are small. We propose a convolutional neural network for segmentation of images.'


class Server:
    """`arxiv-tagger serve` in a process of its own."""

    def __init__(self, model, port=0):
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'pipeline.cli', 'serve', '--model_dir', str(model), '--port', str(port)],
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self._process.stdout.readline()
        assert line.startswith('http://'), f'serve printed no address but {line!r}'
        self.url = line.strip()
        self.port = urllib.parse.urlsplit(self.url).port

    def end(self):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        finally:
            self._process.kill()
            self._process.stdout.close()
