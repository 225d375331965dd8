"""Libraries that are loaded before all others and make a gatepost's calls fail."""
import shutil
import subprocess

import pytest


def failing_library(tmp_path, source):
    """Compiles a library to load before all others, which makes calls fail."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler for the library that makes a call fail")
    (tmp_path / "fail.c").write_text("#define _GNU_SOURCE\n" + source)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "fail.so", tmp_path / "fail.c"], check=True)
    return {"LD_PRELOAD": str(tmp_path / "fail.so"), "ASAN_OPTIONS": "verify_asan_link_order=0"}
