"""The loop of every peer: one task a line on standard input, one line of JSON with its time on standard output."""

import json
import sys
import time


def serve(tasks):
    """`tasks`: name -> function without arguments; what it returns (a dict) is sent beside the times."""
    for line in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        answer = tasks[line.strip()]()
        times = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        print(json.dumps({**times, **answer}), flush=True)
