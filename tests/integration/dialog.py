"""Reads and plays dialog files (tests/dialogs/*.dialog; the format is in tests/dialogs/README.md)."""
import dataclasses
import fnmatch
import pathlib
import re
import time

import server

ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


class DialogError(Exception):
    """The file itself is wrong."""


@dataclasses.dataclass
class Step:
    kind: str
    text: str
    line: int
    body: list = dataclasses.field(default_factory=list)  # of `repeat` (steps) and `stored` (content lines)
    count: int = 1


@dataclasses.dataclass
class Dialog:
    path: pathlib.Path
    title: str = ""
    covers: list = dataclasses.field(default_factory=list)
    flags: str = ""
    splits: list = dataclasses.field(default_factory=lambda: ["whole", "bytes"])
    steps: list = dataclasses.field(default_factory=list)

    @property
    def name(self):
        return self.path.stem


def unescape(text):
    """\\r \\n \\t \\0 \\\\ \\xHH -> octets. The text itself is UTF-8."""
    out, i = bytearray(), 0
    while i < len(text):
        if text[i] != "\\":
            out += text[i].encode()
            i += 1
        elif text[i + 1:i + 2] == "x":
            out += bytes([int(text[i + 2:i + 4], 16)])
            i += 4
        elif text[i + 1:i + 2] in ESCAPES:
            out += ESCAPES[text[i + 1]].encode()
            i += 2
        else:
            raise DialogError(f"unknown escape in {text!r}")
    return bytes(out)


def expand(text, counter):
    """${x*N} becomes N times x; ${i} the number of the repetition, from 1."""
    text = text.replace("${i}", str(counter))
    return re.sub(r"\$\{([^{}*]+)\*(\d+)\}", lambda m: m.group(1) * int(m.group(2)), text)


def read(path):
    path = pathlib.Path(path)
    dialog = Dialog(path)
    lines = path.read_text(encoding="utf-8").split("\n")
    blocks = [dialog.steps]
    i = 0
    while i < len(lines):
        line = lines[i]
        i += 1
        number = i
        if not line.strip():
            continue
        if line.startswith("#"):
            comment = line.lstrip("# ").rstrip()
            if comment.startswith("covers:"):
                dialog.covers += comment[len("covers:"):].split()
            elif not dialog.title:
                dialog.title = comment
            continue
        if line.startswith("flags:"):
            dialog.flags = line[len("flags:"):].strip()
        elif line.startswith("split:"):
            dialog.splits = line[len("split:"):].split()
            if not set(dialog.splits) <= {"whole", "bytes", "every"}:
                raise DialogError(f"{path}:{number}: unknown split")
        elif line[:2] in ("C:", "C|", "S:", "S+", "S-"):
            text = line[3:] if line[2:3] == " " else line[2:]
            blocks[-1].append(Step(line[:2], text, number))
        else:
            word, _, rest = line.strip().partition(" ")
            step = Step(word, rest.strip(), number)
            if word == "repeat":
                step.count = int(rest)
                blocks[-1].append(step)
                blocks.append(step.body)
                continue
            if word == "end":
                if len(blocks) < 2:
                    raise DialogError(f"{path}:{number}: end without repeat")
                blocks.pop()
                continue
            if word == "stored" and rest.endswith("<<END"):
                step.kind, step.text = "content", rest[:-len("<<END")].strip()
                while lines[i] != "END":
                    step.body.append(lines[i])
                    i += 1
                i += 1
            elif word == "stored:":
                step.kind = "stored"
            if step.kind not in ("silence", "close", "fin", "wait", "abort", "connect", "stored", "content",
                                 "sender", "received"):
                raise DialogError(f"{path}:{number}: unknown step {line!r}")
            blocks[-1].append(step)
    if len(blocks) != 1:
        raise DialogError(f"{path}: repeat without end")
    if not dialog.title or not dialog.covers:
        raise DialogError(f"{path}: needs a title and a `# covers:` line on top")
    return dialog


def stored_line(text):
    """A line of stored content: with its LF, unless the text ends in \\c."""
    return unescape(text[:-2]) if text.endswith("\\c") else unescape(text) + b"\n"


def client_octets(dialog):
    """How many octets a run of the dialog sends, for splitting at every one of them."""
    def size(steps, counter=1):
        total = 0
        for step in steps:
            if step.kind == "repeat":
                total += sum(size(step.body, n) for n in range(1, step.count + 1))
            elif step.kind == "C:":
                total += len(unescape(expand(step.text, counter))) + 2
            elif step.kind == "C|":
                total += len(unescape(expand(step.text, counter)))
        return total
    return size(dialog.steps)


