"""Rows of tests/spec/rfc5321.md that want tables of inputs, a sink that fails, or a look at what was stored."""
import os
import re
import subprocess
import time

import pytest

import server
import wire

LABEL = "a" * 63
DOMAIN_255 = ".".join([LABEL] * 4)
DOMAIN_256 = ".".join([LABEL] * 3 + ["a" * 62, "x"])


def new_messages(gatepost, before, address="u@example.test"):
    return gatepost.maildirs.of(address, gatepost.maildirs.files() - before)


# --- Grammar: each input against its code ------------------------------------------------------

GREETINGS = {
    "localhost": 250, "a": 250, "a.b.c": 250, "x--y.test": 250, "1.test": 250, "192.0.2.1": (250, 550), "a-1.b2.c": 250,
    "a_b.test": 250, "host.test.": 250, DOMAIN_255: 250, DOMAIN_255 + ".": 250, LABEL + ".test": 250,
    "[192.0.2.1]": 250, "[0.0.0.0]": 250, "[255.255.255.255]": 250, "[192.0.2.1] foo": 250, "[192.0.2.1] foo bar": 250,
    "[IPv6:2001:db8::1]": 250, "[ipv6:::1]": 250, "[IPV6:::]": 250, "[IPv6:1:2:3:4:5:6:7:8]": 250,
    "[IPv6:1:2:3:4:5:6:192.0.2.1]": 250, "[IPv6:::ffff:192.0.2.1]": 250, "[IPv6:1::192.0.2.1]": 250,
    "[IPv6:1:2:3:4:5:6:7::]": 250, "[IPv6:::2:3:4:5:6:7:8]": 250, "[IPv6:1:2:3::5:6:7:8]": 250,
    "[IPv6:ABCD:ef01::]": 250,
    DOMAIN_256: 501, "a" * 64 + ".test": 501, "a..b": 501, ".a": 501, ".": 501, "a.test..": 501, "-a.test": 501,
    "a-.test": 501, "a b": 501, "a(b": 501, "a,b": 501, "a@b.test": 501, "<a.test>": 501, "a\tb": 501, "a\x07b": 501,
    "a\x7fb": 501, "a;b": 501, "\"a\"": 501, "#123": 501, "a/b": 501, "a:b": 501, "a=b": 501,
    "[256.1.1.1]": 501, "[1.2.3]": 501, "[1.2.3.4.5]": 501, "[1.2.3.4": 501, "1.2.3.4]": 501, "[]": 501, "[": 501,
    "[1.2.3.1234]": 501, "[1.2.3.-4]": 501, "[1.2..4]": 501, "[ 192.0.2.1]": 501, "[192.0.2.1 ]": 501,
    "[192.0.2.1]x": 501, "[192.0.2.1].x": 501, "[192.0.2.1 x]": 501, "[host.test]": 501, "[Foo:bar]": 501,
    "[IPv4:192.0.2.1]": 501, "[IPv6:]": 501, "[IPv6:1:2:3:4:5:6:7]": 501, "[IPv6:1:2:3:4:5:6:7:8:9]": 501,
    "[IPv6:1::2::3]": 501, "[IPv6:1:2:3:4:5:6:7:8::]": 501, "[IPv6:1:2:3:4::5:6:7:8]": 501, "[IPv6::1]": 501,
    "[IPv6:1:]": 501, "[IPv6:12345::]": 501, "[IPv6:g::]": 501, "[IPv6::::]": 501, "[IPv6:::1.2.3]": 501,
    "[IPv6:::192.0.2.256]": 501, "[IPv6:1:2:3:4:5:6:7:192.0.2.1]": 501, "[IPv6:fe80::1%eth0]": 501,
}


@pytest.mark.covers("R5321-4.1.3-01", "R5321-4.1.3-02", "R5321-4.1.3-03", "R5321-4.1.3-04", "R5321-4.1.3-05",
                    "R5321-4.1.3-07", "R5321-4.1.2-05", "R5321-4.1.2-06", "R5321-4.1.2-07", "R5321-4.4-22",
                    "R5321-4.5.3.1.2-01", "R5321-4.1.1.1-01", "R5321-4.1.1.1-03")
@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
@pytest.mark.parametrize("name", GREETINGS)
def test_names_in_a_greeting(gatepost, verb, name):
    with gatepost.peer() as peer:
        peer.expect(220)
        reply = peer.command(f"{verb} {name}", GREETINGS[name])
        assert reply.enhanced is None
        assert len(reply.lines) == 1 or verb == "EHLO"
        # The state follows: only an accepted greeting opens the way.
        peer.command("MAIL FROM:<>", 250 if reply.code == 250 else 503)


