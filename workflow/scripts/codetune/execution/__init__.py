"""Generated code: found in what a model wrote, run in a sandbox, and judged by a data set's tests."""
