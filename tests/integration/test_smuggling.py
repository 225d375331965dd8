"""Octets that pretend to be an end of data or of a line: section 2 of tests/spec/smuggling-and-abuse.md, each row in
each segmentation (SMG-10) and with each --bare-newline. Sections 3 and 5 are dialogs."""
import dataclasses
import random
import time

import pytest

BEFORE = b"Subject: t\r\n\r\nx"
# What an attacker wants to run. Its last five octets are the true end of data of the message that it is part of.
PAYLOAD = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<u@example.test>\r\nDATA\r\nsmuggled\r\n.\r\n"
PAYLOAD_STORED = PAYLOAD[:-3].replace(b"\r\n", b"\n")


@dataclasses.dataclass
class Case:
    """rejected: whether --bare-newline reject refuses the message at its true end. stored: what `octets` are in a
    maildir when the message is taken."""
    row: str
    octets: bytes
    rejected: bool
    stored: bytes
    before: bytes = BEFORE
    name: str = ""

    @property
    def id(self):
        return self.row + (f"-{self.name}" if self.name else "")


CONTENT = [
    Case("A02", b"\n.\n", True, b"\n\n"),
    Case("A03", b"\n.\r\n", True, b"\n\n"),
    Case("A04", b"\r\n.\n", True, b"\n\n"),
    Case("A05", b"\r.\r", True, b" . "),
    Case("A06", b"\r\n.\r", True, b"\n "),
    Case("A07", b"\r.\r\n", True, b" .\n"),
    Case("A08", b"\r.\n", True, b" .\n"),
    Case("A09", b"\n.\r", True, b"\n "),
    Case("A10", b"\r\n.\r\r\n", True, b"\n \n"),
    Case("A11", b"\r\n.\0\r\n", False, b"\n\0\n"),
    Case("A12", b"\r\n\0.\r\n", False, b"\n\0.\n", name="nul-before"),
    Case("A12", b"\r\n.\r\0\n", True, b"\n \0\n", name="nul-inside"),
    Case("A14", b".\n", True, b"\n", before=b"", name="bare"),
    Case("A15", b"\x8d\x8a\x2e\x8d\x8a", False, b"\x8d\x8a\x2e\x8d\x8a", name="high-crlf"),
    Case("A15", b"\x85\x2e\x85", False, b"\x85\x2e\x85", name="nel"),
    Case("A15", "\u2028.\u2028".encode(), False, "\u2028.\u2028".encode(), name="line-separator"),
    Case("A17", b"\r\n. \r\n", False, b"\n \n", name="space-behind"),
    Case("A17", b"\r\n .\r\n", False, b"\n .\n", name="space-before"),
    Case("A17", b"\r\n \r\n", False, b"\n \n", name="space"),
    Case("A17", b"\r\n..\r\n", False, b"\n.\n", name="two-dots"),
    Case("A19", b"\r\r\n.\r\r\n", True, b" \n \n"),
    Case("A20", b"Subject: a\n.\n", True, b"Subject: a\n\n", before=b""),
    *(Case("A16", b"\r\n" + b"a" * n + b".\r\n", False, b"\n" + b"a" * n + b".\n", name=str(n))
      for n in (512, 992, 998, 1000, 2048, 4096, 8192, 16384, 65535)),
]


def cuts(case):
    """Every place around the octets of the case, but not inside of a long line."""
    begin = len(case.before)
    places = range(max(1, begin - 2), begin + len(case.octets) + 4)
    if len(case.octets) <= 64:
        return list(places)
    return [n for n in places if n < begin + 5 or n > begin + len(case.octets) - 8]


def begin_content(peer):
    """Up to the 354; the recipient is another one than the payload's."""
    peer.send("MAIL FROM:<a@sender.test>\r\nRCPT TO:<v@example.test>\r\n")
    peer.expect(250)
    peer.expect(250)
    peer.command("DATA", 354)


def play(gatepost, octets, replies, cut):
    """Sends the octets as content and what is behind it, reads the replies; the next NOOP gets exactly one 250."""
    with gatepost.greeted() as peer:
        begin_content(peer)
        peer.split = cut if isinstance(cut, str) else peer.sent + cut
        peer.send(octets)
        for code, enhanced in replies:
            peer.expect(code, enhanced)
        peer.split = "whole"
        peer.command("NOOP", 250)
        peer.quit()


@pytest.mark.covers("SMG-01", "SMG-02", "SMG-03", "SMG-07", "SMG-08", "SMG-09", "SMG-10", "SMG-12", "A02", "A03", "A04",
                    "A05", "A06", "A07", "A08", "A09", "A10", "A11", "A12", "A14", "A15", "A16", "A17", "A19", "A20")
