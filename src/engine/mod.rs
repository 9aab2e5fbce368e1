//! The run: clock, sampler, orchestrator; where the edges meet.
