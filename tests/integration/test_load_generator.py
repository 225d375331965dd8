"""gatepost-load as an SMTP client: what it sends is held against the rules by a server of a few lines; what it sends
to Gatepost arrives."""
import contextlib
import json
import os
import pty
import re
import socket
import subprocess
import threading

import pytest

import load
import server as server_module


class StrictServer:
    """Speaks enough SMTP to receive mail, and keeps every octet. Subclassing by arguments: `ehlo` are the lines of the
    reply to EHLO (None: not recognised), `replies` maps a verb to the reply it gets in place of success."""

    def __init__(self, ehlo=("stub.test",), replies=None):
        self.ehlo, self.replies = ehlo, replies or {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sessions = []  # lists of octets received, one entry per line or content
        self.early = []     # input that was there before the reply to which it belongs
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        lines = []
        self.sessions.append(lines)
        with connection, connection.makefile("rb") as source, contextlib.suppress(OSError):
            connection.sendall(b"220 stub.test\r\n")
            while line := source.readline():
                lines.append(line)
                verb = line[:4].upper().decode("latin-1")
                if verb in self.replies:
                    reply = self.replies[verb]
                elif verb == "EHLO":
                    if self.ehlo is None:
                        reply = "500 what"
                    else:
                        reply = "\r\n".join(f"250{'-' if i + 1 < len(self.ehlo) else ' '}{text}"
                                            for i, text in enumerate(self.ehlo))
                elif verb == "DATA":
                    reply = "354 go"
                elif verb == "QUIT":
                    reply = "221 bye"
                else:
                    reply = "250 ok"
                connection.sendall(reply.encode() + b"\r\n")
                if verb == "QUIT":
                    return
                if verb == "DATA" and reply.startswith("3"):
                    content = b""
                    while not (content.endswith(b"\r\n.\r\n") or content == b".\r\n"):
                        part = source.readline()
                        if not part:
                            return
                        content += part
                    lines.append(content)
                    connection.sendall(self.replies.get("dot", "250 ok").encode() + b"\r\n")

    def close(self):
        self.listener.close()


@pytest.fixture
def stub():
    made = []

    def make(**arguments):
        made.append(StrictServer(**arguments))
        return made[-1]
    yield make
    for one in made:
        one.close()


def verbs(lines):
    return [line[:4].upper().decode("latin-1") for line in lines]


@pytest.mark.covers("R5321-2.3.5-02", "R5321-2.3.8-04", "R5321-3.3-06", "R5321-4.1.1.1-09", "R5321-4.1.1.3-02",
                    "R5321-4.1.1.10-05", "R5321-4.1.4-10", "R5321-4.3.1-01", "R5321-4.4-16", "R5321-4.5.2-05", "8BIT-06",
                    "BIN-07")
def test_a_whole_session_follows_the_rules(stub):
    server = stub()
    done = load.run(server.port, connections=2, messages=6)
    assert done.returncode == 0, done.stdout + done.stderr
    sessions = [lines for lines in server.sessions if lines]
    assert sum(verbs(lines).count("DATA") for lines in sessions) == 6
    for lines in sessions:
        octets = b"".join(lines)
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", octets)
        assert verbs(lines)[0] == "EHLO"
        name = lines[0].split()[1].decode()
        assert re.fullmatch(r"\[[0-9a-fA-F:.IPv]+\]|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name), name
        assert verbs(lines)[-1] == "QUIT"
        for line in lines:
            if line[:4].upper() in (b"MAIL", b"RCPT"):
                # No extension was offered: no parameter, no source route.
                assert re.fullmatch(rb"(MAIL FROM|RCPT TO):<[^@<>:,]*(@[^<>:,]+)?>\r\n", line), line
        for content in (line for line in lines if line.endswith(b"\r\n.\r\n")):
            assert max(content) < 128
            assert not re.search(rb"(?mi)^Return-Path:", content)
            assert not re.search(rb"\r\n\.(?!\.|\r\n\Z)", content)


@pytest.mark.covers("R5321-2.2.1-03")
def test_falls_back_to_helo(stub):
    server = stub(ehlo=None)
    assert load.run(server.port, connections=1, messages=1).returncode == 0
    assert verbs(server.sessions[-1])[:2] == ["EHLO", "HELO"]


@pytest.mark.covers("R5321-3.3-13")
def test_no_content_without_354(stub):
    server = stub(replies={"DATA": "451 not now"})
    load.run(server.port, connections=1, messages=1)
    for lines in server.sessions:
        rest = verbs(lines)
        if "DATA" in rest:
            assert set(rest[rest.index("DATA") + 1:]) <= {"RSET", "QUIT", "MAIL", "RCPT", "DATA"}


@pytest.mark.covers("R5321-4.2-06", "R5321-4.2-07", "PIPE-12", "R5321-4.1.1.1-07")
def test_acts_on_the_first_digit_and_not_on_texts(stub):
    server = stub(ehlo=("stub.test", "pipelining", "x-odd 500"),
                  replies={"MAIL": "299 500 no", "RCPT": "299 554 refused, it seems", "dot": "299 error"})
    done = load.run(server.port, connections=1, messages=3)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(verbs(lines).count("DATA") for lines in server.sessions) == 3
    refusing = stub(replies={"RCPT": "599 Ok"})
    load.run(refusing.port, connections=1, messages=1)
    assert not any(line.endswith(b"\r\n.\r\n") for lines in refusing.sessions for line in lines)


def test_no_message_is_larger_than_asked_for(stub):
    server = stub()
    refused = load.run(server.port, messages=1, extra=["--size", "10"])
    assert refused.returncode == 2
    least = int(re.search(r"--size: '10' is not allowed: .* (\d+) octets at least", refused.stderr).group(1))
    assert load.run(server.port, messages=1, extra=["--size", str(least - 1)]).returncode == 2
    assert not server.sessions
    done = load.run(server.port, connections=1, messages=3, extra=["--size", str(least)])
    assert done.returncode == 0, done.stdout + done.stderr
    contents = [line for lines in server.sessions for line in lines if line.endswith(b"\r\n.\r\n")]
    assert [len(content) - len(b".\r\n") for content in contents] == [least] * 3


@pytest.mark.parametrize("words, told", [
    (["--size"], "--size: needs a value: --size DIST; see --help"),
    (["--verbose"], "--verbose: there is no such flag; see --help"),
    (["--mesages=5"], "--mesages: there is no such flag; did you mean --messages?"),
    (["--chunk-size", "4K"], "--chunk-size: '4K' is not allowed without --bdat: DATA has no chunks"),
])
def test_a_mistake_is_told_in_one_line(words, told):
    done = load.run(9, extra=words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"gatepost-load: {told}\n")


def test_a_rate_that_was_not_held_has_an_exit_code_of_its_own(stub):
    done = load.run(stub().port, connections=1, duration="300ms", extra=["--rate", "1000000"])
    assert done.returncode == 3, done.stdout + done.stderr
    assert "rate of 1000000/s NOT HELD" in done.stdout


def test_nothing_is_verified_by_nothing(tmp_path):
    ledger, mail = tmp_path / "ledger", tmp_path / "mail"
    mail.mkdir()
    ledger.touch()
    empty = load.run_verify(ledger, mail)
    assert empty.returncode == 2 and "begins with '# gatepost-load ledger 1:'" in empty.stderr
    ledger.write_bytes(bytes(range(128, 256)) * 100)
    assert load.run_verify(ledger, mail).returncode == 2
    ledger.unlink()
    load.run(9, connections=1, messages=1, ledger=ledger)
    untaken = load.run_verify(ledger, mail)
    assert untaken.returncode == 1 and "NOT VERIFIED: the ledger has no acknowledged message" in untaken.stdout
    assert load.run_verify(ledger, mail, "--layout", "foo").returncode == 2


def test_tagged_recipients_are_found(start, tmp_path):
    gatepost = start()
    ledger = tmp_path / "ledger"
    done = load.run(gatepost.port, connections=2, messages=20, recipients="user+tag{1-5}@open.test", ledger=ledger)
    assert done.returncode == 0, done.stdout + done.stderr
    load.verify(ledger, gatepost.maildirs)


def test_every_acknowledged_message_is_found(start, tmp_path):
    gatepost = start("--shards 2")
    ledger = tmp_path / "ledger"
    done = load.run(gatepost.port, connections=10, messages=500, ledger=ledger)
    assert done.returncode == 0, done.stdout + done.stderr
    load.verify(ledger, gatepost.maildirs)
    assert len(gatepost.maildirs.files()) == 500


def test_verify_takes_any_spelling_of_the_directory(start, tmp_path):
    gatepost = start()
    ledger = tmp_path / "ledger"
    assert load.run(gatepost.port, connections=2, messages=20, ledger=ledger).returncode == 0
    (tmp_path / "link").symlink_to(gatepost.maildirs.root)
    root = str(gatepost.maildirs.root)
    for spelling in (root + "/", root + "/.", root + "/../mail", "/." + root, str(tmp_path / "link"),
                     f"/proc/self/root{root}", str(gatepost.maildirs.root / "open.test" / "..")):
        for layout in ("{domain}/{local-part}", "any"):
            done = load.run_verify(ledger, spelling, "--layout", layout)
            assert done.returncode == 0, spelling + done.stdout + done.stderr


def test_verify_notices_a_lost_and_a_changed_message(start, tmp_path):
    gatepost = start()
    ledger = tmp_path / "ledger"
    assert load.run(gatepost.port, connections=2, messages=20, ledger=ledger).returncode == 0
    gatepost.stop()
    one, other, *_ = sorted(gatepost.maildirs.files())
    content = one.read_bytes()
    one.unlink()
    with pytest.raises(AssertionError):
        load.verify(ledger, gatepost.maildirs)
    one.write_bytes(content)
    load.verify(ledger, gatepost.maildirs)
    other.write_bytes(other.read_bytes()[:-2] + b"!\n")
    with pytest.raises(AssertionError):
        load.verify(ledger, gatepost.maildirs)


@pytest.mark.slow
@pytest.mark.covers("R5321-3.8-05", "PIPE-13")
def test_slow_and_broken_clients_leave_only_whole_messages(start, tmp_path):
    gatepost = start("--shards 2 --timeout 5s")
    ledger = tmp_path / "ledger"
    load.run(gatepost.port, connections=40, duration="3s", ledger=ledger,
             extra=["--mix", "slow=5%,abort=10%,reset=10%,halfclose=5%"])
    gatepost.stop()
    gatepost.maildirs.settles()
    load.verify(ledger, gatepost.maildirs)


def test_results_are_json_when_asked_for(stub):
    done = load.run(stub().port, connections=1, messages=2, extra=["--json"])
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result["messages"]["acknowledged"] == 2
    assert result["exit_code"] == 0


def test_its_version_and_help_go_to_stdout():
    for flag, word in (("--version", "gatepost-load "), ("--help", "--ledger")):
        done = subprocess.run([server_module.binary("gatepost-load"), flag], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert word in done.stdout


def test_a_ledger_that_cannot_be_written_ends_it_before_anything_is_sent(stub, tmp_path):
    server = stub()
    done = load.run(server.port, messages=1, ledger=tmp_path / "nowhere" / "ledger")
    assert done.returncode == 2
    assert done.stderr == f"gatepost-load: --ledger {tmp_path}/nowhere/ledger: No such file or directory\n"
    assert server.sessions == []


def on_terminal(command):
    """What the command shows on its standard error, which is a terminal, and its standard output."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs,
                          text=True) as running:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal is gone when the process is
            while part := os.read(ours, 4096):
                shown += part
        table = running.stdout.read()
    os.close(ours)
    assert running.returncode == 0
    return shown, table


def test_progress_is_shown_on_a_terminal_and_nowhere_else(stub):
    server = stub()
    shown, table = on_terminal(load.command(server.port, connections=1, messages=15, extra=["--rate", "10"]))
    progress = re.search(rb"\r\x1b\[K1 s  (\d+) acknowledged  \1/s  \d\.\d MB  1 connections  0 errors", shown)
    assert progress and 5 <= int(progress.group(1)) <= 12, shown
    assert shown.endswith(b"\r\x1b[K"), "the line is wiped before the results"
    assert "acknowledged" in table and "\x1b" not in table
    assert on_terminal(load.command(server.port, connections=1, messages=1, extra=["--quiet"]))[0] == b""