@pytest.mark.parametrize("mode", ["reject", "normalize"])
@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CONTENT])
def test_is_content_and_no_end_of_data(case, mode, shared_servers):
    gatepost = shared_servers.get(f"--bare-newline {mode}")
    refused = case.rejected and mode == "reject"
    octets = case.before + case.octets + PAYLOAD
    reply = (550, "5.6.0") if refused else (250, "2.0.0")
    before = gatepost.maildirs.files()
    plays = 0
    for cut in ["whole", *cuts(case), "bytes"]:
        play(gatepost, octets, [reply], cut)
        plays += 1
    gatepost.maildirs.settles()
    new = gatepost.maildirs.files() - before
    messages = gatepost.maildirs.of("v@example.test", new)
    assert len(new) == len(messages) == (0 if refused else plays), "the payload must not make a message"
    expected = case.before.replace(b"\r\n", b"\n") + case.stored + PAYLOAD_STORED
    for message in messages:
        assert message.return_path == "a@sender.test"
        assert message.content == expected


# True ends of data. What stands behind them is a group of commands, which is legal (PIPE-10).
ENDS = [
    Case("A01", b"\r\n.\r\n", False, b"\n"),
    Case("A14", b".\r\n", False, b"", before=b"", name="at-once"),
    Case("A18", b"\n\r\n.\r\n", True, b"\n\n"),
    Case("A11", b"\0\r\n.\r\n", False, b"\0\n", name="nul-before-the-line"),
    Case("A16", b"a" * 65536 + b"\r\n.\r\n", False, b"a" * 65536 + b"\n", name="long-line"),
]


@pytest.mark.covers("SMG-01", "SMG-10", "A01", "A13", "A14", "A18", "PIPE-10")
@pytest.mark.parametrize("mode", ["reject", "normalize"])
@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in ENDS])
def test_is_an_end_of_data(case, mode, shared_servers):
    gatepost = shared_servers.get(f"--bare-newline {mode}")
    refused = case.rejected and mode == "reject"
    octets = case.before + case.octets + b"MAIL FROM:<c@sender.test>\r\nRCPT TO:<u@example.test>\r\nRSET\r\n"
    reply = (550, "5.6.0") if refused else (250, "2.0.0")
    before = gatepost.maildirs.files()
    plays = 0
    for cut in ["whole", *cuts(case), "bytes"]:
        play(gatepost, octets, [reply, (250, "2.1.0"), (250, "2.1.5"), (250, "2.0.0")], cut)
        plays += 1
    gatepost.maildirs.settles()
    new = gatepost.maildirs.files() - before
    assert len(new) == (0 if refused else plays)
    for message in gatepost.maildirs.of("v@example.test", new):
        assert message.content == case.before.replace(b"\r\n", b"\n") + case.stored


@pytest.mark.covers("SMG-02", "SMG-03", "SMG-10", "B10", "B14", "BDAT-12", "BDAT-18")
def test_chunks_are_normalized_alike_in_every_segmentation(shared_servers):
    gatepost = shared_servers.get("--bare-newline normalize")
    chunks = [b"a\r", b"\nb\rc\n", b".\n", b"\r\n.\r\nd\r"]
    octets = b"".join(b"BDAT %d%s\r\n%s" % (len(chunk), b" LAST" if chunk is chunks[-1] else b"", chunk)
                      for chunk in chunks)
    before = gatepost.maildirs.files()
    for cut in ["whole", *range(1, len(octets)), "bytes"]:
        with gatepost.greeted() as peer:
            peer.send("MAIL FROM:<a@sender.test>\r\nRCPT TO:<v@example.test>\r\n")
            peer.expect(250)
            peer.expect(250)
            peer.split = cut if isinstance(cut, str) else peer.sent + cut
            peer.send(octets)
            for _ in chunks:
                peer.expect(250, "2.0.0")
            peer.quit()
    contents = {message.content for message in gatepost.maildirs.of("v@example.test",
                                                                    gatepost.maildirs.files() - before)}
    # Chunks are not stuffed: a dot alone on a line is content like any other.
    assert contents == {b"a\nb c\n.\n\n.\nd "}


@pytest.mark.covers("SMG-02")
def test_exceptions_are_normalized_where_others_are_refused(shared_servers):
    gatepost = shared_servers.get("--bare-newline reject --bare-newline-exceptions 127.0.0.2/32")
    for source, code in (("127.0.0.1", 550), ("127.0.0.2", 250), ("127.0.0.3", 550)):
        with gatepost.peer(source=source) as peer:
            peer.hello()
            begin_content(peer)
            peer.send(b"Subject: t\n\nx\n.\n\r\n.\r\n")
            peer.expect(code)
            peer.command("NOOP", 250)


