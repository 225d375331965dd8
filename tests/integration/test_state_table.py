"""The whole command x state table of tests/spec/rfc5321.md, section 5a: every cell, and the state that it leaves
behind."""
import pytest

import server
import wire

LONG = "NOOP " + "x" * 5000
# States of section 5a. M0: MAIL is in and no RCPT was sent; MX: all that were sent were refused. Rh: R after HELO.
STATES = ["G0", "G5", "R", "Rh", "M0", "MX", "T", "B", "Bx"]
FIRST_SENDER = "first@sender.test"


def bring_to(peer, state):
    """From the connection on."""
    if state == "G5":
        peer.expect(554)
        return
    peer.expect(220)
    if state == "G0":
        return
    peer.command("HELO client.test" if state == "Rh" else "EHLO client.test", 250)
    if state in ("R", "Rh"):
        return
    peer.command(f"MAIL FROM:<{FIRST_SENDER}>", 250, "2.1.0")
    if state == "M0":
        return
    if state == "MX":
        peer.command("RCPT TO:<nobody@example.test>", 550, "5.1.1")
        return
    if state == "Bx":
        peer.command("RCPT TO:<nobody@example.test>", 550, "5.1.1")
        peer.send("BDAT 3\r\nabc")
        peer.expect(554, "5.5.1")
        return
    peer.command("RCPT TO:<u@example.test>", 250, "2.1.5")
    if state == "B":
        peer.send("BDAT 5\r\nabc\r\n")
        peer.expect(250)


def check_is_in(gatepost, peer, state, before):
    """Shows by further commands that the session is in this state, with the transaction that bring_to() began."""
    def stored():
        return gatepost.maildirs.files() - before

    if state == "closed":
        peer.end()
        return
    if state == "G5":
        peer.command("NOOP", 503)
        peer.command("QUIT", 221, "2.0.0")
        peer.end()
        return
    if state == "G0":
        peer.command("MAIL FROM:<a@sender.test>", 503, "5.5.1")
        peer.command("EHLO client.test", 250)
        state = "R"
    if state in ("R", "Rh"):
        peer.command("RCPT TO:<u@example.test>", 503, "5.5.1")
        peer.command("DATA", 503, "5.5.1")
        # After HELO no extension's parameter is known (UTF8-19).
        peer.command("MAIL FROM:<a@sender.test> SIZE=5", 250 if state == "R" else 555)
        return
    peer.command("MAIL FROM:<second@sender.test>", 503, "5.5.1")
    if state == "M0":
        peer.command("DATA", 503, "5.5.1")
    elif state == "MX":
        peer.command("DATA", 554, "5.5.1")
    elif state == "Bx":
        peer.command("RCPT TO:<u@example.test>", 503, "5.5.1")
        peer.command("DATA", 503, "5.5.1")
        peer.send("BDAT 6\r\nNOOP\r\n")
        peer.expect((503, 554, 552))
        peer.command("RSET", 250, "2.0.0")
        peer.command("MAIL FROM:<a@sender.test>", 250)
        assert not stored()
        return
    elif state == "B":
        peer.command("RCPT TO:<v@example.test>", 503, "5.5.1")
        peer.command("DATA", 503, "5.5.1")
        peer.send("BDAT 5 LAST\r\ndef\r\n")
        peer.expect(250, "2.0.0")
        message, = gatepost.maildirs.of("u@example.test", stored())
        assert message.return_path == FIRST_SENDER
        assert message.content.startswith(b"abc\n") and message.content.endswith(b"def\n")
        return
    if state in ("M0", "MX"):
        peer.command("RCPT TO:<u@example.test>", 250, "2.1.5")
    # T
    peer.command("DATA", 354)
    peer.send("Subject: t\r\n.\r\n")
    peer.expect(250, "2.0.0")
    message, = gatepost.maildirs.of("u@example.test", stored())
    assert message.return_path == FIRST_SENDER
    check_is_in(gatepost, peer, "R", before)


def everywhere(codes, after="same", g5=503):
    return {state: (g5 if state == "G5" else codes, after if state != "G5" else "same") for state in STATES}


def cells(G0, R, M0, MX, T, B, Bx, Rh=None, G5=(503, "same")):
    return {"G0": G0, "G5": G5, "R": R, "Rh": Rh or R, "M0": M0, "MX": MX, "T": T, "B": B, "Bx": Bx}


