"""tools/soak, as short as can be: it kills, verifies, and says when something is wrong."""
import os
import re
import subprocess
import time

import pytest

import server
import wire


def soak(tmp_path, *arguments):
    environment = {**os.environ, "GATEPOST_BINARY": server.binary("gatepost"),
                   "GATEPOST_LOAD_BINARY": server.binary("gatepost-load")}
    return subprocess.Popen([server.ROOT / "tools" / "soak", "--scratch", tmp_path, *arguments], env=environment,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
@pytest.mark.covers("R5321-6.1-01")
def test_soak_kills_verifies_and_finds_nothing_lost(tmp_path):
    running = soak(tmp_path, "--minutes", "0.06", "--kill-after", "0.1-0.4", "--verify-every", "4", "--size",
                   "4K:99%,64K:1%")
    output = running.communicate(timeout=120)[0]
    assert running.returncode == 0, output
    closing = output.splitlines()[-1]
    found = re.fullmatch(r"soak: nothing lost: (\d+) kills, ([\d,]+) messages acknowledged, all of them there once and "
                         r"whole; [\d,]+ in doubt .*", closing)
    assert found, output
    assert int(found.group(1)) >= 3 and int(found.group(2).replace(",", "")) > 50, closing
    assert "in tmp/ 0" in output
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_soak_finds_what_should_not_be_there(tmp_path):
    mail = tmp_path / "mail"
    running = soak(tmp_path, "--minutes", "0.02", "--kill-after", "0.3-0.4", "--sink",
                   f"maildir:{mail}/{{domain}}/{{local-part}}")
    deadline = time.monotonic() + wire.PATIENCE_S
    while not (found := list(mail.glob("open.test/*/new"))):
        assert time.monotonic() < deadline and running.poll() is None, "no mail is stored"
        time.sleep(0.02)
    (found[0] / "stranger").write_text("Subject: not from here\n\n")
    output = running.communicate(timeout=120)[0]
    assert running.returncode == 1, output
    closing = output.splitlines()[-1]
    assert closing.startswith("soak: FAILED: ") and " 1 invented; " in closing, output


def test_soak_takes_only_what_can_be_verified(tmp_path):
    for sink, told in (("discard:", "only what lies in maildirs"), (f"maildir:{tmp_path}/{{address}}", "is not empty")):
        (tmp_path / "mail").touch()
        running = soak(tmp_path, "--sink", sink)
        output = running.communicate(timeout=60)[0]
        assert running.returncode == 2 and told in output, output
