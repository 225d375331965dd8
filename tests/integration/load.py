"""gatepost-load, as the tests call it."""
import json
import subprocess

import server


def command(port, *, connections=20, recipients="user{1-50}@open.test", duration=None, messages=None, ledger=None,
            extra=()):
    words = [server.binary("gatepost-load"), f"127.0.0.1:{port}", "--connections", str(connections),
             "--to", recipients, *extra]
    if duration is not None:
        words += ["--duration", duration]
    if messages is not None:
        words += ["--messages", str(messages)]
    if ledger is not None:
        words += ["--ledger", str(ledger)]
    return words


def start(port, **arguments):
    return subprocess.Popen(command(port, **arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def run(port, **arguments):
    return subprocess.run(command(port, **arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=300)


def results(output):
    """What a run with --json found."""
    try:
        return json.loads(output)
    except ValueError:
        raise AssertionError(f"gatepost-load said: {output[-3000:]}") from None


def run_verify(ledger, directory, *extra):
    return subprocess.run([server.binary("gatepost-load"), "verify", "--ledger", str(ledger), "--maildir",
                           str(directory), *extra], capture_output=True, text=True, timeout=300)


def verify(ledger, tree):
    """Fails unless every acknowledged message is stored exactly once, bit for bit, and nothing else is."""
    done = run_verify(ledger, tree.root)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout
