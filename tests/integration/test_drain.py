"""SIGTERM: no new connections, idle ones are told, running transactions end well, a second signal ends it all."""
import signal
import time

import pytest


@pytest.mark.covers("R5321-3.8-02", "R5321-3.8-03")
def test_idle_connections_are_told_and_closed(start):
    gatepost = start()
    idle = gatepost.greeted()
    gatepost.signal(signal.SIGTERM)
    reply = idle.expect(421, "4.3.2")
    assert "mx.example.test" in reply.lines[0]
    idle.end()
    assert gatepost.wait() == 0


def test_a_running_transaction_finishes(start):
    gatepost = start("--drain-timeout 30s")
    busy = gatepost.greeted()
    busy.command("MAIL FROM:<a@sender.test>", 250)
    busy.command("RCPT TO:<u@example.test>", 250)
    busy.command("DATA", 354)
    busy.send("Subject: t\r\n")
    idle = gatepost.greeted()
    gatepost.signal(signal.SIGTERM)
    idle.expect(421, "4.3.2")
    try:
        with gatepost.peer() as late:
            late.expect(421, timeout=10)
    except (ConnectionError, EOFError):
        pass  # refused outright: as good
    busy.send("\r\nx\r\n.\r\n")
    busy.expect(250)
    busy.expect(421, "4.3.2")
    busy.end()
    assert gatepost.wait() == 0
    assert [m.content for m in gatepost.maildirs.of("u@example.test")] == [b"Subject: t\n\nx\n"]


def test_the_drain_ends_at_its_timeout(start):
    gatepost = start("--drain-timeout 1s")
    busy = gatepost.greeted()
    busy.command("MAIL FROM:<a@sender.test>", 250)
    busy.command("RCPT TO:<u@example.test>", 250)
    busy.command("DATA", 354)
    begun = time.monotonic()
    gatepost.signal(signal.SIGINT)
    gatepost.wait()
    assert time.monotonic() - begun >= 0.9
    busy.expect(421)
    busy.end(reset_allowed=True)
    gatepost.maildirs.settles()
    assert gatepost.maildirs.files() == set()


def test_a_second_signal_stops_at_once(start):
    gatepost = start("--drain-timeout 300s")
    busy = gatepost.greeted()
    busy.command("MAIL FROM:<a@sender.test>", 250)
    busy.command("RCPT TO:<u@example.test>", 250)
    busy.command("DATA", 354)
    gatepost.signal(signal.SIGTERM)
    time.sleep(0.3)
    assert gatepost.process.poll() is None
    gatepost.signal(signal.SIGTERM)
    gatepost.wait()
    assert gatepost.maildirs.files() == set()
