"""What the operator reads of sessions that did not go well, in Postfix's words."""
import signal

import pytest


def test_why_sessions_ended(start):
    gatepost = start("--timeout 1s --hard-error-limit 3 --no-strict-mail-syntax")
    idle, in_data, lost, bad, web, early = (gatepost.peer() for _ in range(6))
    for peer in (idle, in_data, lost, bad, early):
        peer.hello()
    for peer in (in_data, lost):
        peer.command("MAIL FROM:<a@sender.test>", 250)
        peer.command("RCPT TO:<u@example.test>", 250)
    in_data.command("DATA", 354)
    in_data.send("Subject: ")
    lost.reset()
    gatepost.wait_for_log(r"info \[0\] lost connection after RCPT from unknown\[127\.0\.0\.1\] helo=<client\.test>")
    for _ in range(3):
        bad.command("FOO", 500)
    bad.command("NOOP", 421, "4.7.0")
    gatepost.wait_for_log(r"too many errors after NOOP from unknown\[127\.0\.0\.1\]")
    web.expect(220)
    web.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    web.expect(421, "4.7.0")
    gatepost.wait_for_log(r"non-SMTP command after HTTP from unknown\[127\.0\.0\.1\]")
    early.send("EHLO client.test\r\nNOOP\r\n")
    early.expect(554)
    gatepost.wait_for_log(r"improper command pipelining after EHLO from unknown\[127\.0\.0\.1\]")
    gatepost.wait_for_log(r"NOQUEUE: reject: EHLO from unknown\[127\.0\.0\.1\]: 554 .*helo=<client\.test>")
    idle.expect(421, "4.4.2")
    in_data.expect(421, "4.4.2")
    gatepost.wait_for_log(r"timeout after EHLO from unknown\[127\.0\.0\.1\]")
    gatepost.wait_for_log(r"timeout after DATA from unknown\[127\.0\.0\.1\]")
    for peer in (idle, in_data, bad, web, early):
        peer.close()


def test_a_peer_that_talks_before_the_greeting_is_a_reject(start):
    gatepost = start("--deny-client 127.0.0.9")
    with gatepost.peer(source="127.0.0.9") as denied:
        denied.expect(554)
    gatepost.wait_for_log(r"NOQUEUE: reject: CONNECT from unknown\[127\.0\.0\.9\]: 554 mx\.example\.test ")


def test_messages_refused_after_their_content_are_rejects_too(start):
    gatepost = start("--message-size-limit 1000")
    with gatepost.greeted() as peer:
        assert peer.deliver(b"Subject: t\r\n\r\nbare\nnewline\r\n").code == 550
        assert peer.deliver(b"Subject: t\r\n\r\n" + b"x" * 70 + (b"\r\n" + b"y" * 70) * 30 + b"\r\n").code == 552
    gatepost.wait_for_log(r"[0-9A-Z]{16}: reject: END-OF-MESSAGE from unknown\[127\.0\.0\.1\]: 550 5\.6\.0 .*; "
                          r"from=<\S*> proto=ESMTP helo=<client\.test>")
    line = gatepost.wait_for_log(r"[0-9A-Z]{16}: client=.*status=rejected \(552 5\.3\.4 ")
    size = int(line.split("size=")[1].split(",")[0])
    assert size == len(b"Subject: t\r\n\r\n" + b"x" * 70 + (b"\r\n" + b"y" * 70) * 30 + b"\r\n")


@pytest.mark.covers("SIZE-05")
def test_a_refusal_for_want_of_space_names_path_and_figures(start):
    gatepost = start("--min-free-space 1000G")
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@sender.test>", 452, "4.3.1")
    line = gatepost.wait_for_log(r"warn \[0\] NOQUEUE: reject: MAIL from unknown\[127\.0\.0\.1\]: 452 4\.3\.1 ")
    assert f"; cause: {gatepost.maildirs.root}: " in line and "to be kept free" in line


def test_debug_shows_commands_and_replies_but_no_secrets(start):
    gatepost = start("--log-level debug")
    with gatepost.greeted() as peer:
        peer.command("RCPT TO:<u@example.test>", 503)
        peer.command("AUTH PLAIN c2VjcmV0", 502)
        peer.command("c2VjcmV0", 500)
    gatepost.wait_for_log(r"debug \[0\] RCPT TO:<u@example\.test> -> 503 5\.5\.1 Need MAIL command: unknown\[127\.0\.0\.1\]")
    gatepost.wait_for_log(r"debug \[0\] AUTH -> 502 ")
    with gatepost.greeted() as other:
        assert other.deliver(b"Subject: t\r\n").code == 250
        gatepost.wait_for_log(r"debug \[0\] END-OF-MESSAGE -> 250 2\.0\.0 Ok: queued as \w+: unknown\[127\.0\.0\.1\]")
        gatepost.signal(signal.SIGTERM)
        other.expect(421, "4.3.2")
    gatepost.wait_for_log(r"debug \[0\] \(unasked\) -> 421 4\.3\.2 mx\.example\.test Service shutting down: unknown")
    gatepost.wait()
    assert "c2VjcmV0" not in gatepost.stderr()


def test_every_bdat_is_counted(start):
    gatepost = start()
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@sender.test>", 250)
        peer.command("RCPT TO:<u@example.test>", 250)
        peer.send("BDAT 3\r\na\r\n")
        peer.expect(250)
        peer.send("BDAT 3 LAST\r\nb\r\n")
        peer.expect(250)
        peer.send("BDAT 0\r\n")
        peer.expect(503)
        peer.quit()
    gatepost.wait_for_log(r"disconnect from unknown\[127\.0\.0\.1\] ehlo=1 mail=1 rcpt=1 bdat=2/3 quit=1 commands=6/7")