class Player:
    """Plays one dialog once against a running gatepost."""

    def __init__(self, dialog, gatepost, split):
        self.dialog, self.gatepost, self.split = dialog, gatepost, split
        self.before = gatepost.maildirs.files()
        self.peer = gatepost.peer(split=split)
        self.pending = b""  # lines that the client sends in one go
        self.reply = None

    def play(self):
        try:
            self._run(self.dialog.steps, 1)
            self._flush()
        finally:
            self.peer.close()
        self.gatepost.maildirs.settles()
        for path in self._new_messages():  # so that the next run does not have to look past them
            path.unlink()

    def _run(self, steps, counter):
        for step in steps:
            if step.kind == "repeat":
                for n in range(1, step.count + 1):
                    self._run(step.body, n)
                continue
            try:
                if step.kind not in ("C:", "C|"):
                    self._flush()
                self._step(step, counter)
            except (AssertionError, TimeoutError, EOFError, ConnectionError) as problem:
                raise AssertionError(f"{self.dialog.path.name}:{step.line}: {step.kind} {step.text}\n"
                                     f"split {self.split}: {problem}\n--- so far:\n{self.peer.story()}") from None

    def _flush(self):
        if self.pending:
            octets, self.pending = self.pending, b""
            self.peer.send(octets)

    def _new_messages(self):
        return self.gatepost.maildirs.files() - self.before

    def _step(self, step, counter):
        text = expand(step.text, counter)
        if step.kind == "C:":
            self.pending += unescape(text) + b"\r\n"
        elif step.kind == "C|":
            self.pending += unescape(text)
        elif step.kind == "S:":
            self._expect(text)
        elif step.kind == "S+":
            assert any(fnmatch.fnmatchcase(line, text) for line in self.reply.lines), f"not in:\n{self.reply}"
        elif step.kind == "S-":
            assert not any(fnmatch.fnmatchcase(line, text) for line in self.reply.lines), f"is in:\n{self.reply}"
        elif step.kind == "silence":
            self.peer.silence(float(text))
        elif step.kind == "close":
            self.peer.end(reset_allowed=text == "any")
        elif step.kind == "fin":
            self.peer.finish()
        elif step.kind == "wait":
            time.sleep(float(text))
        elif step.kind == "abort":
            self.peer.reset()
        elif step.kind == "connect":
            self.peer.close()
            self.peer = self.gatepost.peer(split=self.split if isinstance(self.split, str) else "whole")
        elif step.kind == "stored":
            count = len(self._new_messages())
            assert count == int(text), f"{count} messages were stored"
        else:
            self._check_message(step, text, counter)

    def _expect(self, text):
        """CODE[|CODE...][-| GLOB]"""
        found = re.fullmatch(r"(\d{3}(?:\|\d{3})*)(?:([ -])(.*))?", text)
        if not found:
            raise DialogError(f"not an expected reply: {text!r}")
        codes, separator, glob = found.groups()
        self.reply = self.peer.reply()
        shown = f"got:\n{self.reply}"
        assert self.reply.code in {int(code) for code in codes.split("|")}, shown
        if separator == "-":
            assert len(self.reply.lines) > 1, f"a reply of several lines was expected, {shown}"
        if glob:
            line = self.reply.lines[0] if separator == "-" else self.reply.lines[-1]
            assert fnmatch.fnmatchcase(line, glob), shown

    def _check_message(self, step, text, counter):
        address, _, wanted = text.partition(" ")
        messages = self.gatepost.maildirs.of(address, self._new_messages())
        assert messages, f"nothing was stored for {address}; stored: {sorted(map(str, self._new_messages()))}"
        message = messages[-1]
        if step.kind == "content":
            expected = b"".join(stored_line(expand(line, counter)) for line in step.body)
            assert message.content == expected, f"stored content differs:\n{message.content!r}\nexpected\n{expected!r}"
        elif step.kind == "sender":
            assert f"<{message.return_path}>" == wanted, f"Return-Path is <{message.return_path}>"
        elif step.kind == "received":
            assert re.search(wanted, message.received), f"Received is: {message.received}"


def runs(dialog):
    """(id, split) of each way to play the dialog; `every` is one test that plays it once per cut."""
    return [(f"{dialog.name}-{split}", split) for split in dialog.splits]


def play(dialog, gatepost, split):
    if split == "every":
        for cut in range(1, client_octets(dialog)):
            Player(dialog, gatepost, cut).play()
    else:
        Player(dialog, gatepost, split).play()


def all_dialogs():
    return [read(path) for path in sorted((server.ROOT / "tests" / "dialogs").glob("*.dialog"))]