@pytest.mark.slow
@pytest.mark.covers("SMG-04")
@pytest.mark.parametrize("octets", [b"\n.\n", b"\n.\r\n", b"\r\n.\n"])
def test_a_client_that_waits_behind_a_bare_end_of_data_is_told(start, octets):
    gatepost = start("--timeout 1s")
    with gatepost.greeted() as waiting, gatepost.greeted() as other:
        for peer in (waiting, other):
            begin_content(peer)
        waiting.send(BEFORE + octets)
        other.send(BEFORE + octets + b"more")
        waiting.expect(554, "5.5.2")
        waiting.end(reset_allowed=True)
        other.expect(421, "4.4.2")
    gatepost.maildirs.settles()
    assert gatepost.maildirs.files() == set()


def random_stream(rng):
    """Commands, contents and garbage of a hostile client, in no good order."""
    def line():
        return rng.choice([
            b"EHLO c.test", b"HELO c.test", b"MAIL FROM:<a@b.test>", b"MAIL FROM:<a@b.test>", b"RCPT TO:<u@example.test>",
            b"RCPT TO:<v@example.test>", b"RCPT TO:<nobody@example.test>", b"DATA", b"DATA", b"RSET", b"NOOP", b"FOO",
            b"NOOP\rRSET", b"NOOP\nRSET", b"N\0", b"\xff", b"", b".", b"\r", b"\n", b"VRFY u", b"x" * 4094, b"x" * 4095,
            b"x" * 9000, b"MAIL FROM:<a@b.test> SIZE=99999999999"]) + b"\r\n"

    def content():
        pieces = [b"x", b"\r\n", b"\n", b"\r", b".", b"\0", b"\xff", b"Received: x\r\n", b"Return-Path: <>\r\n", b" ",
                  b"\r\n.", b".\r\n", b"MAIL FROM:<evil@x.test>\r\n", b"a" * 5000]
        weights = [6, 9, 1, 1, 4, 1, 1, 2, 2, 1, 2, 0, 2, 1] if rng.random() < 0.5 else None
        return b"".join(rng.choices(pieces, weights, k=rng.randrange(12)))

    def chunk():
        octets = content()
        size = max(0, len(octets) + rng.choice([0, 0, 0, 0, 1, -1]))
        return b"BDAT %d%s\r\n" % (size, rng.choice([b"", b" LAST", b" LAST"])) + octets

    def message():
        begin = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<u@example.test>\r\n"
        if rng.random() < 0.5:
            return begin + chunk() + chunk()
        return begin + b"DATA\r\n" + content() + b"\r\n.\r\n"

    parts = [rng.choice([line, line, chunk, message, message])() for _ in range(rng.randrange(1, 25))]
    return b"EHLO c.test\r\n" + b"".join(parts) + b"\r\n.\r\n" * 3 + b"QUIT\r\n"


@pytest.mark.covers("SMG-10")
@pytest.mark.parametrize("mode", ["reject", "normalize"])
@pytest.mark.parametrize("seed", range(20))
def test_what_a_stream_does_depends_on_its_octets_alone(seed, mode, shared_servers):
    gatepost = shared_servers.get(f"--bare-newline {mode} --early-talkers allow --hard-error-limit 60 "
                                  "--soft-error-limit 60 --message-size-limit 20000 --hopcount-limit 3")
    rng = random.Random(seed)
    octets = random_stream(rng)

    def outcome(cuts):
        before = gatepost.maildirs.files()
        replies = []
        with gatepost.peer() as peer:
            for begin, end in zip([0, *cuts], [*cuts, len(octets)]):
                peer.send(octets[begin:end])
                if len(cuts) < 8:
                    time.sleep(0.001)  # so that the pieces arrive apart
            try:
                peer.finish()
            except OSError:
                pass  # closed by the server already
            try:
                while True:
                    reply = peer.reply()
                    replies.append((reply.code, reply.enhanced))
            except (EOFError, ConnectionError):
                pass
        gatepost.maildirs.settles()
        new = gatepost.maildirs.files() - before
        return replies, sorted((m.return_path, m.content) for address in ("u@example.test", "v@example.test")
                               for m in gatepost.maildirs.of(address, new))

    whole = outcome([])
    assert whole[0][0][0] == 220
    for _ in range(3):
        assert outcome(sorted(rng.sample(range(1, len(octets)), min(3, len(octets) - 1)))) == whole
    if len(octets) < 30_000:
        assert outcome(range(1, len(octets))) == whole
