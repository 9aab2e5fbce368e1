//! The load driver: the script, its phases, HTTP and external commands.
