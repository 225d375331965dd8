"""What landed in a tree of maildirs, looked at from outside."""
import pathlib
import re
import time


class Stored:
    """One message file, taken apart into our trace and the content as it was sent."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.octets = self.path.read_bytes()
        rest = self.octets
        found = re.match(rb"Return-Path: <([^\n]*)>\n", rest)
        assert found, f"{path} does not begin with Return-Path (R5321-4.4-11): {rest[:200]!r}"
        self.return_path = found.group(1).decode("utf-8", "surrogateescape")
        rest = rest[found.end():]
        found = re.match(rb"Received: [^\n]*\n(?:[ \t][^\n]*\n)*", rest)
        assert found, f"{path} has no Received on top (R5321-4.4-01): {rest[:200]!r}"
        self.received = re.sub(r"\s+", " ", found.group(0).decode("utf-8", "surrogateescape")).strip()
        self.content = rest[found.end():]

    @property
    def id(self):
        found = re.search(r" id ([A-Za-z0-9]+)", self.received)
        return found.group(1) if found else None


class MaildirTree:
    """Maildirs at {domain}/{local-part} below a root."""

    def __init__(self, root):
        self.root = pathlib.Path(root)

    def files(self):
        """All messages in new/, of every mailbox."""
        return {path for path in self.root.glob("*/*/new/*") if path.is_file()}

    def unfinished(self):
        return {path for path in self.root.glob("*/*/tmp/*") if path.is_file()}

    def of(self, address, files=None):
        """The messages of `local-part@domain`, oldest first."""
        local, _, domain = address.rpartition("@")
        folder = self.root / domain / local / "new"
        chosen = folder.glob("*") if files is None else (f for f in files if f.parent == folder)
        return [Stored(path) for path in sorted(chosen)]

    def settles(self, seconds=10.0):
        """Waits until no unfinished file is left; an aborted message goes away a moment after its connection."""
        deadline = time.monotonic() + seconds
        while self.unfinished():
            assert time.monotonic() < deadline, f"left over in tmp/: {sorted(map(str, self.unfinished()))}"
            time.sleep(0.01)