LOCAL_64 = "l" * 64
SENDERS = {
    "<>": 250, "<a@b.test>": 250, "<a@tld>": 250, "<A.b+C%x!y@b.test>": 250, "<a@1.2.3>": 250,
    "<a@[192.0.2.1]>": 250, "<a@[IPv6:2001:db8::1]>": 250,
    "<@a.test:u@b.test>": 250, "<@a.test,@b.test:u@c.test>": 250, "<@tld:u@c.test>": 250,
    f"<{LOCAL_64}@b.test>": 250, f"<a@{LABEL}.test>": 250, f"<a@{DOMAIN_255}>": 250,
    f"<{LOCAL_64}@{LABEL}.{LABEL}.{'b' * 61}>": 250,  # 256 octets
    '<"a b"@b.test>': 250, '<"a\\"b"@b.test>': 250, '<"a@b"@c.test>': 250, '<"a>b"@c.test>': 250, '<"a\\\\b"@c.test>': 250,
    '<"a\\ b"@c.test>': 250, '<".a..b."@c.test>': 250, '<"<>"@c.test>': 250, '<"' + "q" * 62 + '"@c.test>': 250,
    **{f"<{c}@b.test>": 250 for c in "!#$%&'*+-/=?^_`{|}~"},
    "a@b.test": 501, "": 501, "<": 501, ">": 501, "<<a@b.test>>": 501, "<a@b.test": 501, "a@b.test>": 501,
    "<a@b.test>>": 501, "<a@b.test>x": 501, "<a@b.test>SIZE=1": 501, "<>SIZE=1": 501, "<a>": 501, "<a@>": 501,
    "<@b.test>": 501, "<@>": 501, "< >": 501, "< a@b.test>": 501, "<a@b.test >": 501, "<a @b.test>": 501,
    "<a b@c.test>": 501, "<a@b@c.test>": 501, "<a@b,c.test>": 501, "<.a@b.test>": 501, "<a.@b.test>": 501,
    "<a..b@c.test>": 501, "<a(b)@c.test>": 501, "<a:b@c.test>": 501, "<a;b@c.test>": 501, "<a,b@c.test>": 501,
    "<a\\b@c.test>": 501, "<a[b@c.test>": 501, "<a]b@c.test>": 501, '<a"b@c.test>': 501, '<""@b.test>': 501,
    '<"a@b.test>': 501, '<"a"b@c.test>': 501, '<"a"."b"@c.test>': 501, '<"a\\"@c.test>': 501, '<"a\tb"@c.test>': 501,
    '<"a\\\tb"@c.test>': 501, '<"a\x7fb"@c.test>': 501, "<a\x01b@c.test>": 501, "<a\x7fb@c.test>": 501,
    f"<{LOCAL_64}l@b.test>": 501, f"<a@{LABEL}a.test>": 501, f"<a@{DOMAIN_256}>": 501,
    "<a@-x.test>": 501, "<a@x-.test>": 501, "<a@x..test>": 501, "<a@.test>": 501, "<a@x.test.>": 501,
    "<a@a_b.test>": 501, "<a@b!c.test>": 501, "<a@b c.test>": 501, "<a@#123>": 501, "<a@[256.1.1.1]>": 501,
    "<a@[1.2.3.4>": 501, "<a@[1.2.3.4]x>": 501, "<a@[]>": 501, "<a@[Foo:bar]>": 501, "<a@[::1]>": 501,
    "<@a.test u@b.test>": 501, "<@a.test,b.test:u@c.test>": 501, "<@a.test,:u@c.test>": 501, "<@:u@c.test>": 501,
    "<@a..b:u@c.test>": 501, "<@a.test:>": 501, "<a.test:u@c.test>": 501, "<@a.test:@b.test:u@c.test>": 501,
    "<postmaster>": 501,
}


@pytest.mark.covers("R5321-4.1.2-01", "R5321-4.1.2-05", "R5321-4.1.2-06", "R5321-4.1.2-08", "R5321-4.1.2-09",
                    "R5321-4.1.2-10", "R5321-4.1.2-11", "R5321-4.1.2-12", "R5321-4.1.2-16", "R5321-4.1.2-18",
                    "R5321-4.1.3-06", "R5321-4.1.4-08", "R5321-F.4-01", "R5321-4.5.3.1.1-01", "R5321-4.5.3.1.2-01",
                    "R5321-4.5.3.1.3-01", "R5321-3.7.3-01", "R5321-4.1.1.2-03", "X-16")
@pytest.mark.parametrize("path", SENDERS)
def test_paths(gatepost, path):
    """As reverse-path and, in a domain that takes everybody, as forward-path."""
    code = SENDERS[path]
    with gatepost.greeted() as peer:
        reply = peer.command(f"MAIL FROM:{path}", code)
        if code == 501:
            assert reply.enhanced in ("5.1.7", "5.5.4"), reply
            peer.command("MAIL FROM:<a@b.test>", 250, "2.1.0")
        else:
            assert reply.enhanced == "2.1.0"
        reply = peer.command(f"RCPT TO:{path}")
        if path == "<>":
            assert (reply.code, reply.enhanced) == (501, "5.1.3")
        elif path == "<postmaster>":
            assert reply.code == 250
        elif code == 501:
            assert reply.code == 501 and reply.enhanced in ("5.1.3", "5.5.4"), reply
        else:
            assert (reply.code, reply.enhanced) == (550, "5.7.1"), reply
        peer.command("RCPT TO:<u@example.test>", 250, "2.1.5")


RECIPIENTS = {
    "<postmaster>": 250, "<POSTmaster>": 250, "<postmaster@example.test>": 250, "<Postmaster@OPEN.test>": 250,
    '<"postmaster"@example.test>': 250, '<"post\\master"@example.test>': 250, '<"Postmaster">': (250, 501),
    "<u@EXAMPLE.test>": 250, "<U@example.test>": 250, '<"u"@example.test>': 250, '<"\\u"@example.test>': 250,
    "<@a.test,@b.test:u@example.test>": 250, "<@remote.test:u@example.test>": 250, "<postmaster@[127.0.0.1]>": (250, 550),
    "<MiXeD.Case+tag@open.test>": 250, "<u%remote.test@open.test>": 250, "<remote.test!u@open.test>": 250,
    '<"u@remote.test"@open.test>': 250, f"<{LOCAL_64}@open.test>": 250,
    "<nobody@example.test>": (550, "5.1.1"), "<u%remote.test@example.test>": (550, "5.1.1"),
    "<remote.test!u@example.test>": (550, "5.1.1"), '<"u@remote.test"@example.test>': (550, "5.1.1"),
    '<"u "@example.test>': (550, "5.1.1"), '<"postmaster "@example.test>': (550, "5.1.1"),
    "<u@remote.test>": (550, "5.7.1"), "<u@REMOTE.test>": (550, "5.7.1"), "<u@sub.example.test>": (550, "5.7.1"),
    "<u@example.test.remote.test>": (550, "5.7.1"), "<u@xexample.test>": (550, "5.7.1"), "<u@test>": (550, "5.7.1"),
    "<@example.test:u@remote.test>": (550, "5.7.1"), "<@example.test,@open.test:u@remote.test>": (550, "5.7.1"),
    "<u@[192.0.2.1]>": (550, "5.7.1"), "<u@[127.0.0.1]>": (550, "5.7.1"), "<u@[IPv6:::1]>": (550, "5.7.1"),
    "<postmaster@[192.0.2.1]>": (550, "5.7.1"), "<postmaster@remote.test>": (550, "5.7.1"),
    "<u@127.0.0.1>": (550, "5.7.1"),
    "<u@remote.test@example.test>": (501, "5.1.3"), "<u@remote.test.>": (501, "5.1.3"), "<u@example.test.>": (501, "5.1.3"),
    "<u>": (501, "5.1.3"), "<@example.test:postmaster>": (501, "5.1.3"), "<u@example_.test>": (501, "5.1.3"),
}


