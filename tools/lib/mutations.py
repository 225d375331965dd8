#!/usr/bin/env python3
"""Shows that the checks of the simulation can fail: builds it with one seeded defect at a time.

    mutations.py BUILD [--jobs N] [--junit FILE] [NAME...]

BUILD is a meson build folder in which tests/simulation/gatepost-simulate is up to date. Each file
tests/simulation/mutations/NAME.toml is one defect:

    what       a sentence
    checks     numbers of the checks of which one must find it (0: an invariant of the code itself)
    profile    of the runs
    seeds      within so many seeds, counted from 1
    [[edit]]   file, old, new: the text that stands there exactly once, and what takes its place
               compile (optional): the sources to compile anew, where the file is a header

Nothing in the source tree changes: edited copies are compiled and linked in BUILD/mutations/NAME.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time
import tomllib
import xml.sax.saxutils

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "simulation" / "mutations"
PROGRAM = "tests/simulation/gatepost-simulate"


class Failed(Exception):
    pass


class Build:
    """What it takes to compile one source, and to link the program."""

    def __init__(self, folder):
        self.folder = folder
        self.compile = {}
        commands = json.loads((folder / "compile_commands.json").read_text())
        for entry in commands:
            output = entry.get("output", "")
            source = (folder / entry["file"]).resolve()
            # The simulation's own build of a source, or the only one there is (the scanner's kernels).
            if "gatepost_simulated" in output or source not in self.compile:
                self.compile[source] = entry["command"]
        text = subprocess.run(["ninja", "-C", folder, "-t", "commands", "-s", PROGRAM], check=True,
                              capture_output=True, text=True).stdout
        self.link = text.strip().splitlines()[-1]

    def compile_command(self, source, edited, include, output):
        words = shlex.split(self.compile[source])
        words = [word for word in words if word not in ("-MD",)]
        for flag in ("-MQ", "-MF"):
            while flag in words:
                at = words.index(flag)
                del words[at:at + 2]
        words[words.index("-o") + 1] = str(output)
        words[words.index("-c") + 1] = str(edited)
        words.insert(1, f"-I{include}")
        return words

    def link_command(self, objects, output):
        words = shlex.split(self.link)
        at = words.index("-o") + 1
        words[at] = str(output)
        # Before the library: what is defined already is not taken from there.
        return words[:at + 1] + [str(each) for each in objects] + words[at + 1:]


def run(words, folder, **more):
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace", **more)


def prepare(build, name, mutation):
    """Compiles and links the program with the defect; returns its path."""
    work = build.folder / "mutations" / name
    include = work / "include"
    include.mkdir(parents=True, exist_ok=True)
    texts = {}
    sources = {}
    for edit in mutation["edit"]:
        path = ROOT / edit["file"]
        text = texts.get(path) or path.read_text()
        if text.count(edit["old"]) != 1:
            raise Failed(f"{edit['file']} does not have the text to be replaced exactly once")
        texts[path] = text.replace(edit["old"], edit["new"])
    for path, text in texts.items():
        edited = include / path.relative_to(ROOT / "src")
        edited.parent.mkdir(parents=True, exist_ok=True)
        edited.write_text(text)
        if path.suffix == ".cpp":
            sources[path] = edited
    for edit in mutation["edit"]:
        for other in edit.get("compile", []):
            if ROOT / other in build.compile:
                sources.setdefault(ROOT / other, ROOT / other)
    objects = []
    for source, edited in sources.items():
        output = work / (source.stem + ".o")
        compiled = run(build.compile_command(source, edited, include, output), build.folder)
        if compiled.returncode != 0:
            raise Failed("does not compile: " + compiled.stderr.strip()[-1500:])
        objects.append(output)
    program = work / "gatepost-simulate"
    linked = run(build.link_command(objects, program), build.folder)
    if linked.returncode != 0:
        raise Failed("does not link: " + linked.stderr.strip()[-1500:])
    return program


def try_one(build, name):
    mutation = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    program = prepare(build, name, mutation)
    environment = dict(os.environ, ASAN_OPTIONS="detect_stack_use_after_return=0:detect_leaks=0",
                       UBSAN_OPTIONS="halt_on_error=1")
    ran = run([program, "--quiet", "--runs", str(mutation["seeds"]), "--profile", mutation["profile"]],
              build.folder, env=environment, timeout=600)
    seed = re.search(r"^FAILED  seed (\d+)", ran.stdout, re.M)
    found = {int(number) for number in re.findall(r"^  check (\d+):", ran.stdout, re.M)}
    if seed is None and ("Sanitizer" in ran.stderr or ran.returncode < 0):
        # Memory that was used after it was given back: that is check 5 too, and the sanitizer was faster.
        found, where = {5}, "by a sanitizer"
    elif seed is None:
        raise Failed(f"was not noticed in {mutation['seeds']} seeds of profile {mutation['profile']}")
    else:
        where = f"at seed {seed.group(1)}"
    if not found & set(mutation["checks"]):
        raise Failed(f"was noticed by check {sorted(found)}, not by one of {mutation['checks']}: " +
                     ran.stdout[-600:])
    program.unlink()
    return f"check {', '.join(map(str, sorted(found)))} {where}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--junit", type=pathlib.Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    names = arguments.names or sorted(path.stem for path in FOLDER.glob("*.toml"))
    build = Build(arguments.build)
    failures = {}
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        tries = {pool.submit(try_one, build, name): name for name in names}
        for done in concurrent.futures.as_completed(tries):
            name = tries[done]
            try:
                print(f"caught   {name}: {done.result()}", flush=True)
            except Exception as error:  # any of them means that the defect was not shown to be caught
                failures[name] = str(error)
                print(f"MISSED   {name}: {error}", flush=True)
    print(f"{len(names) - len(failures)} of {len(names)} seeded defects caught in "
          f"{time.monotonic() - begun:.0f} s")
    if arguments.junit:
        escape = xml.sax.saxutils.escape
        cases = "".join(
            f'<testcase classname="mutations" name="{name}">' +
            (f"<failure>{escape(failures[name])}</failure>" if name in failures else "") + "</testcase>"
            for name in names)
        arguments.junit.write_text(f'<testsuite name="mutations">{cases}</testsuite>')
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
