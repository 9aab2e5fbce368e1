//! The demonstration server: a prefork pool with switchable faults.
