"""Bounds on connections, octets and time."""
import time

import pytest

import wire


@pytest.mark.covers("E11")
def test_connections_per_address(start):
    gatepost = start("--max-connections-per-ip 5")
    peers = [gatepost.greeted() for _ in range(5)]
    with gatepost.peer() as sixth:
        reply = sixth.expect(421)
        assert reply.enhanced in ("4.3.2", "4.7.0")
        sixth.end(reset_allowed=True)
    # Another address is not concerned.
    with gatepost.peer(source="127.0.0.2") as other:
        other.hello()
    peers.pop().quit()
    deadline = time.monotonic() + wire.PATIENCE_S
    while True:  # the place is free again a moment after the connection has gone
        with gatepost.peer() as peer:
            if peer.reply().code == 220:
                break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for peer in peers:
        peer.close()


@pytest.mark.covers("E11", "R5321-4.5.4.2-01")
def test_connections_in_all(start):
    gatepost = start("--max-connections 8")
    time.sleep(0.1)  # the connection that waited for the start is gone
    peers = []
    for _ in range(8):
        peers.append(gatepost.greeted())
    with gatepost.peer() as ninth:
        ninth.expect(421, "4.3.2")
        ninth.end(reset_allowed=True)
    assert peers[0].deliver(b"Subject: t\r\n").code == 250
    for peer in peers:
        peer.close()


@pytest.mark.slow
@pytest.mark.covers("R5321-4.5.3.2.7-01", "E02", "E04")
def test_silence_ends_with_421_after_the_timeout(start):
    gatepost = start("--timeout 2s")
    begun = time.monotonic()
    idle, after_ehlo, in_command, in_data, in_chunk = (gatepost.peer() for _ in range(5))
    idle.expect(220)
    for peer in (after_ehlo, in_command, in_data, in_chunk):
        peer.hello()
    in_command.send("NOO")
    for peer in (in_data, in_chunk):
        peer.send("MAIL FROM:<a@sender.test>\r\nRCPT TO:<u@example.test>\r\n")
        peer.expect(250)
        peer.expect(250)
    in_data.command("DATA", 354)
    in_data.send("Subject: ")
    in_chunk.send("BDAT 100\r\nhalf")
    for peer in (idle, after_ehlo, in_command, in_data, in_chunk):
        peer.expect(421, "4.4.2")
        assert time.monotonic() - begun >= 1.9
        peer.end(reset_allowed=True)
    gatepost.maildirs.settles()
    assert gatepost.maildirs.files() == set()


@pytest.mark.slow
@pytest.mark.covers("R5321-4.5.3.2.7-02", "E03", "X-09")
def test_a_body_below_the_minimum_rate_is_cut_off_and_a_short_slow_one_passes(start):
    gatepost = start("--timeout 3s --min-data-rate 500")
    with gatepost.greeted(split="bytes") as quick:
        assert quick.deliver(b"Subject: octet by octet\r\n\r\nx\r\n").code == 250
    with gatepost.greeted() as slow:
        slow.command("MAIL FROM:<a@sender.test>", 250)
        slow.command("RCPT TO:<v@example.test>", 250)
        slow.command("DATA", 354)
        begun = time.monotonic()
        while not slow.buffer and time.monotonic() - begun < wire.PATIENCE_S:
            slow.send("x")
            try:
                slow._fill(0.2)
            except TimeoutError:
                pass
        slow.expect(421, "4.4.2")
        assert time.monotonic() - begun >= 2.5
    gatepost.maildirs.settles()
    assert len(gatepost.maildirs.files()) == 1


@pytest.mark.covers("PIPE-15", "E10")
def test_a_client_that_does_not_read_is_not_read_either(start):
    gatepost = start("--junk-command-limit 100000000 --hard-error-limit 100000000")
    with gatepost.greeted(receive_buffer=4096) as peer:
        before = gatepost.rss_bytes()
        peer.socket.settimeout(1)
        block = b"RSET\r\n" * 10000
        sent = 0
        try:
            while sent < 200_000_000:
                sent += peer.socket.send(block)
        except TimeoutError:
            pass
        # The kernel's buffers take some MB; without a bound all 200 MB would go through.
        assert sent < 100_000_000
        assert gatepost.rss_bytes() - before < 64 * 1024 * 1024
    with gatepost.greeted() as other:
        other.quit()


@pytest.mark.slow
@pytest.mark.covers("R5321-4.5.4.2-01")
def test_a_thousand_slow_senders_of_large_messages_need_bounded_memory(start):
    """1,000 messages of 50 MiB are underway at once; each sends some of it, none is whole. What is held for them in
    memory is bounded by the buffers, not by what they have sent."""
    gatepost = start("--max-connections 2000 --shards 2 --timeout 300s")
    peers = [gatepost.greeted() for _ in range(1000)]
    for peer in peers:
        peer.send(f"MAIL FROM:<a@sender.test> SIZE={50 * 1024 * 1024}\r\nRCPT TO:<u@example.test>\r\nDATA\r\n")
    for peer in peers:
        for code in (250, 250, 354):
            peer.expect(code)
        peer.socket.setblocking(False)
    before = gatepost.rss_bytes()
    line = b"x" * 998 + b"\r\n"
    sent, highest = 0, 0
    until = time.monotonic() + 5
    while time.monotonic() < until:
        for peer in peers:
            try:
                sent += peer.socket.send(line * 4)
            except BlockingIOError:
                pass
        highest = max(highest, gatepost.rss_bytes())
    assert sent > 10_000_000
    # Two shards with 64 MiB of buffers each, and as much again for all else (a sanitizer keeps freed memory for a while).
    assert highest - before < 400 * 1024 * 1024, f"{sent} octets sent, {highest - before} octets grown"
    with gatepost.greeted() as other:
        assert other.deliver(b"Subject: in between\r\n").code == 250
    for peer in peers:
        peer.close()
    gatepost.maildirs.settles(60)
    assert len(gatepost.maildirs.files()) == 1
