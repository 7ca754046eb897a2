"""The package's metadata, once; `pyproject.toml` holds the build backend and the tools only.

The ranges say what the code is written for; `requirements.lock` says what it is tested with.
"""

from pathlib import Path

from setuptools import setup

setup(
    name='arxiv-tagger',
    version='0.1.0',
    description='Turns dumps of paper abstracts into a multi-label subject tagger, and tags new dumps with it',
    long_description=Path(__file__).with_name('README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Console',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3.11',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Typing :: Typed',
    ],
    python_requires='>=3.11,<3.12',
    packages=['schemas', 'pipeline', 'pipeline.engines', 'pipeline.readers', 'trainer', 'reporting', 'serving'],
    package_data={
        'schemas': ['*.jsonl', '*.json', '*.pbtxt', 'py.typed'],
        'pipeline': ['py.typed'],
        'trainer': ['py.typed'],
        'reporting': ['*.html', '*.css', '*.js', 'py.typed'],
        'serving': ['page/*', 'py.typed'],
    },
    install_requires=[
        'apache-beam>=2.77,<3',
        'fastapi>=0.115,<1',
        'google-crc32c>=1.6,<2',
        'isal>=1.7,<2',
        'jinja2>=3.1,<4',
        'keras>=3.15,<4',
        'matplotlib>=3.10,<4',
        'numpy>=2.0,<2.5',
        'orjson>=3.10,<4',
        'prometheus-client>=0.21,<1',
        'protobuf>=6.31.1,<7',
        'pyarrow>=18,<26',
        'tensorboard>=2.20',  # without it tf.summary has no scalar(), which the training logs need
        'tensorflow>=2.21,<2.22',
        'tensorflow-metadata>=1.21,<1.22',
        'tensorflow-transform>=1.21,<1.22',
        'tfx-bsl>=1.21,<1.22',
        'uvicorn>=0.34,<1',
        'zstandard>=0.23,<1',
    ],
    extras_require={
        'dev': [
            'hypothesis>=6.100',
            'import-linter>=2.0',
            'jsonschema>=4.20',
            'mypy>=1.15',
            'pip-tools>=7.4',
            'playwright>=1.50',
            'pytest>=8.0',
            'pytest-xdist>=3.6',
            'ruff>=0.12',
            'schemathesis>=4.0',
            'setuptools>=77',  # these two build the package itself where there is no network
            'types-jsonschema',
            'types-protobuf>=6.30,<7',
            'wheel>=0.45',
        ],
        'benchmarks': ['scikit-learn>=1.5'],
    },
    entry_points={
        'console_scripts': ['arxiv-tagger = pipeline.cli:main', 'arxiv-tagger-worker = pipeline.worker_command:main']
    },
)
