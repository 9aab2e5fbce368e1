//! One reading each: `/proc`, control groups, status pages and access logs.
