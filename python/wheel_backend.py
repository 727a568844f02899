# SPDX-License-Identifier: Apache-2.0
"""Builds the wheel from pyproject.toml with Python alone (PEP 517), so that neither `make` nor `pip install ./python` fetches
a build tool. The same sources give the same bytes.

    python3 wheel_backend.py FOLDER     # leaves the wheel there
"""
import base64
import hashlib
import io
import os
import re
import sys
import tarfile
import tomllib
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
TIME = (1980, 1, 1, 0, 0, 0)  # the least that a zip file can say


def read(path):
    with open(os.path.join(HERE, path), "rb") as f:
        return f.read()


def project():
    return tomllib.loads(read("pyproject.toml").decode())["project"]


def version():
    return re.search(r'^__version__ = "([^"]+)"$', read("quantbench/__init__.py").decode(), re.M).group(1)


def modules():
    return ["quantbench/" + name for name in sorted(os.listdir(os.path.join(HERE, "quantbench")))
            if name.endswith(".py") or name == "py.typed"]


def metadata():
    p = project()
    return (f"Metadata-Version: 2.1\nName: {p['name']}\nVersion: {version()}\nSummary: {p['description']}\n"
            f"License: {p['license']['text']}\nRequires-Python: {p['requires-python']}\n").encode()


def record_line(path, content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}\n"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    del config_settings, metadata_directory  # PEP 517 passes them; there is nothing to set
    info = f"quantbench-{version()}.dist-info"
    files = {path: read(path) for path in modules()}
    files[f"{info}/METADATA"] = metadata()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: quantbench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(record_line(path, content) for path, content in files.items()) + f"{info}/RECORD,,\n"
    files[f"{info}/RECORD"] = record.encode()
    name = f"quantbench-{version()}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, TIME)
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, content)  # stored: deflated bytes depend on the version of zlib
    return name


def build_sdist(sdist_directory, config_settings=None):
    del config_settings
    top = f"quantbench-{version()}"
    files = {path: read(path) for path in ["pyproject.toml", "wheel_backend.py", *modules()]}
    files["PKG-INFO"] = metadata()
    with tarfile.open(os.path.join(sdist_directory, top + ".tar.gz"), "w:gz", format=tarfile.PAX_FORMAT) as sdist:
        for path, content in files.items():
            entry = tarfile.TarInfo(f"{top}/{path}")
            entry.size = len(content)
            sdist.addfile(entry, io.BytesIO(content))
    return top + ".tar.gz"


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    print(build_wheel(sys.argv[1]))
