//! Embeds the playground, where it was built: each file of `playground/dist` becomes an entry of a table that
//! `src/http/playground` includes. Must not build it; that is `make playground`.

use std::{
    env,
    fmt::Write,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let folder = Path::new("playground/dist");
    // A path that is not there would have cargo build everything anew each time, so the nearest that is there is watched.
    let watched = [folder, Path::new("playground"), Path::new("build.rs")].into_iter().find(|path| path.exists());
    println!("cargo::rerun-if-changed={}", watched.unwrap_or(folder).display());
    let table = table(folder)?;
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    fs::write(out.join("playground.rs"), table)
}

/// The gzipped files by name, and a version that changes with any of them.
fn table(folder: &Path) -> io::Result<String> {
    let mut paths = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            paths.push(entry?.path());
        }
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "gz"));
    paths.sort();
    let mut version = DefaultHasher::new();
    let mut entries = String::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (&name, fs::read(&path)?).hash(&mut version);
        let path = path.canonicalize()?.to_string_lossy().into_owned();
        writeln!(entries, "    Asset {{ name: {name:?}, gzipped: include_bytes!({path:?}) }},")
            .map_err(io::Error::other)?;
    }
    let version = version.finish();
    Ok(format!("const VERSION: &str = \"{version:016x}\";\nconst ASSETS: &[Asset] = &[\n{entries}];\n"))
}
