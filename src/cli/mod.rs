//! Arguments to plain requests, verdicts to exit codes.
