//! Development's own keys: made once, kept in the data folder, readable by nobody else. Production never comes here.

use std::{
    collections::HashMap,
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::Context;

use crate::config::dotenv;

/// The file in the data folder that holds them.
const FILE: &str = "keys.env";

/// Whether others than its owner may read the file with the keys.
#[must_use]
pub fn are_open(data_dir: &Path) -> bool {
    fs::metadata(data_dir.join(FILE)).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o077 != 0)
}

/// The keys that are there; none where none were made yet.
///
/// # Errors
/// When they can't be read.
pub fn load(data_dir: &Path) -> anyhow::Result<HashMap<String, String>> {
    dotenv::read(&data_dir.join(FILE))
}

pub(super) fn load_or_make(data_dir: &Path) -> anyhow::Result<HashMap<String, String>> {
    let path = data_dir.join(FILE);
    let known = load(data_dir)?;
    if !known.is_empty() {
        return Ok(known);
    }
    fs::create_dir_all(data_dir)
        .with_context(|| format!("making {}; set FRONTDESK_DATA_DIR to a folder you may write", data_dir.display()))?;
    let key = || anyhow::Ok(hex::encode(crate::tokens::random::<32>()?));
    let text = format!("# Made by Frontdesk for development.\nJWT_SECRET_KEY={}\nSECRET_KEY={}\n", key()?, key()?);
    // Written aside and linked: of two programs that start together, both use the keys of the first.
    let aside = data_dir.join(format!("{FILE}.{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&aside);
    let kept = opened.and_then(|mut file| file.write_all(text.as_bytes())).and_then(|()| fs::hard_link(&aside, &path));
    // Nothing is left of it, whatever came of it.
    let _ = fs::remove_file(&aside);
    match kept {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error).with_context(|| {
            format!("writing {}; make room there, or set FRONTDESK_DATA_DIR to a folder you may write", path.display())
        }),
        _ => load(data_dir),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_cannot_be_kept_are_named_by_their_file() {
        let folder = std::env::temp_dir().join(format!("frontdesk-keys-{}", std::process::id()));
        // Where the file is to be set aside, something else is in the way.
        let aside = folder.join(format!("{FILE}.{}", std::process::id()));
        fs::create_dir_all(&aside).expect("a folder");
        let error = load_or_make(&folder).expect_err("in the way");
        assert!(
            format!("{error:#}").starts_with(&format!("writing {}/{FILE}; make room", folder.display())),
            "{error:#}"
        );
        fs::remove_dir(&aside).expect("removed");
        let made = load_or_make(&folder).expect("made");
        assert_eq!(made, load_or_make(&folder).expect("found"));
        let left = fs::read_dir(&folder).expect("a folder").count();
        fs::remove_dir_all(&folder).expect("removed");
        assert_eq!((made.len(), left), (2, 1));
    }
}
