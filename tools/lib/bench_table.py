#!/usr/bin/env python3
"""Prints the JSON reports of Google Benchmark programs as one Markdown table: bench_table.py REPORT..."""
import json
import platform
import sys


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith(("model name", "Model")):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, Linux {platform.release()}"


def rate(benchmark):
    if "bytes_per_second" in benchmark:
        return f"{benchmark['bytes_per_second'] / 1e9:.2f} GB/s"
    if "items_per_second" in benchmark:
        return f"{benchmark['items_per_second'] / 1e6:.2f} M/s"
    return ""


print(f"\nMicro-benchmarks on {machine()}.\n")
print("| benchmark | time each | rate |\n|---|---:|---:|")
for report in sys.argv[1:]:
    with open(report) as f:
        for benchmark in json.load(f)["benchmarks"]:
            if benchmark.get("run_type", "iteration") != "iteration" or benchmark.get("error_occurred"):
                continue
            unit = benchmark["time_unit"]
            print(f"| {benchmark['name']} | {benchmark['cpu_time']:.1f} {unit} | {rate(benchmark)} |")
