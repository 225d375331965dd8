"""One SMTP client connection for tests: sends octets as they are, reads replies strictly.

Every reply that is read is checked against what holds for all replies of the server (RFC 5321 §4.2, §4.5.3.1.5;
RFC 2034 §4), so that each test checks it by the way.
"""
import dataclasses
import re
import select
import socket
import struct
import time

# Long enough for a sanitized server on a busy machine: a test that waits this long has failed anyway.
PATIENCE_S = 30.0


class ProtocolError(AssertionError):
    """The server broke a rule that holds for every reply."""


@dataclasses.dataclass
class Reply:
    code: int
    lines: list  # the text of each line, without code and separator

    @property
    def text(self):
        return self.lines[-1]

    @property
    def enhanced(self):
        """The enhanced status code of the first line, or None."""
        found = re.match(r"([245])\.(\d{1,3})\.(\d{1,3})( |$)", self.lines[0])
        return found.group(0).strip() if found else None

    def __str__(self):
        separators = ["-"] * (len(self.lines) - 1) + [" "]
        return "\n".join(f"{self.code}{s}{line}" for s, line in zip(separators, self.lines))


def parse_reply_line(line):
    """line: octets with CRLF. Returns (code, is_last, text)."""
    if not line.endswith(b"\r\n"):
        raise ProtocolError(f"a reply line does not end in CRLF: {line!r}")
    if len(line) > 512:
        raise ProtocolError(f"a reply line of {len(line)} octets (R5321-4.5.3.1.5-01)")
    body = line[:-2]
    if not re.fullmatch(rb"[2-5][0-5][0-9]([ -][\t\x20-\x7e]*)?", body):
        raise ProtocolError(f"not a reply line: {line!r}")
    return int(body[:3]), body[3:4] != b"-", body[4:].decode("ascii")


def check_enhanced(reply):
    codes = [re.match(r"(\d)\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})( |$)", line) for line in reply.lines]
    if codes[0] is None:
        return
    if codes[0].group(1) != str(reply.code)[0]:
        raise ProtocolError(f"class of the enhanced code differs from the reply's (ESC-03): {reply}")
    if any(code is None or code.group(0) != codes[0].group(0) for code in codes):
        raise ProtocolError(f"lines of one reply differ in their enhanced code (ESC-04): {reply}")


