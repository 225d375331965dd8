"""Rows of tests/spec/extensions.md and smuggling-and-abuse.md that need more than a dialog: floods, clocks, memory,
random octets, what the kernel saw."""
import os
import pathlib
import random
import signal
import socket
import struct
import time

import pytest

import wire

MIB = 1024 * 1024


def transaction(peer, recipient="u@example.test"):
    peer.send(f"MAIL FROM:<a@sender.test>\r\nRCPT TO:<{recipient}>\r\n")
    peer.expect(250)
    peer.expect(250)


def data_segments_received(peer):
    """tcpi_data_segs_in of struct tcp_info (linux/tcp.h)."""
    info = peer.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return struct.unpack_from("=I", info, 152)[0]


# --- Pipelining ----------------------------------------------------------------------------------

@pytest.mark.covers("PIPE-05")
def test_replies_to_a_group_come_in_one_segment(gatepost):
    with gatepost.greeted() as peer:
        before = data_segments_received(peer)
        peer.send("MAIL FROM:<a@b.test>\r\n" + "RCPT TO:<u@example.test>\r\n" * 20 + "RSET\r\n")
        for _ in range(22):
            peer.expect(250)
        assert data_segments_received(peer) - before == 1


@pytest.mark.covers("PIPE-01", "PIPE-02", "R5321-4.2-01")
@pytest.mark.parametrize("seed", range(3))
def test_a_long_random_group_gets_one_reply_each_in_order(shared_servers, seed):
    gatepost = shared_servers.get("--hard-error-limit 1000000 --soft-error-limit 1000000 --junk-command-limit 1000000")
    rng = random.Random(seed)
    commands = [(b"NOOP", 250), (b"FOO", 500), (b"VRFY u", 252), (b"HELP", 214), (b"EXPN u", 502), (b"RSET x", 501),
                (b"MAIL", 501), (b"NOOP " + b"x" * 5000, 500), (b"N\0", 501), (b"a\rb", 500), (b"BDAT 7\r\nNOOP\r\n!", 503)]
    chosen = [rng.choice(commands) for _ in range(3000)]
    octets = b"".join(line if line.startswith(b"BDAT") else line + b"\r\n" for line, _ in chosen)
    with gatepost.greeted() as peer:
        at = 0
        while at < len(octets):
            size = rng.choice([1, 2, 100, 5000, 70000])
            peer.send(octets[at:at + size])
            at += size
        for line, code in chosen:
            assert peer.reply().code == code, line[:40]
        peer.quit()


def stand_still(gatepost):
    """Stops the process; returns when each of its threads has stopped. SIGCONT makes it go on."""
    gatepost.signal(signal.SIGSTOP)
    deadline = time.monotonic() + wire.PATIENCE_S
    for status in pathlib.Path(f"/proc/{gatepost.process.pid}/task").glob("*/status"):
        while "State:\tT" not in status.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.001)


@pytest.mark.covers("E01", "SMG-11", "PIPE-14")
def test_octets_before_the_greeting_are_met_with_554(start):
    """The server stands still while the client connects and talks, so that its octets are there in time."""
    gatepost = start()
    for octets in (b"EHLO x\r\n", b"E", b"\r\n"):
        stand_still(gatepost)
        try:
            peer = gatepost.peer()
            peer.send(octets)
            time.sleep(0.05)
        finally:
            gatepost.signal(signal.SIGCONT)
        with peer:
            assert peer.expect(554).enhanced is None
            peer.end(reset_allowed=True)
    with gatepost.greeted() as patient:
        patient.quit()


@pytest.mark.covers("E01", "SMG-11")
def test_octets_before_the_greeting_can_be_allowed(start):
    gatepost = start("--early-talkers allow")
    stand_still(gatepost)
    try:
        peer = gatepost.peer()
        peer.send(b"EHLO x\r\nNOOP\r\n")
        time.sleep(0.05)
    finally:
        gatepost.signal(signal.SIGCONT)
    with peer:
        for code in (220, 250, 250):
            peer.expect(code)


# --- Content -------------------------------------------------------------------------------------

@pytest.mark.covers("BIN-03", "8BIT-02")
def test_binary_content_is_kept_bit_for_bit(shared_servers):
    gatepost = shared_servers.get("--binarymime")
    rng = random.Random(20)
    content = rng.randbytes(MIB) + b"\r\n.\r\n\n\r\r\n\0" + rng.randbytes(1000) + b"\r"
    before = gatepost.maildirs.files()
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@sender.test> BODY=BINARYMIME", 250)
        peer.command("RCPT TO:<u@example.test>", 250)
        at = 0
        while at < len(content):
            size = rng.choice([1, 17, 4096, 100_000])
            chunk = content[at:at + size]
            at += len(chunk)
            peer.send(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if at == len(content) else b"") + chunk)
            peer.expect(250, "2.0.0")
        peer.quit()
    stored, = gatepost.maildirs.of("u@example.test", gatepost.maildirs.files() - before)
    # Maildirs have LF for CRLF unless the message is binary: then not one octet changes.
    assert stored.content == content