@pytest.mark.covers("R5321-2.3.5-03", "R5321-2.4-03", "R5321-3.3-07", "R5321-3.3-09", "R5321-3.3-11",
                    "R5321-3.6.2-01", "R5321-4.1.1.3-01", "R5321-4.1.1.3-03", "R5321-4.1.1.3-05", "R5321-4.1.2-13",
                    "R5321-4.1.3-06", "R5321-4.5.1-02", "R5321-7.9-02")
@pytest.mark.parametrize("sender", ["<a@sender.test>", "<>"])
@pytest.mark.parametrize("path", RECIPIENTS)
def test_recipients(gatepost, path, sender):
    wanted = RECIPIENTS[path]
    with gatepost.greeted() as peer:
        peer.command(f"MAIL FROM:{sender}", 250)
        reply = peer.command(f"RCPT TO:{path}")
        if isinstance(wanted, tuple) and isinstance(wanted[1], str):
            assert (reply.code, reply.enhanced) == wanted, reply
        else:
            assert reply.code in (wanted if isinstance(wanted, tuple) else (wanted,)), reply
        peer.command("DATA", 354 if reply.code == 250 else 554)


@pytest.mark.covers("R5321-3.3-05", "X-19", "R5321-2.4-01", "R5321-2.4-05", "R5321-4.1.2-02", "R5321-4.1.2-03",
                    "R5321-4.1.2-04", "R5321-4.1.1-01", "R5321-4.1.1.11-01")
@pytest.mark.parametrize("line, codes", [
    ("mail from:<a@b.test>", 250), ("MAIL FROM: <a@b.test>", 250), ("MAIL FROM:  <a@b.test>", 250),
    ("MAIL FROM:<a@b.test> ", 250), ("MAIL FROM:<a@b.test>\t", 250), ("MAIL FROM:<a@b.test> \t ", 250),
    ("MAIL FROM:<a@b.test> size=10", 250), ("MAIL FROM:<> SIZE=10 BODY=7BIT", 250),
    ("MAIL FROM:<a@b.test> BODY=8BITMIME SIZE=10", 250), ("MAIL FROM: <a@b.test> SIZE=10", 250),
    ("MAIL FROM :<a@b.test>", 501), ("MAIL FROM : <a@b.test>", 501), ("MAIL FROM<a@b.test>", 501),
    ("MAIL FROM:\t<a@b.test>", 501), ("MAIL <a@b.test>", 501), ("MAIL TO:<a@b.test>", 501), ("MAIL FROM:", 501),
    ("MAIL FROM", 501), ("MAIL FROM:<a@b.test>SIZE=1", 501), ("MAIL FROM:<a@b.test> -X=1", 501),
    ("MAIL FROM:<a@b.test> =1", 501), ("MAIL FROM:<a@b.test> SIZE=", 501), ("MAIL FROM:<a@b.test> SIZE=1=2", 501),
    ("MAIL FROM:<a@b.test> SIZE =1", 501), ("MAIL FROM:<a@b.test> SIZE= 1", 501), ("MAIL FROM:<a@b.test> S_X=1", 501),
    ("MAIL FROM:<a@b.test> SIZE=1\tBODY=7BIT", 501), ("MAIL FROM:<a@b.test> SIZE=1\x01", 501),
    ("MAIL FROM:<a@b.test> FOO", 555), ("MAIL FROM:<a@b.test> FOO=1", 555), ("MAIL FROM:<a@b.test> X-Y=z", 555),
    ("MAIL FROM:<a@b.test> SIZE=10 FOO=1", 555), ("MAIL FROM:<a@b.test> 1=2", 555), ("MAIL FROM:<a@b.test> FOO FOO", 555),
])
def test_forms_of_mail(gatepost, line, codes):
    with gatepost.greeted() as peer:
        reply = peer.command(line, codes)
        assert reply.enhanced == {250: "2.1.0", 501: reply.enhanced, 555: "5.5.4"}[reply.code]
        peer.command("RCPT TO:<u@example.test>", 250 if reply.code == 250 else 503)


@pytest.mark.covers("R5321-3.3-05", "X-19", "R5321-2.4-01", "R5321-4.1.2-04", "R5321-4.1.2-18", "R5321-4.1.1.11-01")
@pytest.mark.parametrize("line, codes", [
    ("rcpt to:<u@example.test>", 250), ("RCPT TO: <u@example.test>", 250), ("RCPT TO:<u@example.test> \t", 250),
    ("RCPT TO :<u@example.test>", 501), ("RCPT TO<u@example.test>", 501), ("RCPT FROM:<u@example.test>", 501),
    ("RCPT TO:u@example.test", 501), ("RCPT TO:", 501), ("RCPT", 501), ("RCPT TO:<u@example.test>NOTIFY=NEVER", 501),
    ("RCPT TO:<u@example.test> -X", 501), ("RCPT TO:<u@example.test> X=", 501),
    ("RCPT TO:<u@example.test> BAR", 555), ("RCPT TO:<u@example.test> NOTIFY=NEVER", 555),
    ('RCPT TO:<"x>y"@open.test> NOTIFY=NEVER', 555), ('RCPT TO:<"x>y"@open.test>', 250),
    ("RCPT TO:<u@example.test> SIZE=1", 555), ("RCPT TO:<u@example.test> ORCPT=rfc822;u@example.test", 555),
])
def test_forms_of_rcpt(gatepost, line, codes):
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@b.test>", 250)
        reply = peer.command(line, codes)
        assert reply.enhanced == {250: "2.1.5", 501: reply.enhanced, 555: "5.5.4"}[reply.code]
        assert reply.code != 501 or reply.enhanced in ("5.1.3", "5.5.4")
        peer.command("DATA", 354 if reply.code == 250 else 554)


