//! The run directory: writer, reader, format version.