class Peer:
    """A connection. `split` says how send() cuts what it is given: 'whole' (one write), 'bytes' (one octet a
    write), or a number (one cut after that many octets, counted over the connection's life)."""

    def __init__(self, port, host="127.0.0.1", split="whole", source=None, receive_buffer=None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.split = split
        self.sent = 0
        self.buffer = b""
        self.transcript = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- sending ---------------------------------------------------------------------------------

    def send(self, octets):
        if isinstance(octets, str):
            octets = octets.encode()
        self._note("C", octets)
        try:
            if self.split == "bytes":
                for i in range(len(octets)):
                    self.socket.sendall(octets[i:i + 1])
            elif isinstance(self.split, int) and self.sent < self.split < self.sent + len(octets):
                cut = self.split - self.sent
                self.socket.sendall(octets[:cut])
                time.sleep(0.001)  # so that the two halves arrive apart
                self.socket.sendall(octets[cut:])
            else:
                self.socket.sendall(octets)
        except (BrokenPipeError, ConnectionResetError):
            # The server may close while we still send; what it said before is in our receive buffer.
            self._note("!", b"connection closed by the server while sending")
        self.sent += len(octets)

    def line(self, text):
        self.send(text.encode() + b"\r\n" if isinstance(text, str) else text + b"\r\n")

    def command(self, text, code=None, enhanced=None):
        """Sends one line and reads one reply; with `code`, that must be its code."""
        self.line(text)
        return self.expect(code, enhanced)

    def finish(self):
        """Closes our sending side only."""
        self.socket.shutdown(socket.SHUT_WR)
        self._note("C", b"<FIN>")

    def reset(self):
        """Ends the connection with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    # --- receiving -------------------------------------------------------------------------------

    def _fill(self, timeout):
        """Reads what there is; False at end of file. A reset counts as an error."""
        ready, _, _ = select.select([self.socket], [], [], timeout)
        if not ready:
            raise TimeoutError(f"nothing from the server within {timeout:.1f} s; so far:\n{self.story()}")
        octets = self.socket.recv(65536)
        self.buffer += octets
        return bool(octets)

    def reply(self, timeout=PATIENCE_S):
        """The next whole reply."""
        code, lines = None, []
        while True:
            end = self.buffer.find(b"\n")
            if end < 0:
                if len(self.buffer) > 512:
                    raise ProtocolError(f"more than 512 octets without a line end: {self.buffer[:80]!r}...")
                if not self._fill(timeout):
                    raise EOFError(f"closed while a reply was expected ({self.buffer!r} unfinished); so far:\n"
                                   f"{self.story()}")
                continue
            line, self.buffer = self.buffer[:end + 1], self.buffer[end + 1:]
            self._note("S", line)
            line_code, last, text = parse_reply_line(line)
            if code is not None and line_code != code:
                raise ProtocolError(f"lines of one reply differ in their code (R5321-4.2.1-01):\n{self.story()}")
            code = line_code
            lines.append(text)
            if last:
                reply = Reply(code, lines)
                check_enhanced(reply)
                return reply

    def expect(self, code=None, enhanced=None, timeout=PATIENCE_S):
        reply = self.reply(timeout)
        wanted = (code,) if isinstance(code, int) else code
        if wanted is not None and reply.code not in wanted:
            raise AssertionError(f"expected {code}, got {reply}\n{self.story()}")
        if enhanced is not None and reply.enhanced != enhanced:
            raise AssertionError(f"expected {enhanced}, got {reply}\n{self.story()}")
        return reply

    def silence(self, seconds):
        """Nothing must come for so long, not even the end."""
        if not self.buffer:
            ready, _, _ = select.select([self.socket], [], [], seconds)
            if not ready:
                return
            self._fill(0)
        raise AssertionError(f"expected silence, got {self.buffer[:200]!r}\n{self.story()}")

    def end(self, timeout=PATIENCE_S, reset_allowed=False):
        """The server must close now, without another word."""
        try:
            while not self.buffer and self._fill(timeout):
                pass
        except ConnectionResetError:
            if not reset_allowed:
                raise AssertionError(f"expected an orderly close, got a reset\n{self.story()}") from None
        if self.buffer:
            raise AssertionError(f"expected the end, got {self.buffer[:200]!r}\n{self.story()}")

    # --- whole steps -----------------------------------------------------------------------------

    def hello(self, name="client.test"):
        """Reads the greeting and sends EHLO; returns the reply to it."""
        self.expect(220)
        return self.command(f"EHLO {name}", 250)

    def deliver(self, content, sender="a@sender.test", recipients=("u@example.test",)):
        """One transaction; content: octets with CRLF, dots not yet stuffed. Returns the last reply."""
        self.command(f"MAIL FROM:<{sender}>", 250)
        for recipient in recipients:
            self.command(f"RCPT TO:<{recipient}>", 250)
        self.command("DATA", 354)
        self.send(stuffed(content) + b".\r\n")
        return self.reply()

    def quit(self):
        self.command("QUIT", 221)
        self.end()
        self.close()

    # --- for messages of failures ----------------------------------------------------------------

    def _note(self, who, octets):
        if len(self.transcript) < 400:
            shown = octets if len(octets) <= 160 else octets[:120] + b"..." + octets[-20:]
            self.transcript.append(f"{who}: {shown.decode('latin-1').encode('unicode_escape').decode()}")

    def story(self):
        return "\n".join(self.transcript[-40:])


def stuffed(content):
    """Content as DATA sends it, without the final dot."""
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..")