@pytest.mark.covers("8BIT-02", "8BIT-05", "R5321-4.5.2-03")
def test_all_octets_but_bare_newlines_are_kept(gatepost):
    content = b"Subject: t\r\n\r\n" + bytes(c for c in range(256) if c not in b"\r\n") * 50 + b"\r\n"
    before = gatepost.maildirs.files()
    with gatepost.greeted() as peer:
        assert peer.deliver(content).code == 250
    stored, = gatepost.maildirs.of("u@example.test", gatepost.maildirs.files() - before)
    assert stored.content == content.replace(b"\r\n", b"\n")


@pytest.mark.covers("SIZE-12", "SIZE-11", "SMG-14")
def test_an_endless_message_is_cut_off_at_ten_times_the_limit(shared_servers):
    gatepost = shared_servers.get("--message-size-limit 100000")
    with gatepost.greeted() as peer:
        transaction(peer)
        peer.command("DATA", 354)
        line = b"x" * 998 + b"\r\n"
        peer.send(line * 300)
        peer.silence(0.05)  # three times the limit: still reading
        peer.send(line * 1000)
        peer.expect(552, "5.3.4")
        peer.end(reset_allowed=True)


@pytest.mark.covers("BDAT-16", "BDAT-06")
def test_a_chunk_over_the_limit_is_swallowed_without_memory(start):
    gatepost = start("--message-size-limit 10M")
    with gatepost.greeted() as peer:
        transaction(peer)
        before = gatepost.rss_bytes()
        peer.send(b"BDAT %d LAST\r\n" % (90 * MIB))
        peer.silence(0.05)  # the answer comes when the chunk is off the stream
        block = b"y" * MIB
        for _ in range(90):
            peer.send(block)
        peer.expect(552, "5.3.4")
        assert gatepost.rss_bytes() - before < 80 * MIB
        peer.command("NOOP", 250)
    gatepost.maildirs.settles()
    assert gatepost.maildirs.files() == set()


@pytest.mark.covers("UTF8-18", "UTF8-13", "UTF8-14")
def test_both_forms_of_a_domain_are_one_domain(start):
    gatepost = start([("--accept-domain", "bücher.test"), ("--recipients", "{folder}/who")], wait=False)
    (gatepost.folder / "who").write_text("u@bücher.test\n", encoding="utf-8")
    gatepost.stop()
    gatepost.start()
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@sender.test>", 250)
        peer.command("RCPT TO:<u@xn--bcher-kva.test>", 250)
        peer.command("RCPT TO:<v@xn--bcher-kva.test>", 550, "5.1.1")
        peer.command("RCPT TO:<u@bücher.test>", 553, "5.6.7")
        peer.command("RSET", 250)
        peer.command("MAIL FROM:<a@sender.test> SMTPUTF8", 250)
        for domain in ("bücher.test", "xn--bcher-kva.test", "BÜCHER.test", "XN--BCHER-KVA.TEST"):
            peer.command(f"RCPT TO:<u@{domain}>", 250)
        peer.command("RCPT TO:<v@bücher.test>", 550, "5.1.1")
        peer.command("DATA", 354)
        peer.command("Subject: t\r\n.", 250)
    assert len(gatepost.maildirs.files()) == 1  # one mailbox, however it was spelt


@pytest.mark.covers("AUTH-02")
def test_credentials_are_not_logged(start):
    gatepost = start("--log-level debug")
    with gatepost.greeted() as peer:
        peer.command("AUTH PLAIN AGFsaWNlAHNlY3JldA==", (502, 503), "5.5.1")
        peer.command("AUTH LOGIN", (502, 503), "5.5.1")
        peer.command("AGFsaWNlAHNlY3JldA==", 500)
        peer.quit()
    gatepost.stop()
    assert "AGFsaWNlAHNlY3JldA" not in gatepost.stderr()


# --- Errors and junk -----------------------------------------------------------------------------

