"""Starts and stops one gatepost for tests."""
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import time

import maildir
import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Signs in stderr that something went wrong which no reply shows.
ALARMS = re.compile(
    r"(ERROR: (?:Address|Leak|Thread|Memory)Sanitizer|WARNING: ThreadSanitizer|runtime error:"
    r"|SUMMARY: \w+Sanitizer|invariant broken|terminate called|Assertion .* failed|DEADLYSIGNAL)", re.I)

HOSTNAME = "mx.example.test"
# example.test knows its users, open.test takes everybody.
USERS = ["u@example.test", "v@example.test", "w@example.test", "@open.test"]
DOMAINS = ["example.test", "open.test"]


def binary(name):
    """The program under test: $GATEPOST_BINARY (or $GATEPOST_LOAD_BINARY), else what was built last."""
    given = os.environ.get({"gatepost": "GATEPOST_BINARY", "gatepost-load": "GATEPOST_LOAD_BINARY"}[name])
    if given:
        assert os.access(given, os.X_OK), f"{given} is not there"
        return given
    for folder in ("asan", "release"):
        candidate = ROOT / "build" / folder / name
        if candidate.exists():
            return str(candidate)
    raise AssertionError(f"no build/asan/{name} and no build/release/{name}; run tools/build or tools/test")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def merged_flags(defaults, overrides):
    """Both are (flag, value) pairs, value None for a flag without one. What `overrides` names is taken from there
    alone."""
    named = {flag for flag, _ in overrides}
    return [(f, v) for f, v in defaults if f not in named] + list(overrides)


def parse_flags(text):
    """'--a 1 --b --c=2' -> pairs."""
    pairs, words = [], shlex.split(text)
    while words:
        word = words.pop(0)
        assert word.startswith("--"), f"not a flag: {word}"
        if "=" in word:
            flag, _, value = word.partition("=")
        else:
            flag, value = word, None
            if words and not words[0].startswith("--"):
                value = words.pop(0)
        pairs.append((flag, value))
    return pairs


class Gatepost:
    """A running gatepost with a maildir tree, a port and a log of its own.

    folder: an empty directory for it. flags: pairs or text, in place of the defaults of the same name.
    """

    def __init__(self, folder, flags=(), wait=True, port=None, command_prefix=(), environment=None,
                 default_flags=True):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.maildirs = maildir.MaildirTree(self.folder / "mail")
        self.recipients_file = self.folder / "recipients"
        if not self.recipients_file.exists():
            self.recipients_file.write_text("".join(user + "\n" for user in USERS))
        self.stderr_path = self.folder / "stderr"
        if isinstance(flags, str):
            flags = parse_flags(flags)
        flags = [(f, v.format(folder=self.folder, port=self.port) if v and not f.startswith("--sink") else v)
                 for f, v in flags]
        defaults = [
            ("--listen", f"127.0.0.1:{self.port}"),
            ("--hostname", HOSTNAME),
            *(("--accept-domain", domain) for domain in DOMAINS),
            ("--recipients", str(self.recipients_file)),
            ("--sink", f"maildir:{self.maildirs.root}/{{domain}}/{{local-part}}"),
            ("--max-connections-per-ip", "0"),
            ("--error-sleep-time", "0s"),
            ("--drain-timeout", "5s"),
            ("--min-free-space", "0"),
            ("--shards", "1"),
        ] if default_flags else []
        self.flags = merged_flags(defaults, flags)
        self.command = [*command_prefix, binary("gatepost"),
                        *(word for f, v in self.flags for word in ((f,) if v is None else (f, v)))]
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.start(wait)

    def start(self, wait=True):
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                            cwd=self.folder, env=self.environment)
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            try:
                with wire.Peer(self.port) as peer:
                    if peer.reply().code != 521:  # closes at once
                        peer.command("QUIT")
                    return
            except (ConnectionError, EOFError) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"gatepost did not start ({error!r}, exit {self.process.poll()}):\n"
                                         f"{' '.join(self.command)}\n{self.stderr()[-3000:]}") from None
                time.sleep(0.02)

    def peer(self, **arguments):
        return wire.Peer(self.port, **arguments)

    def greeted(self, **arguments):
        """A connection that has done EHLO."""
        peer = self.peer(**arguments)
        peer.hello()
        return peer

    def stderr(self):
        return self.stderr_path.read_text(errors="backslashreplace") if self.stderr_path.exists() else ""

    def wait_for_log(self, pattern, seconds=wire.PATIENCE_S):
        """The first line of the log that the pattern finds; waits for it."""
        deadline = time.monotonic() + seconds
        while True:
            found = re.search(rf"^.*(?:{pattern}).*$", self.stderr(), re.M)
            if found:
                return found.group(0)
            assert time.monotonic() < deadline, f"no line matches {pattern!r} in:\n{self.stderr()[-3000:]}"
            time.sleep(0.02)

    def signal(self, number):
        self.process.send_signal(number)

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def kill(self):
        """As a crash of the machine's process would: nothing is written out."""
        self.process.kill()
        self.process.wait()

    def wait(self, seconds=wire.PATIENCE_S):
        return self.process.wait(seconds)

    def stop(self):
        """Drains and stops. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"did not stop within 60 s of SIGTERM:\n{self.stderr()[-3000:]}") from None
        return self.process.returncode

    def check_alarms(self):
        """Fails when a sanitizer or a check has spoken."""
        found = ALARMS.search(self.stderr())
        assert not found, f"gatepost said:\n{self.stderr()[max(0, found.start() - 500):][:6000]}"
