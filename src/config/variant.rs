//! Variants of a target: what `seepage ab` and `seepage bisect` change in a harness file, and what they allow.
//!
//! Only the target and its services can be overlaid. The workload, its seed and the phases are the same on both sides by construction.

use super::problem::KeyPath;
use super::{Harness, VariantConfig};

fn put<T: Clone>(over: &Option<T>, place: &mut T) {
    if let Some(value) = over {
        *place = value.clone();
    }
}

/// Lays what variants of targets and of services have in common over one.
macro_rules! put_over {
    ($variant:ident, $place:ident) => {
        put(&$variant.command, &mut $place.command);
        if $variant.cwd.is_some() {
            $place.cwd.clone_from(&$variant.cwd);
        }
        put(&$variant.prepare, &mut $place.prepare);
        $place.env.extend($variant.env.clone());
        put(&$variant.pass_env, &mut $place.pass_env);
        put(&$variant.workers, &mut $place.workers);
        put(&$variant.ready, &mut $place.ready);
        put(&$variant.stop, &mut $place.stop);
    };
}

impl VariantConfig {
    /// Lays this variant over the target of a harness, and over the services that it has.
    pub fn put_over(&self, harness: &mut Harness) {
        let target = &mut harness.target;
        put_over!(self, target);
        put(&self.memory_limit, &mut target.memory_limit);
        for (name, variant) in &self.services {
            if let Some(service) = harness.services.get_mut(name) {
                put_over!(variant, service);
            }
        }
    }
}

impl Harness {
    /// The same without its variants and modules: what one run is made of.
    pub fn alone(&self) -> Harness {
        let mut alone = self.clone();
        alone.variants.clear();
        alone.modules.clear();
        alone
    }
}

/// The harness with its variant of this name laid over; `None` if it has none.
pub fn variant(harness: &Harness, name: &str) -> Option<Harness> {
    let variant = harness.variants.get(name)?;
    let mut harness = harness.clone();
    variant.put_over(&mut harness);
    harness.source.lay_over(KeyPath::of(&["variants", name]));
    Some(harness)
}

/// The harness with these of its `[modules]` switched off, and with them all that need one of them; with the names of all
/// that are off. `None` if one isn't in the harness file.
pub fn without_modules(harness: &Harness, names: &[String]) -> Option<(Harness, Vec<String>)> {
    let mut off: Vec<String> = names.to_vec();
    loop {
        let more = harness
            .modules
            .iter()
            .find(|(name, module)| !off.contains(name) && module.needs.iter().any(|needed| off.contains(needed)));
        match more {
            Some((name, _)) => off.push(name.clone()),
            None => break,
        }
    }
    let mut changed = harness.clone();
    // In the order of the file, so that the same set gives the same target however it was named.
    for name in names {
        harness.modules.get(name)?;
    }
    for (name, module) in harness.modules.iter().filter(|(name, _)| off.contains(name)) {
        module.off.put_over(&mut changed);
        changed.source.lay_over(KeyPath::of(&["modules", name, "off"]));
    }
    Some((changed, off))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServiceConfig;
    use crate::config::{Overrides, parse};

    const TEXT: &str = r#"
name = "shop"
[target]
command = ["new", "${port}"]
env = { A = "1", B = "2" }
[workload]
command = ["x"]
[[phase]]
kind = "soak"
duration = "1s"
[variants.old]
command = ["old", "${port}"]
env = { B = "3", C = "4" }
[modules.cache]
off = { env = { CACHE = "0" } }
[modules.images]
off = { env = { IMAGES = "0" } }
needs = ["cache"]
"#;

    #[test]
    fn a_variant_replaces_keys_and_adds_to_the_environment() {
        let harness = parse(TEXT, "a.toml", &Overrides::default()).unwrap();
        let old = variant(&harness, "old").unwrap();
        assert_eq!(old.target.command, ["old", "${port}"]);
        let env: Vec<_> = old.target.env.iter().map(|(k, v)| format!("{k}{v}")).collect();
        assert_eq!(env, ["A1", "B3", "C4"]);
        assert_eq!(old.workload, harness.workload);
        assert!(variant(&harness, "older").is_none());
    }

    #[test]
    fn what_needs_a_module_goes_off_with_it() {
        let harness = parse(TEXT, "a.toml", &Overrides::default()).unwrap();
        let (changed, off) = without_modules(&harness, &["cache".into()]).unwrap();
        assert_eq!(off, ["cache", "images"]);
        assert_eq!((changed.target.env["CACHE"].as_str(), changed.target.env["IMAGES"].as_str()), ("0", "0"));
        let (_, off) = without_modules(&harness, &["images".into()]).unwrap();
        assert_eq!(off, ["images"]);
        assert!(without_modules(&harness, &["disk".into()]).is_none());
    }

    #[test]
    fn services_are_overlaid_as_the_target_is() {
        let text = format!(
            "{TEXT}[services.store]\ncommand = ['new-store']\nenv = {{ A = '1' }}\n\
             [variants.old.services.store]\ncommand = ['old-store']\nenv = {{ B = '2' }}\n\
             [modules.index]\noff.services.store.env = {{ INDEX = '0' }}\n"
        );
        let harness = parse(&text, "a.toml", &Overrides::default()).unwrap();
        let old = variant(&harness, "old").unwrap().services["store"].clone();
        let env = |service: &ServiceConfig| service.env.iter().map(|(k, v)| format!("{k}{v}")).collect::<Vec<_>>();
        assert_eq!(
            (old.command.as_slice(), env(&old)),
            (&["old-store".to_owned()][..], vec!["A1".into(), "B2".into()])
        );
        let (changed, off) = without_modules(&harness, &["index".into()]).unwrap();
        assert_eq!((off, env(&changed.services["store"])), (vec!["index".into()], vec!["A1".into(), "INDEX0".into()]));
        assert_eq!(changed.target, harness.target);
        for (from, to, message) in [
            (
                "services.store]\ncommand = ['old-store']",
                "services.stor]",
                "there is no service `stor`: did you mean `store`?",
            ),
            ("command = ['old-store']", "command = []", "the command is empty"),
            ("command = ['old-store']", "budget.memory = '1 KiB/request'", "unknown key `budget`"),
        ] {
            let text = text.replacen(from, to, 1);
            let error = parse(&text, "a.toml", &Overrides::default()).unwrap_err().to_string();
            assert!(error.contains(message) && error.starts_with("a.toml:2"), "{to}: {error}");
        }
    }

    #[test]
    fn wrong_variants_are_refused_with_their_place() {
        for (from, to, message) in [
            ("command = [\"old\", \"${port}\"]", "command = []", "the command is empty"),
            ("command = [\"old\", \"${port}\"]", "comand = [\"old\"]", "unknown key `comand`: did you mean `command`?"),
            ("C = \"4\"", "\"C=\" = \"4\"", "isn't a name for an environment variable"),
            ("needs = [\"cache\"]", "needs = [\"cash\"]", "there is no module `cash`: did you mean `cache`?"),
            ("${port}\"]\nenv = { B", "${prot}\"]\nenv = { B", "unknown variable `${prot}`"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT, "{from}");
            let error = parse(&text, "a.toml", &Overrides::default()).unwrap_err().to_string();
            assert!(error.contains(message), "{to}: {error}");
            assert!(error.starts_with("a.toml:"), "{error}");
        }
    }
}