@pytest.mark.slow
@pytest.mark.covers("E06", "SMG-13")
def test_harvesting_is_slowed_down_and_then_ended(start):
    gatepost = start("--error-sleep-time 100ms")
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@sender.test>", 250)
        peer.send(b"".join(b"RCPT TO:<nobody%d@example.test>\r\n" % i for i in range(100)))
        begun = time.monotonic()
        for _ in range(20):
            peer.expect(550, "5.1.1")
        peer.expect(421, "4.7.0")
        # The eleventh error and each one behind it wait.
        assert time.monotonic() - begun >= 0.9
        peer.end(reset_allowed=True)


@pytest.mark.slow
@pytest.mark.covers("SMG-13")
def test_the_first_errors_are_answered_at_once_and_others_are_not_held_up(start):
    gatepost = start("--error-sleep-time 2s")
    with gatepost.greeted() as slow, gatepost.greeted() as other:
        for _ in range(10):
            slow.command("FOO", 500)
        slow.line("FOO")
        slow.silence(0.3)
        other.command("NOOP", 250)


@pytest.mark.covers("E07", "E08", "E09", "SMG-13")
@pytest.mark.parametrize("command, code", [("RSET", 250), ("NOOP", 250), ("VRFY u", 252), ("HELP", 214)])
def test_a_thousand_junk_commands_in_one_write(gatepost, command, code):
    with gatepost.greeted() as peer:
        peer.send(f"{command}\r\n" * 1000)
        for _ in range(120):
            peer.expect(code)
        peer.expect(421, "4.7.0")
        peer.end()  # orderly, although more was sent


@pytest.mark.covers("E05", "R5321-4.5.3.1.10-01", "SMG-13")
def test_two_thousand_recipients(gatepost):
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@sender.test>", 250)
        peer.send("".join(f"RCPT TO:<r{i}@open.test>\r\n" for i in range(2000)))
        for _ in range(1000):
            peer.expect(250, "2.1.5")
        for _ in range(1000):
            peer.expect(452, "4.5.3")
        peer.command("NOOP", 250)  # none of these was an error yet


# --- Floods --------------------------------------------------------------------------------------

@pytest.mark.covers("D06")
def test_a_line_without_an_end_needs_no_memory(start):
    gatepost = start()
    with gatepost.greeted() as peer:
        before = gatepost.rss_bytes()
        peer.send(b"x" * MIB + b"\r\nNOOP\r\n")
        peer.expect(421, "4.7.0")
        peer.end(reset_allowed=True)
        assert gatepost.rss_bytes() - before < 16 * MIB


@pytest.mark.covers("D06", "D05")
@pytest.mark.parametrize("split", ["whole", "bytes"])
def test_no_line_of_64_kib_ends_a_session(gatepost, split):
    with gatepost.greeted() as peer:
        peer.split = split
        peer.send(b"x" * (64 * 1024 - 2) + b"\r\nNOOP\r\n")
        peer.expect(500, "5.5.2")
        peer.expect(250)


@pytest.mark.covers("D13")
def test_parameters_cost_no_more_than_their_octets(shared_servers):
    gatepost = shared_servers.get("--hard-error-limit 1000000 --soft-error-limit 1000000 --junk-command-limit 1000000")
    count = 2000
    with gatepost.greeted() as peer:
        begun = time.monotonic()
        peer.send((b"MAIL FROM:<a@b.test>" + b" X=1" * 500 + b"\r\n") * count)
        for _ in range(count):
            peer.expect(555, "5.5.4")
        assert time.monotonic() - begun < 20  # 4 MB; a fraction of a second, if nothing is quadratic


@pytest.mark.slow
@pytest.mark.covers("E10", "PIPE-15")
def test_a_million_pipelined_resets_that_nobody_reads(start):
    gatepost = start("--junk-command-limit 100000000 --timeout 2s")
    with gatepost.greeted(receive_buffer=4096) as peer:
        before = gatepost.rss_bytes()
        peer.socket.setblocking(False)
        left = memoryview(b"RSET\r\n" * 1_000_000)
        highest = 0
        until = time.monotonic() + 1
        while left and time.monotonic() < until:
            try:
                left = left[peer.socket.send(left[:65536]):]
            except BlockingIOError:
                time.sleep(0.01)
            except ConnectionError:
                break
            highest = max(highest, gatepost.rss_bytes())
        assert highest - before < 32 * MIB
        with gatepost.greeted() as other:
            other.quit()
        # Who does not read for a whole timeout is cut off.
        peer.socket.settimeout(wire.PATIENCE_S)
        with pytest.raises((ConnectionError, EOFError)):
            while True:
                time.sleep(0.02)
                peer.socket.sendall(b"RSET\r\n")


