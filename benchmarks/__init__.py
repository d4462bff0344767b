"""Rate-distortion and speed benchmarks: each writes JSON, and a report is a pure function of that JSON."""
