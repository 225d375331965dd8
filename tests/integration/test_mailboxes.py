"""Where mail lands: one mailbox a user, however he is spelled, and all recipients or none."""
import pytest

CONTENT = b"Subject: t\r\n\r\nx\r\n"


def send(gatepost, *recipients):
    """One message to all of them; the reply to its end of data."""
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@sender.test>", 250)
        for recipient in recipients:
            peer.command(f"RCPT TO:<{recipient}>", 250)
        peer.command("DATA", 354)
        peer.send(CONTENT + b".\r\n")
        return peer.reply()


def copies(gatepost):
    """Mailbox -> number of messages in it."""
    found = {}
    for path in gatepost.maildirs.files():
        mailbox = str(path.parent.parent.relative_to(gatepost.maildirs.root))
        found[mailbox] = found.get(mailbox, 0) + 1
    return found


@pytest.mark.covers("R5321-4.1.2-13", "R5321-2.4-03")
def test_mail_goes_to_the_mailbox_that_the_file_names(start):
    gatepost = start()
    assert send(gatepost, "U@Example.TEST", "u+list@example.test", '"u"@example.test').code == 250
    assert copies(gatepost) == {"example.test/u": 1}
    message, = gatepost.maildirs.of("u@example.test")
    assert message.return_path == "a@sender.test" and message.content == b"Subject: t\n\nx\n"


@pytest.mark.covers("R5321-2.4-02")
def test_the_recipients_own_spelling_stays_in_the_trace(start):
    gatepost = start()
    assert send(gatepost, "U+List@example.test").code == 250
    message, = gatepost.maildirs.of("u@example.test")
    assert " for <U+List@example.test>;" in message.received


@pytest.mark.covers("R5321-2.3.5-03", "R5321-4.1.1.3-03", "R5321-4.5.1-02")
def test_postmaster_has_one_mailbox_in_any_spelling(start):
    gatepost = start()
    for recipient in ("postmaster", "POSTMASTER", "PostMaster@example.test", '"Post\\master"@example.test'):
        assert send(gatepost, recipient).code == 250
    assert send(gatepost, "postmaster", "Postmaster@example.test").code == 250
    assert copies(gatepost) == {"example.test/postmaster": 5}


@pytest.mark.covers("R5321-4.2.5-01", "R5321-4.1.1.4-07", "R5321-3.3-15", "X-06")
@pytest.mark.parametrize("sync", ["portable", "batched"])
def test_a_message_is_stored_for_all_recipients_or_for_none(start, sync):
    gatepost = start(f"--maildir-sync {sync}")
    assert send(gatepost, "u@example.test").code == 250
    in_the_way = gatepost.maildirs.root / "example.test" / "v"
    in_the_way.write_text("no maildir")
    for _ in range(3):
        reply = send(gatepost, "u@example.test", "v@example.test", "w@example.test")
        assert reply.code == 451 and reply.enhanced == "4.3.0"
    assert str(in_the_way) in gatepost.wait_for_log("reject: END-OF-MESSAGE .* 451 4.3.0 ")
    assert copies(gatepost) == {"example.test/u": 1}
    in_the_way.unlink()
    assert send(gatepost, "u@example.test", "v@example.test", "w@example.test").code == 250
    assert copies(gatepost) == {"example.test/u": 2, "example.test/v": 1, "example.test/w": 1}
    gatepost.maildirs.settles()