@pytest.mark.slow
@pytest.mark.covers("E10", "PIPE-15", "PIPE-01")
def test_a_million_pipelined_resets_that_are_read(start):
    gatepost = start("--junk-command-limit 100000000")
    count = 1_000_000
    with gatepost.greeted() as peer:
        before, highest = gatepost.rss_bytes(), 0
        peer.socket.setblocking(False)
        left = memoryview(b"RSET\r\n" * count)
        wanted = len(b"250 2.0.0 Ok\r\n") * count
        got = 0
        deadline = time.monotonic() + 60
        while got < wanted:
            assert time.monotonic() < deadline
            try:
                left = left[peer.socket.send(left[:262144]):]
            except BlockingIOError:
                pass
            try:
                octets = peer.socket.recv(MIB)
            except BlockingIOError:
                continue
            assert octets and octets.count(b"\n") >= len(octets) // 14 - 1
            got += len(octets)
            highest = max(highest, gatepost.rss_bytes())
        assert got == wanted
        assert highest - before < 32 * MIB


@pytest.mark.covers("E11")
def test_fifty_connections_of_one_address_by_default(start):
    gatepost = start("--max-connections-per-ip 50")
    time.sleep(0.1)  # the connection that waited for the start is gone
    peers, refused = [], 0
    try:
        for _ in range(50):
            peers.append(gatepost.greeted())
        for _ in range(500):
            with gatepost.peer() as peer:
                assert peer.expect(421).enhanced in ("4.7.0", "4.3.2")
                peer.end(reset_allowed=True)
                refused += 1
        peers[0].command("NOOP", 250)
    finally:
        for peer in peers:
            peer.close()
    assert refused == 500


@pytest.mark.covers("E12", "SIZE-11")
@pytest.mark.parametrize("header", [
    pytest.param(b"X-A: b\r\n" * 1_000_000, id="a-million-fields"),
    pytest.param(b"X-A: " + b"x" * (30 * MIB) + b"\r\n", id="one-huge-field"),
    pytest.param(b"X-A: b\r\n" + b" folded\r\n" * 200_000, id="one-folded-field"),
    pytest.param(b"A" * (2 * MIB) + b": b\r\n", id="one-huge-name"),
])
def test_header_floods(gatepost, header):
    before_files, before = gatepost.maildirs.files(), gatepost.rss_bytes()
    with gatepost.greeted() as peer:
        transaction(peer)
        peer.command("DATA", 354)
        peer.send(header + b"\r\nbody\r\n.\r\n")
        code = peer.reply().code
        # A name that is too long for a field is none: what it is in is the body already.
        assert code == (250 if header.startswith(b"A") else 552)
        peer.command("NOOP", 250)
        peer.quit()
    gatepost.maildirs.settles()
    assert gatepost.rss_bytes() - before < 80 * MIB
    assert len(gatepost.maildirs.files() - before_files) == (1 if code == 250 else 0)


@pytest.mark.covers("E12", "R5321-6.3-01")
def test_received_floods_are_loops(gatepost):
    before = gatepost.maildirs.files()
    with gatepost.greeted() as peer:
        assert peer.deliver(b"Received: x\r\n" * 100 + b"\r\n").code == 250
        for count in (101, 70_000):
            reply = peer.deliver(b"Received: x\r\n" * count + b"\r\n")
            assert (reply.code, reply.enhanced) == (554, "5.4.6")
        peer.command("NOOP", 250)
    gatepost.maildirs.settles()
    assert len(gatepost.maildirs.files() - before) == 1


