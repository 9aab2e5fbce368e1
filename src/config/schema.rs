//! The JSON schema of harness files, for editors and for `seepage schema`.

use super::Harness;
use serde_json::Value;

/// The JSON schema of a harness file.
pub fn schema() -> Value {
    let schema = schemars::schema_for!(Harness);
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, load};
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("harness-configs")
    }

    fn harness_files() -> Vec<PathBuf> {
        let folders = [folder(), folder().join("stories")];
        let entries =
            folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
    }

    /// `UPDATE_SCHEMA=1 cargo test schema` writes the file anew.
    #[test]
    fn the_schema_file_is_up_to_date() {
        let path = folder().join("schema.json");
        let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if env::var_os("UPDATE_SCHEMA").is_some() {
            fs::write(&path, &current).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == current, "run `UPDATE_SCHEMA=1 cargo test schema` and commit {}", path.display());
    }

    #[test]
    fn every_harness_file_is_good_and_fits_the_schema() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let files = harness_files();
        assert!(!files.is_empty());
        for path in files {
            load(&path, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
            let value: Value = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        }
    }

    #[test]
    fn the_schema_refuses_unknown_keys() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let path = harness_files().pop().unwrap();
        let mut value: Value = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        value["nmae"] = "x".into();
        assert!(!validator.is_valid(&value));
    }
}
