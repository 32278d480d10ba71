//! Data goes one way: a room uses rooms below it, never above. And each file says in its first line what it is for.

use std::{fs, path::Path};

/// From the leaf upwards. A room may name itself and those before it.
const ROOMS: &[&str] =
    &["kernel", "tokens", "db", "context", "llm", "domain", "chat", "graph", "http", "config", "app", "cli"];

fn files(folder: &Path, found: &mut Vec<(String, String)>) {
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

#[test]
fn no_room_names_one_above_it() {
    let rank = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let room = path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
        let Some(own) = rank(room) else { continue };
        // Both `use crate::{a::.., b::..}` and `crate::a::..` in the middle of code.
        let code = text.replace("use crate::{", "use crate::\n");
        for (number, line) in code.lines().enumerate() {
            let names = line.split("crate::").skip(1).chain(line.trim().split("::").take(1));
            for name in names.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()) {
                if rank(name).is_some_and(|other| other > own) && !line.trim_start().starts_with("//") {
                    wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
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