@pytest.mark.covers("R5321-2.4-07", "R5321-4.1.2-07", "R5321-4.1.2-16", "R5321-2.3.8-01", "X-02", "R5321-4.2-03")
@pytest.mark.parametrize("octet", [0, 0x0b, 0x7f, 0x80, 0xff, 0x0d, 0x0a])
@pytest.mark.parametrize("line", [b"MAIL FROM:<a%sb@c.test>", b"MAIL FROM:<a@b%sc.test>", b"EHLO a%sb", b"FOO%s"])
def test_odd_octets_are_never_accepted(gatepost, line, octet):
    with gatepost.greeted() as peer:
        peer.line(line % bytes([octet]))
        reply = peer.expect((500, 501, 550, 553))
        assert line[:3] in (b"FOO", b"MAI") or reply.enhanced is None
        peer.command("RCPT TO:<u@example.test>", 503)
        peer.command("NOOP", 250)


# --- Lengths -----------------------------------------------------------------------------------

@pytest.mark.covers("R5321-2.2.2-03", "R5321-4.5.3.1.4-01")
def test_all_parameters_at_full_length_fit_into_mail(gatepost):
    with gatepost.greeted() as peer:
        sender = f"{LOCAL_64}@{LABEL}.{LABEL}.{'b' * 61}"
        route = ",".join(f"@{LABEL}.{LABEL}.{LABEL}.r{i}" for i in range(4)) + ":"
        parameters = " SIZE=00000000000000000010 BODY=8BITMIME SMTPUTF8"
        peer.command(f"MAIL FROM:<{sender}>{parameters}", 250)
        peer.command("RSET", 250)
        peer.command(f"MAIL FROM:<{route}{sender}>{parameters}", 250)
        peer.command(f"RCPT TO:<{route}u@example.test>", 250)


@pytest.mark.covers("R5321-4.5.3.1.4-01", "R5321-4.3.2-01", "R5321-4.3.2-02", "R5321-2.3.8-03")
@pytest.mark.parametrize("cut", [None, 1, 511, 512, 513, 4094, 4095, 4096, 4097])
def test_command_lines_up_to_the_limit_in_two_segments(gatepost, cut):
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@b.test>", 250)
        for size, code in ((510, 250), (511, 250), (512, 250), (4095, 250), (4096, 250), (4097, 500), (4098, 500),
                           (8192, 500), (60000, 500), (12, 250)):
            line = b"NOOP " + b"x" * (size - 7) + b"\r\n"
            if cut and cut < size:
                peer.send(line[:cut])
                peer.silence(0.02)
                peer.send(line[cut:])
            else:
                peer.send(line)
            peer.expect(code, "5.5.2" if code == 500 else "2.0.0")
        peer.command("RCPT TO:<u@example.test>", 250)  # the transaction has stayed


@pytest.mark.covers("R5321-4.5.3.1.4-01")
def test_a_line_without_end_is_421(gatepost):
    with gatepost.greeted() as peer:
        peer.send(b"x" * (70 * 1024))
        peer.expect(421, "4.7.0")
        peer.end(reset_allowed=True)


@pytest.mark.covers("R5321-7.8-01", "R5321-4.5.3.1.4-01")
def test_lines_that_are_too_long_are_errors_too(gatepost):
    with gatepost.greeted() as peer:
        for _ in range(20):
            peer.command("x" * 5000, 500)
        peer.command("x" * 5000, 421, "4.7.0")
        peer.end(reset_allowed=True)


@pytest.mark.covers("R5321-4.5.3.1.6-01", "R5321-4.5.3.1.6-02", "8BIT-04", "R5321-4.5.2-01")
@pytest.mark.parametrize("size", [998, 999, 2000, 100_000, 3_000_000])
@pytest.mark.parametrize("octet", [b"x", b".", b"\xe9"])
def test_long_text_lines_are_kept_whole(gatepost, size, octet):
    before = gatepost.maildirs.files()
    line = octet * size
    with gatepost.greeted() as peer:
        assert peer.deliver(b"Subject: t\r\n\r\n" + line + b"\r\nend\r\n").code == 250
        assert peer.deliver(line + b"\r\n").code == 250
    contents = {message.content for message in new_messages(gatepost, before)}
    assert contents == {b"Subject: t\n\n" + line + b"\nend\n", line + b"\n"}


