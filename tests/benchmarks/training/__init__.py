"""The training benchmarks: a conventional loop, this package's, and the floor below both."""
