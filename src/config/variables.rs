//! Where variables come from: the process; in development `.env` too, and behind both the keys in the data folder. Must not
//! know what a variable means.

use std::{collections::HashMap, path::Path};

use crate::config::{data_dir, dotenv, keys};

type Pairs = HashMap<String, String>;

/// The variables of this process.
#[derive(Default)]
pub struct Variables {
    file: Pairs,
    made: Pairs,
}

impl Variables {
    /// For a start: development's own keys are made, where there are none yet.
    pub(super) fn ready() -> anyhow::Result<Self> {
        Self::gathered(keys::load_or_make)
    }

    /// As a start would find them now. Nothing is made.
    ///
    /// # Errors
    /// A file that is there and can't be read.
    pub fn seen() -> anyhow::Result<Self> {
        Self::gathered(keys::load)
    }

    fn gathered(keys: impl Fn(&Path) -> anyhow::Result<Pairs>) -> anyhow::Result<Self> {
        let mut vars = Self::default();
        if vars.is_production() {
            return Ok(vars);
        }
        vars.file = dotenv::read(Path::new(".env"))?;
        if !vars.is_production() {
            vars.made = keys(&data_dir(&|name: &str| vars.get(name)))?;
        }
        Ok(vars)
    }

    fn is_production(&self) -> bool {
        self.get("ENVIRONMENT").as_deref() == Some("production")
    }

    /// A variable; what is set to nothing is not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let process = std::env::var(name).ok().map(|text| text.trim().to_owned());
        let set = process.or_else(|| self.file.get(name).cloned());
        set.filter(|text| !text.trim().is_empty()).or_else(|| self.made.get(name).cloned())
    }
}