@pytest.mark.covers("R5321-4.5.3.1.7-01", "R5321-4.5.3.1.8-02")
def test_64_kib_and_500_header_recipients(gatepost):
    before = gatepost.maildirs.files()
    header = b"To: " + b",\r\n ".join(b"r%d@remote.test" % i for i in range(500)) + b"\r\n\r\n"
    body = b"x" * 70 + b"\r\n"
    content = header + body * ((65536 - len(header)) // len(body))
    content += b"y" * (65536 - len(content) - 2) + b"\r\n"
    assert len(content) == 65536
    with gatepost.greeted() as peer:
        assert peer.deliver(content).code == 250
    assert new_messages(gatepost, before)[0].content == content.replace(b"\r\n", b"\n")


# --- Content and trace -------------------------------------------------------------------------

@pytest.mark.covers("R5321-4.5.2-01", "R5321-4.5.2-02", "R5321-4.1.1.4-01", "R5321-4.1.1.4-04", "R5321-4.5.2-03")
@pytest.mark.parametrize("sent, stored", [
    (b"a\r\n.\r\n", b"a\n"), (b"\r\n.\r\n", b"\n"), (b"..\r\n.\r\n", b".\n"),
    (b"...\r\n.\r\n", b"..\n"), (b".a\r\n.\r\n", b"a\n"), (b"a\r\n. \r\n.\r\n", b"a\n \n"),
    (b"a\r\n.\t\r\n.\r\n", b"a\n\t\n"),
    (b"a\r\n..b\r\n.\r\n", b"a\n.b\n"), (b"a.\r\n.\r\n", b"a.\n"), (b"a\r\n\r\n\r\n.\r\n", b"a\n\n\n"),
    (b"x..\r\n..\r\n..\r\n.\r\n", b"x..\n.\n.\n"), (b"\x0b\x0c\x7f\x1a\x04\r\n.\r\n", b"\x0b\x0c\x7f\x1a\x04\n"),
    (b".QUIT\r\nQUIT\r\nRSET\r\n.\r\n", b"QUIT\nQUIT\nRSET\n"),
    (bytes(set(range(1, 256)) - {10, 13}) + b"\r\n.\r\n", bytes(set(range(1, 256)) - {10, 13}) + b"\n"),
])
def test_dots_and_octets(gatepost, sent, stored):
    for split in ("whole", "bytes"):
        before = gatepost.maildirs.files()
        with gatepost.greeted(split=split) as peer:
            peer.command("MAIL FROM:<a@b.test>", 250)
            peer.command("RCPT TO:<u@example.test>", 250)
            peer.command("DATA", 354)
            peer.send(sent)
            peer.expect(250, "2.0.0")
            peer.command("NOOP", 250)
            peer.quit()
        message, = new_messages(gatepost, before)
        assert message.content == stored


@pytest.mark.covers("R5321-4.1.1.4-04")
def test_nul_in_content_is_kept_or_refused(gatepost):
    before = gatepost.maildirs.files()
    with gatepost.greeted() as peer:
        reply = peer.deliver(b"Subject: t\r\n\r\na\0b\r\nc\r\n")
        peer.command("NOOP", 250)
    if reply.code == 250:
        assert new_messages(gatepost, before)[0].content == b"Subject: t\n\na\0b\nc\n"
    else:
        assert (reply.code, reply.enhanced) == (550, "5.6.0") and not new_messages(gatepost, before)


def received_lines(count, name=b"Received"):
    return b"".join(b"%s: from a by b;\r\n\tline %d\r\n" % (name, i) for i in range(count))


@pytest.mark.covers("R5321-6.3-01", "R5321-6.3-02", "R5321-4.2.5-02", "R5321-4.4-09", "X-14", "X-15")
@pytest.mark.parametrize("content, accepted", [
    (received_lines(99), True), (received_lines(100), True), (received_lines(101), False),
    (received_lines(101, b"rEcEiVeD"), False), (received_lines(150), False),
    (received_lines(50) + b"Subject: t\r\n" + received_lines(51), False),
    (received_lines(101, b"X-Received"), True), (received_lines(101, b"Received-SPF"), True),
    (b"Subject: t\r\n\r\n" + received_lines(120), True), (received_lines(100) + b"\r\n" + received_lines(50), True),
    (received_lines(101).rstrip(b"\r\n") + b"\r\n\r\nbody\r\n", False),
], ids=str)
def test_hops_are_counted_in_the_header_only(gatepost, content, accepted):
    before = gatepost.maildirs.files()
    with gatepost.greeted() as peer:
        reply = peer.deliver(content)
        assert (reply.code, reply.enhanced) == ((250, "2.0.0") if accepted else (554, "5.4.6")), reply
        peer.command("RCPT TO:<u@example.test>", 503)
    stored = new_messages(gatepost, before)
    assert [message.content for message in stored] == ([content.replace(b"\r\n", b"\n")] if accepted else [])


@pytest.mark.covers("R5321-6.3-02")
def test_a_loop_through_itself_ends(gatepost):
    """What was stored is sent in again, as a delivery that leads back here would."""
    before = gatepost.maildirs.files()
    content = b"Subject: round and round\r\n"
    with gatepost.greeted() as peer:
        for turns in range(1, 130):
            if peer.deliver(content).code != 250:
                break
            message, = new_messages(gatepost, before)
            content = message.octets.replace(b"\n", b"\r\n")
            message.path.unlink()
    assert turns == 102  # 100 lines of its own are borne


ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
RECEIVED = re.compile(
    r"Received: from (?P<helo>\S+) \((?P<peer>\[[^\]]+\])\) by mx\.example\.test \(Gatepost\) "
    rf"with (?P<with>SMTP|ESMTP|UTF8SMTP) id (?P<id>{ATOM})( for <(?P<for>[^>]+)>)?; "
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
    r"\d\d:\d\d:\d\d [+-]\d{4}( \([A-Z]+\))?")


@pytest.mark.covers("R5321-4.4-01", "R5321-4.4-02", "R5321-4.4-03", "R5321-4.4-04", "R5321-4.4-05", "R5321-4.4-06",
                    "R5321-4.4-07", "R5321-4.4-08", "R5321-4.4-10", "R5321-4.4-21", "R5321-4.4-22", "R5321-7.2-01",
                    "R5321-4.1.1.1-03", "R5321-4.1.2-05")
@pytest.mark.parametrize("greeting, helo, protocol", [
    ("EHLO client.test", "client.test", "ESMTP"), ("HELO client.test", "client.test", "SMTP"),
    ("EHLO client.test.", "client.test", "ESMTP"), ("EHLO [192.0.2.9]", "[192.0.2.9]", "ESMTP"),
    ("EHLO [IPv6:2001:db8::9] some more", "[IPv6:2001:db8::9]", "ESMTP"), (f"EHLO {DOMAIN_255}", DOMAIN_255, "ESMTP"),
    ("HELO a_b", "a_b", "SMTP"),
])
@pytest.mark.parametrize("recipients", [("u@example.test",), ("u@example.test", "v@example.test", "w@example.test"),
                                        ("u@example.test", "u@example.test")])
def test_received(gatepost, greeting, helo, protocol, recipients):
    before = gatepost.maildirs.files()
    with gatepost.peer() as peer:
        peer.expect(220)
        peer.command(greeting, 250)
        reply = peer.deliver(b"To: somebody@remote.test\r\n", recipients=recipients)
    for recipient in set(recipients):
        message, = new_messages(gatepost, before, recipient)
        found = RECEIVED.fullmatch(message.received)
        assert found, message.received
        assert found["helo"] == helo and found["peer"] == "[127.0.0.1]" and found["with"] == protocol
        assert reply.text.endswith(f"queued as {found['id']}")
        assert found["for"] == (recipients[0] if len(set(recipients)) == 1 else None)
        assert all(len(line) <= 998 for line in message.octets.split(b"\n"))
        for other in set(recipients) - {recipient}:
            assert other.encode() not in message.octets
        assert message.content == b"To: somebody@remote.test\n"


@pytest.mark.covers("R5321-4.4-11", "R5321-4.4-14", "R5321-3.7.2-02", "R5321-3.7.2-03", "R5321-4.4-09", "X-21")
@pytest.mark.parametrize("header, kept", [
    (b"Return-Path: <x@y.test>\r\nA: b\r\n", b"A: b\n"), (b"A: b\r\nreturn-path:<x>\r\nC: d\r\n", b"A: b\nC: d\n"),
    (b"RETURN-PATH : <x>\r\n\tfolded\r\nA: b\r\n", b"A: b\n"), (b"Return-Path: 1\r\nReturn-Path: 2\r\n", b""),
    (b"A: b\r\nReturn-Path: <x>\r\n", b"A: b\n"), (b"Return-Path-X: y\r\n", b"Return-Path-X: y\n"),
    (b"X-Return-Path: y\r\n", b"X-Return-Path: y\n"), (b"A: b\r\n\r\nReturn-Path: body\r\n", b"A: b\n\nReturn-Path: body\n"),
    (b"Received: garbage ;;; (((\r\nReceived:\r\nReceived: \r\nA: b\r\n", b"Received: garbage ;;; (((\nReceived:\nReceived: \nA: b\n"),
    (b"Resent-To: x\r\nResent-To: y\r\nFrom\r\n", b"Resent-To: x\nResent-To: y\nFrom\n"),
])
def test_only_earlier_return_paths_are_taken_out(gatepost, header, kept):
    for split in ("whole", "bytes"):
        before = gatepost.maildirs.files()
        with gatepost.greeted(split=split) as peer:
            assert peer.deliver(header, sender="S.en+der@b.test").code == 250
        message, = new_messages(gatepost, before)
        assert message.content == kept and message.return_path == "S.en+der@b.test"


@pytest.mark.covers("R5321-2.3.1-01", "R5321-2.3.11-01", "R5321-2.4-02", "R5321-3.6.1-02", "R5321-4.4-11")
@pytest.mark.parametrize("given, stored", [
    ("<>", ""), ("<MiXeD@B.Test>", "MiXeD@B.Test"), ("<@a.test,@b.test:u@c.test>", "u@c.test"),
    ('<"u"@c.test>', "u@c.test"), ('<"\\u\\v"@c.test>', "uv@c.test"), ('<"a b"@c.test>', '"a b"@c.test'),
    ('<"a\\"b"@c.test>', '"a\\"b"@c.test'), ("<a@[192.0.2.1]>", "a@[192.0.2.1]"), ("<A.b+C%x!y@b.test>", "A.b+C%x!y@b.test"),
])
def test_return_path_shows_the_sender(gatepost, given, stored):
    before = gatepost.maildirs.files()
    with gatepost.greeted() as peer:
        peer.command(f"MAIL FROM:{given}", 250)
        peer.command("RCPT TO:<u@example.test>", 250)
        peer.command("DATA", 354)
        peer.send("To: somebody@else.test\r\n.\r\n")
        peer.expect(250)
    message, = new_messages(gatepost, before)
    assert message.return_path == stored


@pytest.mark.covers("R5321-2.3.5-03", "R5321-4.1.1.3-03")
def test_bare_postmaster_is_that_of_the_first_domain(gatepost):
    before = gatepost.maildirs.files()
    with gatepost.greeted() as peer:
        assert peer.deliver(b"Subject: t\r\n", sender="", recipients=["postmaster"]).code == 250
    message, = new_messages(gatepost, before, "postmaster@example.test")
    assert "for <postmaster@example.test>" in message.received


@pytest.mark.covers("R5321-2.4-02", "R5321-2.3.11-01")
@pytest.mark.parametrize("address", ["MiXeD@open.test", "A.b+C%x!y@open.test"])
def test_the_local_part_keeps_its_case(gatepost, address):
    before = gatepost.maildirs.files()
    with gatepost.greeted() as peer:
        assert peer.deliver(b"Subject: t\r\n", recipients=[address]).code == 250
    path, = gatepost.maildirs.files() - before
    assert f"for <{address}>".encode() in path.read_bytes()


@pytest.mark.covers("R5321-5.2-01")
def test_an_ipv4_peer_of_an_ipv6_socket_is_shown_as_ipv4(start):
    try:
        wire.socket.create_server(("::1", 0), family=wire.socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    port = server.free_port()
    gatepost = start([("--listen", f"[::]:{port}")], port=port)
    for host, shown in (("127.0.0.1", "([127.0.0.1])"), ("::1", "([IPv6:::1])")):
        before = gatepost.maildirs.files()
        with gatepost.peer(host=host) as peer:
            peer.hello()
            assert peer.deliver(b"Subject: t\r\n").code == 250
        assert shown in new_messages(gatepost, before)[0].received


# --- Sessions ----------------------------------------------------------------------------------

@pytest.mark.covers("R5321-4.1.4-06")
def test_a_greeting_that_is_not_the_peers_name_is_no_obstacle(gatepost):
    with gatepost.peer() as peer:
        peer.hello("wrong.test")
        assert peer.deliver(b"Subject: t\r\n").code == 250


@pytest.mark.covers("R5321-4.2.1-03", "R5321-4.2.5-02")
@pytest.mark.parametrize("commands, code", [
    # What is refused for good, and what may work later unchanged (a full disk, a slow sink: test_storage_failures.py).
    (["FOO"], 500), (["EHLO a..b"], 501), (["TURN"], 502), (["RCPT TO:<u@example.test>"], 503),
    (["MAIL FROM:<a@b.test> FOO=1"], 555), (["MAIL FROM:<a@b.test> SIZE=99999999999"], 552),
    (["MAIL FROM:<a@b.test>", "RCPT TO:<nobody@example.test>"], 550),
    (["MAIL FROM:<a@b.test>", "RCPT TO:<u@remote.test>"], 550),
    (["MAIL FROM:<a@b.test>", "RCPT TO:<nobody@example.test>", "DATA"], 554),
])
def test_permanent_refusals_stay_the_same_when_repeated(gatepost, commands, code):
    with gatepost.greeted() as peer:
        for _ in range(3):
            for command in commands[:-1]:
                peer.command(command)
            peer.command(commands[-1], code)
            peer.command("RSET", 250)


@pytest.mark.covers("R5321-4.1.1.10-01")
@pytest.mark.parametrize("behind", ["", "NOOP\r\nMAIL FROM:<a@b.test>\r\n", "x" * 3000, "NOOP\r\n" * 20000, "\0\xff\n\n"])
def test_quit_ends_in_order_whatever_stands_behind_it(gatepost, behind):
    with gatepost.greeted() as peer:
        peer.send("QUIT\r\n" + behind)
        peer.expect(221, "2.0.0")
        peer.end()


@pytest.mark.covers("R5321-3.8-01", "R5321-4.1.1.10-02", "R5321-7.8-01")
def test_harvesting_ends_with_421(gatepost):
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@b.test>", 250)
        for i in range(20):
            peer.command(f"RCPT TO:<guess{i}@example.test>", 550, "5.1.1")
        peer.command("RCPT TO:<guess@example.test>", 421, "4.7.0")
        peer.end(reset_allowed=True)


@pytest.mark.covers("R5321-4.1.1.5-05", "R5321-4.1.1.10-03", "R5321-4.1.1.10-04")
@pytest.mark.parametrize("end", ["reset", "finish", "close"])
@pytest.mark.parametrize("sent", [
    "MAIL FROM:<a@b.test>\r\nRCPT TO:<v@example.test>\r\n", "MAIL FROM:<a@b.test>\r\nRCPT TO:<v@example.test>\r\nDATA\r\n",
    "MAIL FROM:<a@b.test>\r\nRCPT TO:<v@example.test>\r\nDATA\r\n|Subject: t\r\n\r\nhalf",
    "MAIL FROM:<a@b.test>\r\nRCPT TO:<v@example.test>\r\nDATA\r\n|Subject: t\r\n.\r",
    "MAIL FROM:<a@b.test>\r\nRCPT TO:<v@example.test>\r\nDATA\r\n|Subject: t\r\n.",
    "MAIL FROM:<a@b.test>\r\nRCPT TO:<v@example.test>\r\nBDAT 100 LAST\r\nhalf",
    "MAIL FROM:<a@b.test>\r\nRCPT TO:<v@example.test>\r\nBDAT 4\r\nhalf",
    "MAIL FROM:<a@b.test>\r\nRCPT TO:<v@example.test>\r\nBDAT 4\r\nhalfBDAT 0 LA",
])
def test_a_connection_that_ends_early_leaves_only_what_was_acknowledged(gatepost, sent, end):
    before = gatepost.maildirs.files()
    peer = gatepost.greeted()
    assert peer.deliver(b"Subject: first\r\n").code == 250
    head, _, content = sent.partition("|")
    peer.send(head)
    for _ in range(2 + ("DATA" in head) + ("BDAT 4\r" in head)):
        peer.reply()
    peer.send(content)
    getattr(peer, end)()
    if end == "finish":
        peer.end(timeout=8)
        peer.close()
    gatepost.maildirs.settles()
    with gatepost.greeted() as other:
        other.quit()
    assert len(gatepost.maildirs.files() - before) == 1 and new_messages(gatepost, before)


@pytest.mark.covers("R5321-3.1-02", "R5321-3.1-03", "R5321-3.1-04", "R5321-3.1-05")
def test_a_denied_client_is_told_554_and_others_are_served(start):
    gatepost = start("--deny-client 127.0.0.3/32")
    with gatepost.peer(source="127.0.0.3") as denied, gatepost.peer() as other:
        greeting = denied.expect(554)
        assert greeting.text.startswith(server.HOSTNAME + " ") and len(greeting.text) > len(server.HOSTNAME) + 1
        for command in ("EHLO client.test", "NOOP", "MAIL FROM:<a@b.test>", "RSET", "HELP"):
            denied.command(command, 503)
        denied.silence(0.3)
        denied.quit()
        other.hello()


@pytest.mark.covers("R7504-2-01", "R7504-2-02", "R7504-2-03", "R5321-3.1-05")
def test_521_says_why_in_the_operators_words(shared_servers):
    with shared_servers.get("--refuse-all 521 --refuse-text 'mail for nobody'").peer() as peer:
        assert peer.expect(521).text == f"{server.HOSTNAME} mail for nobody"
        peer.end()


# --- A sink that is slow or fails --------------------------------------------------------------

STALLING_C = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
/* As long as the file $STALL is there nothing becomes durable. */
static void stall(void) {
  const char* path = getenv("STALL");
  while (path && access(path, F_OK) == 0) usleep(10000);
}
int fsync(int fd) { stall(); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { stall(); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
int syncfs(int fd) { stall(); return ((int (*)(int))dlsym(RTLD_NEXT, "syncfs"))(fd); }
int sync_file_range(int fd, off64_t at, off64_t size, unsigned flags) {
  stall();
  return ((int (*)(int, off64_t, off64_t, unsigned))dlsym(RTLD_NEXT, "sync_file_range"))(fd, at, size, flags);
}
"""


@pytest.fixture
def stall(tmp_path):
    """(environment for gatepost, file that stalls its flushes while it is there)"""
    source, library, switch = tmp_path / "stall.c", tmp_path / "stall.so", tmp_path / "stall"
    source.write_text(STALLING_C)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    options = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": str(library), "STALL": str(switch),
            "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0".lstrip(":")}, switch


@pytest.mark.slow
@pytest.mark.covers("R5321-4.5.3.2.6-01", "R5321-6.1-05", "R5321-4.2.5-01", "X-10", "X-11")
def test_a_stalled_sink_is_451_in_time_and_its_message_never_comes(start, stall):
    environment, switch = stall
    gatepost = start("--commit-timeout 1s", environment=environment)
    with gatepost.greeted() as peer, gatepost.greeted() as other:
        assert peer.deliver(b"Subject: before\r\n").code == 250
        switch.touch()
        begun = time.monotonic()
        reply = peer.deliver(b"Subject: stalled\r\n")
        assert (reply.code, reply.enhanced) == (451, "4.3.0"), reply
        assert 0.9 <= time.monotonic() - begun < 15
        other.command("NOOP", 250)  # nobody else waits
        peer.command("RCPT TO:<u@example.test>", 503)
        gatepost.wait_for_log("no receipt within --commit-timeout")
        switch.unlink()
        assert peer.deliver(b"Subject: after\r\n").code == 250
    gatepost.maildirs.settles()
    assert {m.content for m in gatepost.maildirs.of("u@example.test")} == {b"Subject: before\n", b"Subject: after\n"}


@pytest.mark.covers("X-06", "R5321-4.1.1.4-07", "R5321-4.1.1.4-06")
def test_one_recipient_that_fails_makes_it_451_and_a_retry_reaches_all(start):
    gatepost = start()
    recipients = ("u@example.test", "v@example.test")
    in_the_way = gatepost.maildirs.root / "example.test" / "v"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("a file where a directory should be")
    with gatepost.greeted() as peer:
        reply = peer.deliver(b"Subject: t\r\n", recipients=recipients)
        assert (reply.code, reply.enhanced) == (451, "4.3.0"), reply
        peer.command("DATA", 503)
        in_the_way.unlink()
        assert peer.deliver(b"Subject: t\r\n", recipients=recipients).code == 250
    for recipient in recipients:
        assert gatepost.maildirs.of(recipient), recipient  # one may have it twice, nobody misses it


@pytest.mark.covers("R5321-4.2.5-02", "R5321-4.1.1.4-08")
@pytest.mark.parametrize("content, code", [
    (b"Subject: t\r\n\r\nbare\nlf\r\n", 550), (b"bare\rcr\r\n", 550), (received_lines(101), 554), (b"x" * 200_000, 552),
    (b"X: " + b"y" * 60_000 + b"\r\n", 552),
], ids=["bare LF", "bare CR", "loop", "size", "header"])
def test_what_is_refused_after_its_end_is_never_stored(shared_servers, content, code):
    gatepost = shared_servers.get("--message-size-limit 100000 --header-size-limit 50000")
    before = gatepost.maildirs.files()
    with gatepost.greeted() as peer:
        assert peer.deliver(content + b"\r\n").code == code
        peer.command("RCPT TO:<u@example.test>", 503)
        assert peer.deliver(b"Subject: next\r\n").code == 250
    gatepost.maildirs.settles()
    assert [m.content for m in new_messages(gatepost, before)] == [b"Subject: next\n"]


# --- Peers that trickle ------------------------------------------------------------------------

@pytest.mark.slow
@pytest.mark.covers("R5321-4.5.3.2.7-01", "R5321-4.5.3.2.7-02", "X-09")
def test_single_octets_do_not_keep_a_session_alive(start):
    """A line has its deadline as a whole, and content its minimum rate; so has a chunk that is only dropped."""
    gatepost = start("--timeout 2s --min-data-rate 500")
    transaction = ["EHLO client.test", "MAIL FROM:<a@b.test>", "RCPT TO:<u@example.test>"]
    kinds = {"first line": ([], ""), "line": (transaction[:1], "NO"), "long line": (transaction[:1], "x" * 5000),
             "content": (transaction + ["DATA"], "Subject: "), "chunk": (transaction, "BDAT 100000\r\n"),
             "dropped chunk": (transaction[:1], "BDAT 100000\r\n")}
    peers = {}
    for kind, (commands, begin) in kinds.items():
        peer = peers[kind] = gatepost.peer()
        peer.expect(220)
        for command in commands:
            peer.command(command, (250, 354))
        peer.send(begin)
    begun, ended = time.monotonic(), {}
    while len(ended) < len(peers) and time.monotonic() - begun < wire.PATIENCE_S:
        for kind, peer in peers.items():
            if kind not in ended:
                peer.send("x")
                try:
                    peer._fill(0.03)
                    ended[kind] = time.monotonic() - begun
                except TimeoutError:
                    pass
    for kind, peer in peers.items():
        peer.expect(421, "4.4.2")
        assert ended[kind] >= 1.5, (kind, ended)
        peer.close()
    gatepost.maildirs.settles()
    assert not gatepost.maildirs.files()
