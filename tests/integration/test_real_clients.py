"""Clients that nobody here wrote: what they send must land octet for octet."""
import re
import shutil
import smtplib
import subprocess

import pytest

import maildir

BODY_LINES = [b"Subject: octets", b"From: a@sender.test", b"", b"plain", b".", b"..", b".dot first", b"dot last.", b"",
              b"x" * 998, b"\xc3\xa9\xff\x80", b"\x01\x0b\x0c\x7f", b" ", b"\ttab", b"last"]


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def stored(gatepost, before, address="u@example.test"):
    messages = gatepost.maildirs.of(address, gatepost.maildirs.files() - before)
    assert len(messages) == 1
    return messages[0]


@pytest.mark.covers("R5321-2.3.10-01", "R5321-3.6.3-05", "R5321-3.7.1-01", "R5321-4.5.2-04", "R5321-4.5.3.1.6-01",
                    "BDAT-02")
def test_smtplib(gatepost):
    before = gatepost.maildirs.files()
    content = b"\r\n".join(BODY_LINES) + b"\r\n"
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=60) as client:
        refused = client.sendmail("a@sender.test", ["u@example.test"], content, mail_options=["BODY=8BITMIME"])
    assert refused == {}
    message = stored(gatepost, before)
    assert message.content == b"\n".join(BODY_LINES) + b"\n"
    assert message.return_path == "a@sender.test"


@pytest.mark.covers("R5321-2.4-10", "R5321-4.5.3.1.8-02")
def test_smtplib_many_recipients_and_a_large_header(gatepost):
    before = gatepost.maildirs.files()
    to = ",\r\n ".join(f"somebody{i}@remote.test" for i in range(500)).encode()
    recipients = [f"many{i}@open.test" for i in range(100)]
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=60) as client:
        assert client.sendmail("a@sender.test", recipients, b"To: " + to + b"\r\n\r\nx\r\n") == {}
    files = gatepost.maildirs.files() - before
    assert len(files) == 100
    for recipient in recipients:
        message, = gatepost.maildirs.of(recipient, files)
        assert message.content == b"To: " + to.replace(b"\r\n", b"\n") + b"\n\nx\n"


def test_smtplib_sees_refusals(gatepost):
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=60) as client:
        refused = client.sendmail("a@sender.test", ["u@example.test", "nobody@example.test"], b"Subject: t\r\n")
        assert refused["nobody@example.test"][0] == 550
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("a@sender.test", ["u@remote.test"], b"Subject: t\r\n")


@needs("swaks")
def test_swaks(gatepost, tmp_path):
    before = gatepost.maildirs.files()
    data = tmp_path / "message"
    data.write_bytes(b"\n".join(line for line in BODY_LINES if b"\xff" not in line) + b"\n")
    done = subprocess.run(["swaks", "--server", f"127.0.0.1:{gatepost.port}", "--from", "a@sender.test", "--to",
                           "u@example.test", "--ehlo", "client.test", "--data", f"@{data}", "--timeout", "60s"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    content = stored(gatepost, before).content
    # swaks puts a CRLF of its own behind the data.
    assert content.rstrip(b"\n") == data.read_bytes().rstrip(b"\n")


@needs("swaks")
def test_swaks_pipelined(gatepost):
    before = gatepost.maildirs.files()
    done = subprocess.run(["swaks", "--server", f"127.0.0.1:{gatepost.port}", "--from", "a@sender.test", "--to",
                           "u@example.test,v@example.test", "--pipeline", "--timeout", "60s"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(gatepost.maildirs.files() - before) == 2


@needs("smtp-source")
@pytest.mark.parametrize("arguments, count", [
    (["-s", "20", "-m", "200", "-l", "4096"], 200),                # a connection each
    (["-d", "-s", "20", "-m", "200", "-l", "4096"], 200),          # many per connection
    (["-d", "-s", "4", "-m", "12", "-l", "1048576"], 12),
    (["-d", "-s", "5", "-m", "20", "-r", "5", "-l", "1000"], 100),  # five recipients each
], ids=["connection-each", "reused", "large", "recipients"])
def test_smtp_source(gatepost, arguments, count):
    before = gatepost.maildirs.files()
    done = subprocess.run(["smtp-source", "-4", "-f", "a@sender.test", "-t", "source@open.test", "-M", "client.test",
                           *arguments, f"127.0.0.1:{gatepost.port}"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and not done.stderr, done.stderr
    files = gatepost.maildirs.files() - before
    assert len(files) == count
    length = int(arguments[arguments.index("-l") + 1]) if "-l" in arguments else None
    for path in files:
        content = maildir.Stored(path).content
        assert content.startswith(b"From: "), content[:200]
        if length:
            body = content.split(b"\n\n", 1)[1]
            # Lines of X that begin with their number's last digit; what is left over is a line of X alone. With CRLF
            # they add up to the length.
            for number, line in enumerate(body.split(b"\n")[:-1], 1):
                assert re.fullmatch(rb"%dX+|X*" % (number % 10), line), line
            assert length <= len(body.replace(b"\n", b"\r\n")) <= length + 2  # its last CRLF may count or not
