"""What was acknowledged survives; what was not leaves nothing half done."""
import random
import time

import pytest

import load

KILLS = 20


@pytest.mark.slow
@pytest.mark.covers("R5321-2.1-01", "R5321-6.1-01", "R5321-6.1-08")
def test_kill_under_load_loses_nothing(start, tmp_path):
    chance = random.Random(5321)
    gatepost = start("--shards 2 --message-size-limit 1000000")
    ledger = tmp_path / "ledger"
    for _ in range(KILLS):
        generator = load.start(gatepost.port, connections=20, duration="60s", ledger=ledger)
        try:
            time.sleep(chance.uniform(0.1, 0.6))
            gatepost.kill()
        finally:
            # The generator ends by itself or is ended: its connections are gone either way.
            generator.terminate()
            generator.communicate(timeout=60)
        gatepost.start()
    gatepost.stop()
    assert " acked" in ledger.read_text() or "acked\t" in ledger.read_text(), "nothing was ever acknowledged"
    load.verify(ledger, gatepost.maildirs)
    gatepost.maildirs.settles()


@pytest.mark.covers("R5321-6.1-06")
def test_a_client_that_vanishes_after_the_dot_leaves_one_message_or_none(start):
    gatepost = start()
    for _ in range(20):
        peer = gatepost.greeted()
        peer.send("MAIL FROM:<a@sender.test>\r\nRCPT TO:<u@example.test>\r\nDATA\r\n")
        for code in (250, 250, 354):
            peer.expect(code)
        peer.send("Subject: t\r\n\r\nx\r\n.\r\n")
        peer.reset()
    with gatepost.greeted() as peer:
        peer.quit()
    gatepost.maildirs.settles()
    messages = gatepost.maildirs.of("u@example.test")
    assert len(messages) <= 20
    assert all(message.content == b"Subject: t\n\nx\n" for message in messages)


def test_leftovers_of_a_crash_are_cleaned_at_start(start):
    gatepost = start()
    peer = gatepost.greeted()
    peer.send("MAIL FROM:<a@sender.test>\r\nRCPT TO:<u@example.test>\r\nDATA\r\n")
    for code in (250, 250, 354):
        peer.expect(code)
    peer.send(b"Subject: t\r\n\r\n" + b"half a message\r\n" * 100000)
    time.sleep(0.3)
    gatepost.kill()
    peer.close()
    gatepost.start()
    gatepost.maildirs.settles()
    assert gatepost.maildirs.of("u@example.test") == []
