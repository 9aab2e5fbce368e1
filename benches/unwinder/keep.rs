//! Keeps strings and gives vectors back.

use std::collections::HashMap;

fn main() {
    let mut kept: HashMap<u32, Vec<String>> = HashMap::new();
    for i in 0..200_000u32 {
        kept.entry(i % 997).or_default().push(format!("value {i}"));
        drop((0..i % 40).map(Box::new).collect::<Vec<_>>());
    }
    println!("ready {}", kept.len());
    std::thread::sleep(std::time::Duration::from_secs(600));
}
