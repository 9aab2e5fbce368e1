//! seepage on real processes, as a user calls it: demonstration servers, workers of the tests' own, and programs of others.
//!
//! Needs what `scripts/setup-tests.sh` installs. Each test has a private directory and free ports, and can run beside the others.

mod ab;
mod accept;
mod action;
mod analyze;
mod answers;
mod apache;
mod apache_module;
mod attach;
mod bounds;
mod command;
mod common;
mod demo;
mod demo_server;
mod faults;
mod first_minutes;
mod fleet;
mod heap;
mod heap_faults;
mod history;
mod knee;
mod manual;
mod metrics;
mod own_series;
mod php_fpm;
mod places;
mod plan;
mod preload;
mod programs;
mod recipes;
mod release;
mod run_directories;
mod scripts;
mod secrets;
mod services;
mod settle;
mod sites;
mod stack;
mod steps;
mod stories;
mod supervise;
mod survivors;
mod whole_target;
mod workers;
mod wrong_setup;
