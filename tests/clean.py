"""What a fresh clone of the repository holds, and a Python that knows nothing of this one."""

import shutil
import subprocess
import sys
import sysconfig

from tests.conftest import ROOT


def tracked(*folders):
    """The files of the repository, or of folders of it; what was built there is none of them."""
    listed = subprocess.run(['git', 'ls-files', '-z', *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.split('\0') if name and (ROOT / name).is_file()}


def clone(folder, *folders):
    """Copies the files of the repository, or of folders of it."""
    for name in tracked(*folders):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def virtual_environment(folder):
    """Makes a virtual environment with the dependencies that are installed here; returns the path of its Python."""
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', folder], check=True)
    python = folder / 'bin' / 'python'
    # Adds the folder, but not what the .pth files there add: the editable install of the repository.
    (site_packages(python) / 'dependencies.pth').write_text(sysconfig.get_path('purelib'))
    return python


def site_packages(python):
    """Where a virtual environment's packages are."""
    [folder] = python.parent.parent.glob('lib/python*/site-packages')
    return folder
