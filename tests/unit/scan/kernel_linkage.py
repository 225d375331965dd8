#!/usr/bin/env python3
"""Kernel files may export their table and nothing else (see src/scan/kernel.hpp).

Usage: kernel_linkage.py ARCHIVE...

An inline function that one of them exports could be the copy that the linker keeps for the whole
program, and end it with SIGILL on a machine without that instruction set.
"""

import re
import subprocess
import sys

TABLE = re.compile(r"_ZN8gatepost4scan\d+\w+_kernelE")


def exported(archive):
    lines = subprocess.run(["nm", "--defined-only", "--extern-only", "--format=posix", archive],
                           check=True, capture_output=True, text=True).stdout.splitlines()
    names = [line.split()[0] for line in lines if len(line.split()) >= 2]
    # C++ names only: sanitizers and coverage add some of their own, with C linkage.
    return [name for name in names if name.startswith("_Z")]


def main(archives):
    wrong = 0
    for archive in archives:
        names = exported(archive)
        tables = [name for name in names if TABLE.fullmatch(name)]
        others = [name for name in names if not TABLE.fullmatch(name)]
        if len(tables) != 1 or others:
            print(f"{archive}: exports {names}, wanted is its table alone")
            wrong += 1
    return 1 if wrong or not archives else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
