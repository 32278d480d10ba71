//! Data goes one way: a room uses rooms below it, never above. And each file says in its first line what it is for.

use std::{fs, path::Path};

/// From the leaf upwards. A room may name itself and those before it.
const ROOMS: &[&str] = &[
    "kernel",
    "tokens",
    "secrets",
    "db",
    "channels",
    "context",
    "llm",
    "domain",
    "retrieval",
    "tools",
    "chat",
    "work",
    "graph",
    "http",
    "config",
    "app",
    "cli",
];

pub(super) fn files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).expect("text")));
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(Path::new("src"), &mut found);
    assert!(found.len() > 80, "the sources are there");
    found
}

/// The rooms behind a `crate::`: one name, or each first name of a list in braces.
fn named(rest: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(list) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut names, mut depth, mut is_start) = (Vec::new(), 0, true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_start = true,
            c if is_start && c.is_alphabetic() => {
                names.push(word(&list[at..]));
                is_start = false;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn no_room_names_one_above_it() {
    let rank = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let room = path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
        let Some(own) = rank(room) else { continue };
        for (at, _) in text.match_indices("crate::") {
            let is_comment = text[..at].rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with("//"));
            for name in named(&text[at + "crate::".len()..]) {
                if !is_comment && rank(&name).is_some_and(|other| other > own) {
                    let line = text[..at].lines().count();
                    wrong.push(format!("{path}:{line} names {name}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "rooms above are named:\n{}", wrong.join("\n"));
}

#[test]
fn every_room_has_its_place() {
    for entry in fs::read_dir("src").expect("src").flatten() {
        let name = entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        assert!(
            ROOMS.contains(&name.as_str()) || ["lib", "main"].contains(&name.as_str()),
            "{name} has no place in the direction of flow"
        );
    }
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! ") || text.starts_with("// @generated"), "{path} does not say what it is for");
        let lines = text.lines().count();
        assert!(lines <= 400 || text.starts_with("// @generated"), "{path} has {lines} lines; split it by meaning");
    }
}

/// The image is built of less than the repository (`.dockerignore`): cargo builds nothing at all where it has to look for the file of
/// a target that is not there, and goes on where the manifest says which it is.
#[test]
fn the_image_can_be_built_without_tests_and_benches() {
    let manifest = fs::read_to_string("Cargo.toml").expect("the manifest");
    let targets: Vec<&str> = manifest.split("\n[").skip(1).filter(|table| table.starts_with('[')).collect();
    assert!(targets.len() >= 6, "{targets:?}");
    for target in targets {
        let path = target.lines().find_map(|line| line.strip_prefix("path = ")).map(|path| path.trim_matches('"'));
        assert!(path.is_some_and(|path| Path::new(path).is_file()), "[{target}");
    }
}