@pytest.mark.covers("E12")
def test_a_hundred_thousand_parts_are_just_content(gatepost):
    content = (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
               b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" * 100_000 + b"--b--\r\n")
    with gatepost.greeted() as peer:
        assert peer.deliver(content).code == 250


def descriptors(gatepost):
    return len(os.listdir(f"/proc/{gatepost.process.pid}/fd"))


@pytest.mark.covers("E15", "R5321-4.1.1.10-02")
def test_clients_that_vanish_leave_nothing(start):
    gatepost = start("--direct-descriptors off")
    with gatepost.greeted() as peer:
        peer.quit()

    def vanish_by(way, stage):
        peer = gatepost.peer()
        if stage != "silent":
            peer.hello()
        if stage in ("data", "chunk"):
            transaction(peer)
            peer.send(b"DATA\r\n" if stage == "data" else b"BDAT 1000\r\nabc")
            if stage == "data":
                peer.expect(354)
                peer.send(b"Subject: t\r\n\r\nhalf")
        if way == "quit unread":
            peer.send(b"QUIT\r\n")
            peer.close()
        elif way == "reset":
            peer.reset()
        elif way == "half":
            peer.finish()
            peer.close()
        else:
            peer.close()

    def round_of_all():
        for way in ("close", "reset", "quit unread", "half"):
            for stage in ("silent", "greeted", "data", "chunk"):
                vanish_by(way, stage)

    def settled_descriptors():
        deadline = time.monotonic() + wire.PATIENCE_S
        last = descriptors(gatepost)
        while time.monotonic() < deadline:
            time.sleep(0.1)
            now = descriptors(gatepost)
            if now == last:
                return now
            last = now
        return last

    round_of_all()
    gatepost.maildirs.settles()
    before = settled_descriptors()
    memory = gatepost.rss_bytes()
    for _ in range(25):
        round_of_all()
    gatepost.maildirs.settles()
    deadline = time.monotonic() + wire.PATIENCE_S
    while descriptors(gatepost) > before:
        assert time.monotonic() < deadline, f"{descriptors(gatepost)} descriptors, {before} before"
        time.sleep(0.05)
    assert gatepost.rss_bytes() - memory < 32 * MIB
    assert gatepost.maildirs.files() == set()


# --- Clocks --------------------------------------------------------------------------------------

@pytest.mark.slow
@pytest.mark.covers("E02", "E04", "E17", "B06")
def test_slow_and_silent_clients_run_out_of_time(start):
    gatepost = start("--timeout 2s --deny-client 127.0.0.9/32")
    begun = time.monotonic()
    refused = gatepost.peer(source="127.0.0.9")
    refused.expect(554)
    dripping, chunk, overlong = gatepost.greeted(), gatepost.greeted(), gatepost.greeted()
    transaction(chunk)
    chunk.send(b"BDAT 10 LAST\r\nabcd")
    overlong.send(b"x" * 5000)
    while time.monotonic() - begun < 1.8:  # an octet at a time does not move the deadline of a line
        dripping.send(b"N")
        time.sleep(0.2)
    for peer in (refused, dripping, chunk, overlong):
        assert peer.expect(421, "4.4.2").code == 421
        assert 1.8 <= time.monotonic() - begun < 20
        peer.end(reset_allowed=True)
        peer.close()
    gatepost.maildirs.settles()
    assert gatepost.maildirs.files() == set()


@pytest.mark.slow
@pytest.mark.covers("E02", "R5321-4.5.3.2.7-01")
def test_commands_that_keep_coming_never_time_out_however_they_are_cut(start):
    """Each write ends in the middle of a line; no single line takes long."""
    gatepost = start("--timeout 1s")
    with gatepost.greeted() as peer:
        peer.send(b"NO")
        begun = time.monotonic()
        while time.monotonic() - begun < 2.5:
            time.sleep(0.2)
            peer.send(b"OP\r\nNO")
            peer.expect(250)
        peer.send(b"OP\r\n")
        peer.expect(250)


@pytest.mark.slow
@pytest.mark.covers("E03", "R5321-4.5.3.2.7-01")
def test_each_message_of_a_session_has_a_budget_of_its_own(start):
    """Messages that are refused at their end follow each other without a pause, cut in their middle."""
    gatepost = start("--timeout 2s --min-data-rate 1000")
    with gatepost.greeted() as peer:
        transaction(peer)
        peer.send(b"BDAT 9 LAST\r\nx\n")
        begun = time.monotonic()
        while time.monotonic() - begun < 3.5:
            time.sleep(0.4)
            peer.send(b"1234567MAIL FROM:<a@b.test>\r\nRCPT TO:<u@example.test>\r\nBDAT 9 LAST\r\nx\n")
            peer.expect(550, "5.6.0")
            peer.expect(250)
            peer.expect(250)
        peer.send(b"1234567")
        peer.expect(550, "5.6.0")
    assert gatepost.maildirs.files() == set()


@pytest.mark.covers("SINK-06")
def test_maildirs_hold_lf_and_unique_names_in_new_only(gatepost):
    before = gatepost.maildirs.files()
    with gatepost.greeted() as peer:
        for _ in range(20):
            assert peer.deliver(b"Subject: t\r\n\r\nx\r\n", recipients=["w@example.test"]).code == 250
    new = gatepost.maildirs.files() - before
    assert len({path.name for path in new}) == 20
    for path in new:
        octets = path.read_bytes()
        assert b"\r" not in octets and path.parent.name == "new"
    mailbox = pathlib.Path(gatepost.maildirs.root) / "example.test" / "w"
    assert list((mailbox / "cur").iterdir()) == [] and list((mailbox / "tmp").iterdir()) == []