SAME = "same"
NOT_YET = (503, SAME)
MAIL_BAD = {
    "MAIL FROM:<a@>": 501,
    "MAIL FROM:a@b.test": 501,
    "MAIL": 501,
    "MAIL FROM:<a@b.test> FOO=1": 555,
    "MAIL FROM:<a@b.test> SIZE=x": (501, 555),
    "MAIL FROM:<a@b.test> SIZE=99999999999999999999": (552, 555),
}
RCPT_BAD = {
    "RCPT TO:<u@>": 501,
    "RCPT TO:<>": 501,
    "RCPT": 501,
    "RCPT TO:<u@example.test> FOO=1": 555,
    "RCPT TO:<nobody@example.test>": 550,
    "RCPT TO:<u@remote.test>": 550,
}

# command (octets behind its CRLF after a "|") -> {state: (code or codes, state after it)}
TABLE = {
    "EHLO client.test": everywhere(250, "R"),
    "HELO client.test": everywhere(250, "Rh"),
    "EHLO [192.0.2.1]": everywhere(250, "R"),
    "MAIL FROM:<again@sender.test>": cells(NOT_YET, (250, "M0'"), *[(503, SAME)] * 5),
    "MAIL FROM:<>": cells(NOT_YET, (250, "M0'"), *[(503, SAME)] * 5),
    "RCPT TO:<u@example.test>": cells(NOT_YET, NOT_YET, (250, "T"), (250, "T"), (250, "T"), NOT_YET, NOT_YET),
    "DATA": cells(NOT_YET, NOT_YET, (503, SAME), (554, SAME), (354, "content"), NOT_YET, NOT_YET),
    "RSET": {**everywhere(250, "R"), "G0": (250, SAME), "Rh": (250, SAME)},
    "QUIT": everywhere(221, "closed", g5=221) | {"G5": (221, "closed")},
    "BDAT 6|NOOP\r\n": cells(NOT_YET, NOT_YET, (503, "Bx"), (554, "Bx"), (250, "B'"), (250, "B"), (503, "Bx"),
                             Rh=(502, "closed")),
    "BDAT 0": cells(NOT_YET, NOT_YET, (503, "Bx"), (554, "Bx"), (250, "B'"), (250, "B"), (503, "Bx"),
                    Rh=(502, "closed")),
    "BDAT 6 LAST|QUIT\r\n": cells(NOT_YET, NOT_YET, (503, "R"), (554, "R"), (250, "R"), (250, "R"), (503, "R"),
                                  Rh=(502, "closed")),
    # BDAT-15: without a length what follows can't be told from commands.
    "BDAT x": everywhere(501, "closed") | {"G5": (501, "closed"), "Rh": (502, "closed")},
}
TABLE |= {command: everywhere(501) for command in ("EHLO", "HELO", "EHLO a..b", "EHLO a b", "EHLO a(b", "EHLO [1.2.3]",
                                                   "HELO -a", "RSET x", "QUIT x")}
TABLE |= {command: cells(NOT_YET, (code, SAME), *[(503, SAME)] * 5, Rh=((501, 555), SAME))
          for command, code in MAIL_BAD.items()}
TABLE |= {command: cells(NOT_YET, NOT_YET, (code, "MX"), (code, SAME), (code, SAME), NOT_YET, NOT_YET)
          for command, code in RCPT_BAD.items()}
TABLE |= {command: everywhere(250) for command in ("NOOP", "NOOP x y", "NoOp ")}
TABLE |= {command: everywhere(252) for command in ("VRFY u", "VRFY u@example.test", "VRFY nobody@remote.test")}
TABLE |= {command: everywhere(501) for command in ("VRFY",)}
TABLE |= {command: everywhere((502, 252)) for command in ("EXPN list", "EXPN")}
TABLE |= {command: everywhere(214) for command in ("HELP", "HELP MAIL")}
TABLE |= {command: everywhere((501, 503)) for command in ("DATA x",)}
TABLE |= {command: everywhere((502, 503)) for command in ("STARTTLS", "AUTH PLAIN AGEAYg==", "AUTH LOGIN")}
TABLE |= {command: everywhere(502) for command in ("TURN", "SEND FROM:<a@b.test>", "SOML FROM:<a@b.test>",
                                                   "SAML FROM:<a@b.test>", "ETRN example.test")}
TABLE |= {command: everywhere(500) for command in ("FOO", "XFOO bar", "MAILFROM:<a@b.test>", " NOOP", "\tNOOP",
                                                   "NOOP\tx", "")}
