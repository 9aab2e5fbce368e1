//! Launch, readiness, the process tree, who is a worker, stop.
