//! Settings in layers: defaults, a file, the environment.