TABLE |= {LONG: everywhere(500, g5=500)}
TABLE["NOOP\n"] = everywhere((500, 501), g5=(500, 501, 503))
TABLE["EHLO a\n"] = everywhere((500, 501), g5=(500, 501, 503))

CASES = [pytest.param(command, state, id=f"{command[:32]!r}-{state}".replace("|", " "))
         for command, row in TABLE.items() for state in STATES if state in row]


@pytest.mark.covers("R5321-4.3.1-03", "R5321-4.3.2-01", "R5321-4.1.1-03", "R5321-4.2-01", "R5321-4.1.4-04",
                    "R5321-4.1.4-08", "R5321-4.1.4-09", "R5321-3.1-04", "X-17", "BDAT-05", "BDAT-06", "BDAT-08", "BDAT-09",
                    "BDAT-10", "BDAT-14", "X-01")
@pytest.mark.parametrize("command, state", CASES)
def test_cell(shared_servers, command, state):
    gatepost = shared_servers.get("--refuse-all 554" if state == "G5" else "")
    codes, after = TABLE[command][state]
    before = gatepost.maildirs.files()
    line, _, payload = command.partition("|")
    with gatepost.peer() as peer:
        bring_to(peer, state)
        peer.send(line + "\r\n" + payload)
        reply = peer.expect(codes)
        no_enhanced = line[:4] in ("EHLO", "HELO") or reply.code == 354
        assert (reply.enhanced is None) == no_enhanced, reply
        if after == "content":
            # Nothing is a command until CRLF.CRLF, and nothing is answered.
            peer.send("RSET\r\nQUIT\r\nEHLO x\r\n..\r\n. \r\n.x\r\n")
            peer.silence(0.1)
            peer.send(".\r\n")
            peer.expect(250, "2.0.0")
            message, = gatepost.maildirs.of("u@example.test", gatepost.maildirs.files() - before)
            assert message.content == b"RSET\nQUIT\nEHLO x\n.\n \nx\n" and message.return_path == FIRST_SENDER
            after = "R"
        if after == "M0'":  # another transaction than bring_to()'s
            peer.command("DATA", 503, "5.5.1")
            peer.command("MAIL FROM:<second@sender.test>", 503, "5.5.1")
            peer.command("RCPT TO:<u@example.test>", 250)
        elif after == "B'":  # other chunks than bring_to()'s
            peer.command("RCPT TO:<v@example.test>", 503, "5.5.1")
            peer.command("DATA", 503, "5.5.1")
            peer.send("BDAT 2 LAST\r\n\r\n")
            peer.expect(250, "2.0.0")
        else:
            check_is_in(gatepost, peer, state if after == SAME else after, before)


@pytest.mark.slow
@pytest.mark.covers("R5321-4.5.3.2.7-01", "R5321-4.3.1-02", "R5321-3.1-03")
def test_silence_in_every_state_ends_with_421(start):
    servers = {flags: start(f"--timeout 2s {flags}", name=f"gatepost{len(flags)}") for flags in ("", "--refuse-all 554")}
    peers = {state: servers["--refuse-all 554" if state == "G5" else ""].peer() for state in STATES}
    for state, peer in peers.items():
        bring_to(peer, state)
    for state, peer in peers.items():
        reply = peer.expect(421, "4.4.2", timeout=20)
        assert reply.lines[0].split()[1] == server.HOSTNAME
        peer.end(reset_allowed=True)
    for one in servers.values():
        one.maildirs.settles()
        assert not one.maildirs.files()


@pytest.mark.covers("R5321-3.8-02", "R5321-3.8-03", "R5321-4.3.1-02")
def test_shutdown_in_every_state_is_421(start):
    flags = "--drain-timeout 1s"
    servers = {"": start(flags, name="one"), "G5": start(flags + " --refuse-all 554", name="two")}
    peers = {state: servers["G5" if state == "G5" else ""].peer() for state in STATES}
    for state, peer in peers.items():
        bring_to(peer, state)
    for one in servers.values():
        one.signal(15)
    for state, peer in peers.items():
        reply = peer.expect(421, "4.3.2", timeout=wire.PATIENCE_S)
        assert reply.lines[0].split()[1] == server.HOSTNAME
        peer.end(reset_allowed=True)
    for one in servers.values():
        assert one.wait() == 0
        assert not one.maildirs.files()
