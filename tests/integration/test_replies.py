"""What holds for every reply, whatever the command. wire.Peer checks the form of each reply that any test reads."""
import re

import pytest

import server
import wire

# RFC 5321 §4.2.3, RFC 3463 registry as far as this server may use it.
REPLY_CODES = {211, 214, 220, 221, 250, 251, 252, 354, 421, 450, 451, 452, 454, 455, 500, 501, 502, 503, 504, 521, 530,
               550, 551, 552, 553, 554, 555, 556}
ENHANCED_CODES = {"2.0.0", "2.1.0", "2.1.5", "2.6.0", "4.2.2", "4.3.0", "4.3.1", "4.3.2", "4.4.2", "4.5.3", "4.5.4",
                  "4.7.0", "4.7.1", "5.1.1", "5.1.2", "5.1.3", "5.1.7", "5.3.4", "5.4.6", "5.5.0", "5.5.1", "5.5.2",
                  "5.5.3", "5.5.4", "5.6.0", "5.6.7", "5.6.9", "5.7.1"}

COMMANDS = [
    "NOOP", "RSET", "VRFY u", "VRFY", "EXPN x", "HELP", "FOO", "XFOO", "TURN", "AUTH PLAIN x", "STARTTLS x", "RSET x",
    "DATA", "RCPT TO:<u@example.test>", "MAIL FROM:<a@b.test> FOO=1", "MAIL FROM:<a@", "MAIL FROM:<a@b.test>",
    "RCPT TO:<nobody@example.test>", "RCPT TO:<u@remote.test>", "RCPT TO:<bad", "DATA", "RCPT TO:<u@example.test>",
    "MAIL FROM:<c@b.test>",
]


def replies(gatepost, greeting):
    with gatepost.peer() as peer:
        yield "banner", peer.reply()
        yield greeting, peer.command(greeting)
        for command in COMMANDS:
            yield command, peer.command(command)
        yield "DATA", peer.command("DATA")
        yield "end of data", peer.command("Subject: t\r\n.")
        yield "QUIT", peer.command("QUIT")


@pytest.mark.covers("R5321-2.3.8-02", "R5321-4.2-04", "R5321-4.2-05", "R5321-4.2-08", "R5321-4.2.1-01",
                    "R5321-4.2.1-02", "R5321-4.2-03", "R5321-4.5.3.1.5-01", "R5321-4.3.1-03", "ESC-01", "ESC-02",
                    "ESC-03", "ESC-04", "ESC-05", "ESC-06", "ESC-07", "X-17")
@pytest.mark.parametrize("greeting", ["EHLO client.test", "HELO client.test"])
def test_codes_and_enhanced_codes(gatepost, greeting):
    for command, reply in replies(gatepost, greeting):
        assert reply.code in REPLY_CODES, f"{command}: {reply}"
        if command == "banner" or command[:4] in ("EHLO", "HELO") or reply.code == 354:
            assert reply.enhanced is None, f"{command}: {reply}"
        else:
            assert reply.enhanced in ENHANCED_CODES, f"{command}: {reply}"


@pytest.mark.covers("ESC-08", "R5321-4.2-02", "R5321-4.3.1-02", "R5321-2.3.4-01", "R5321-2.3.5-01", "R5321-4.1.1.1-06")
def test_the_server_names_itself_alike_everywhere(gatepost):
    with gatepost.peer() as peer:
        names = [peer.expect(220).lines[0].split()[0]]
        greeting = peer.command("EHLO client.test", 250)
        names.append(greeting.lines[0].split()[0])
        assert all(re.fullmatch(r"[!-~]+( [!-~]+)*", line) for line in greeting.lines[1:])
        peer.line("\r\n".join(["FOO"] * 20))
        for _ in range(20):
            peer.expect(500)
        closing = peer.command("NOOP", 421)
        assert closing.enhanced[0] == "4"
        names.append(closing.lines[0].split()[1])
        peer.end()
    with gatepost.greeted() as peer:
        assert peer.command("VRFY u", 252).enhanced == "2.0.0"
        bye = peer.command("QUIT", 221)
        assert bye.enhanced == "2.0.0"
        names.append(bye.lines[0].split()[1])
    assert names == [server.HOSTNAME] * 4


@pytest.mark.covers("R5321-4.2-03", "UTF8-09")
def test_what_a_client_sent_is_never_echoed_raw(gatepost):
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@b.test> SMTPUTF8", 250)
        for odd in (b"RCPT TO:<\xce\xb4@remote.test>", b"RCPT TO:<u\x07@example.test>", b"F\xff\x01O", b"HELP \xc3\xa9",
                    b"RCPT TO:<u@example.test> \xc3\xa9=1"):
            peer.line(odd)
            peer.reply()  # wire.Peer refuses octets outside of HT, SP and 33 to 126


@pytest.mark.covers("R5321-3.1-01", "R5321-7.5-01")
def test_the_software_name_can_be_switched_off(shared_servers):
    def all_text(gatepost):
        with gatepost.peer() as peer:
            texts = [str(peer.reply()), str(peer.command("EHLO client.test")), str(peer.command("HELP"))]
            peer.quit()
        return "\n".join(texts)
    assert "Gatepost" in all_text(shared_servers.get())
    assert "gatepost" not in all_text(shared_servers.get("--no-banner-name")).lower()


@pytest.mark.covers("PIPE-03", "PIPE-04")
def test_replies_are_not_held_back(gatepost):
    with gatepost.greeted() as peer:
        peer.send("RSET\r\nNOOP\r\nRSE")
        peer.expect(250)
        peer.expect(250)
        peer.send("T\r\n")
        peer.expect(250)
        for command in ("NOOP", "VRFY u", "EXPN x", "FOO"):
            peer.send(f"RSET\r\n{command}\r\n")
            peer.expect(250)
            peer.reply()


@pytest.mark.covers("R5321-4.5.4.2-01")
def test_a_thousand_sessions_at_once(gatepost):
    peers = [gatepost.peer() for _ in range(1000)]
    try:
        for peer in peers:
            peer.hello()
        assert peers[0].deliver(b"Subject: t\r\n").code == 250
        assert peers[-1].deliver(b"Subject: t\r\n").code == 250
    finally:
        for peer in peers:
            peer.close()


@pytest.mark.covers("R5321-5.2-01")
def test_ipv6_peers_are_tagged_in_the_trace(start):
    try:
        wire.socket.create_server(("::1", 0), family=wire.socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    port = server.free_port()
    gatepost = start([("--listen", f"127.0.0.1:{port}"), ("--listen", f"[::1]:{port}")], port=port)
    with gatepost.peer(host="::1") as peer:
        peer.hello()
        assert peer.deliver(b"Subject: t\r\n").code == 250
    assert "[IPv6:::1]" in gatepost.maildirs.of("u@example.test")[0].received
