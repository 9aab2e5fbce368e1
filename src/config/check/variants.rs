//! Checks of `[variants]`, `[modules]` and `[compare]`.

use super::{Checker, target};
use crate::config::problem::{KeyPath, nearest};
use crate::config::{Harness, VariantConfig};

pub(super) fn check(checker: &mut Checker, harness: &Harness) {
    let at = KeyPath::of(&["variants"]);
    for (name, variant) in &harness.variants {
        check_name(checker, &at.key(name), "variant", name);
        check_overlay(checker, &at.key(name), harness, variant);
    }
    let at = KeyPath::of(&["modules"]);
    for (name, module) in &harness.modules {
        check_name(checker, &at.key(name), "module", name);
        if module.off == VariantConfig::default() {
            let help = "write what the target is without the module, such as `off = { env = { CACHE = \"0\" } }`";
            checker.refuse(at.key(name).key("off"), "this switches nothing off", help);
        }
        check_overlay(checker, &at.key(name).key("off"), harness, &module.off);
        for (index, needed) in module.needs.iter().enumerate() {
            let at = at.key(name).key("needs").index(index);
            if needed == name {
                checker.refuse(at, format!("the module `{name}` needs itself"), "leave it out");
            } else if !harness.modules.contains_key(needed) {
                let meant = nearest(needed, harness.modules.keys().map(String::as_str).filter(|k| k != name));
                let hint = meant.map_or_else(String::new, |meant| format!(": did you mean `{meant}`?"));
                checker.refuse(at, format!("there is no module `{needed}`{hint}"), "name a module of `[modules]`");
            }
        }
    }
}

/// Checks the target as it is with an overlay; only what the overlay brings in is told at its place.
fn check_overlay(checker: &mut Checker, at: &KeyPath, harness: &Harness, overlay: &VariantConfig) {
    let (mut plain, mut overlaid) = (checker.problems.beside(), checker.problems.beside());
    target::check(&mut Checker { problems: &mut plain }, at, &harness.target);
    let mut changed = harness.clone();
    overlay.put_over(&mut changed);
    target::check(&mut Checker { problems: &mut overlaid }, at, &changed.target);
    for name in overlay.services.keys() {
        let at = at.key("services").key(name);
        let (Some(service), Some(changed)) = (harness.services.get(name), changed.services.get(name)) else {
            let meant = nearest(name, harness.services.keys().map(String::as_str));
            let hint = meant.map_or_else(String::new, |meant| format!(": did you mean `{meant}`?"));
            checker.refuse(at, format!("there is no service `{name}`{hint}"), "name a service of `[services]`");
            continue;
        };
        let limit = harness.target.memory_limit;
        target::check(&mut Checker { problems: &mut plain }, &at, &service.as_target(limit));
        target::check(&mut Checker { problems: &mut overlaid }, &at, &changed.as_target(limit));
    }
    checker.problems.add_without(overlaid, &plain);
}

/// Names are a part of directories' names and of sentences.
fn check_name(checker: &mut Checker, at: &KeyPath, what: &str, name: &str) {
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !fits {
        let help = "use 1 to 64 letters, digits, `-`, `_` and `.`";
        checker.refuse(at.clone(), format!("`{name}` isn't a name for a {what}"), help);
    }
}
