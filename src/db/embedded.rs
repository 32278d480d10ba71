//! The private PostgreSQL of a development start: the system's own server programs, a cluster in the data folder, a
//! Unix socket in a folder that only its user enters, and no TCP port. Must not know what is stored in it.
//!
//! Nothing here outlives the program: a small watcher process holds the other end of a pipe, and stops the server when
//! the pipe closes, however we ended. Several programs may share one cluster (`frontdesk migrate` beside a running
//! server): the first owns it, the others join.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid},
};
use secrecy::SecretString;

const POLL: Duration = Duration::from_millis(20);
/// `sockaddr_un` holds about 104 bytes on every system; PostgreSQL adds `/.s.PGSQL.5432.lock`.
const LONGEST_SOCKET_FOLDER: usize = 85;

/// A running private PostgreSQL. Dropping it stops the server, if this program owns it.
pub struct EmbeddedPg {
    /// The superuser's connection string.
    pub url: SecretString,
    owned: Option<Owned>,
}

struct Owned {
    postgres: Child,
    watcher: Child,
    _lock: Flock<fs::File>,
}

/// How a cluster is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The data is real: every commit reaches the disk.
    Kept,
    /// For tests: fast, and gone after a crash.
    Scratch,
}

impl EmbeddedPg {
    /// Starts the cluster in `base`, making it if there is none, or joins the one that runs there. `programs` is the folder where
    /// `initdb` and `postgres` are; without it, they are looked for.
    ///
    /// # Errors
    /// In words for an operator: no server programs, a cluster of another version, a server that does not come up.
    pub fn start(base: &Path, durability: Durability, programs: Option<&Path>) -> Result<Self> {
        let programs = Programs::find(&base.join("data"), programs)?;
        let sockets = base.join("s");
        ensure!(
            sockets.as_os_str().len() <= LONGEST_SOCKET_FOLDER,
            "the path {} is too long for a Unix socket; set FRONTDESK_DATA_DIR to a shorter one",
            sockets.display()
        );
        programs.own_folder(base)?;
        programs.own_folder(&sockets)?;
        let url =
            SecretString::from(format!("host={} user=postgres dbname=postgres sslmode=disable", sockets.display()));
        let Some(lock) = own_or_join(base, &sockets)? else {
            return Ok(Self { url, owned: None });
        };
        let data = base.join("data");
        if data.join("PG_VERSION").exists() {
            programs.check_version(&data)?;
        } else {
            programs.init(base, &data)?;
        }
        end_leftover(&data, &sockets)?;
        let owned = programs.run(base, &data, &sockets, durability, lock)?;
        Ok(Self { url, owned: Some(owned) })
    }

    /// Stops the server, if this program owns it, and waits until it is down.
    pub fn stop(&mut self) {
        let Some(mut owned) = self.owned.take() else { return };
        drop(owned.watcher.kill());
        drop(owned.watcher.wait());
        let pid = pid_of(&owned.postgres);
        // Fast, then immediate, then by force.
        for (signal, patience) in [(Signal::SIGINT, 10), (Signal::SIGQUIT, 5), (Signal::SIGKILL, 5)] {
            // It may be gone already, which is what we want.
            let _ = kill(pid, signal);
            let since = Instant::now();
            while since.elapsed() < Duration::from_secs(patience) {
                if matches!(owned.postgres.try_wait(), Ok(Some(_))) {
                    return;
                }
                std::thread::sleep(POLL);
            }
        }
    }
}

impl Drop for EmbeddedPg {
    fn drop(&mut self) {
        self.stop();
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

/// The lock, when this program is to own the cluster; nothing, when another owns it and its server answers.
fn own_or_join(base: &Path, sockets: &Path) -> Result<Option<Flock<fs::File>>> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let path = base.join("owner.lock");
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| format!("writing {}", path.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            Err(_) if answers(sockets) => return Ok(None),
            Err(_) if Instant::now() > deadline => {
                bail!("{} is in use by another program whose PostgreSQL does not answer", base.display())
            }
            Err(_) => std::thread::sleep(POLL),
        }
    }
}

struct Programs {
    folder: PathBuf,
    /// Whom to run them as: PostgreSQL refuses to run as root.
    user: Option<User>,
}

impl Programs {
    fn find(data: &Path, named: Option<&Path>) -> Result<Self> {
        let folder = match named {
            Some(named) => {
                let is_right = has_programs(named);
                ensure!(is_right, "PG_BIN_DIR names {}, where there is no `initdb` and `postgres`", named.display());
                named.to_owned()
            }
            None => program_folder()?,
        };
        let known = |name| User::from_name(name).ok().flatten();
        // A cluster that is there belongs to somebody, and stays theirs.
        let owner = fs::metadata(data)
            .ok()
            .and_then(|data| User::from_uid(data.uid().into()).ok().flatten())
            .filter(|owner| !owner.uid.is_root());
        let user =
            if geteuid().is_root() {
                Some(owner.or_else(|| known("postgres")).or_else(|| known("nobody")).context(
                    "running as root, and there is neither a user `postgres` nor `nobody` to run PostgreSQL as",
                )?)
            } else {
                None
            };
        Ok(Self { folder, user })
    }

    fn command(&self, program: &str) -> Command {
        self.prepared(Command::new(self.folder.join(program)))
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = self.prepared(Command::new("/bin/sh"));
        command.arg("-c").arg(script);
        command
    }

    fn prepared(&self, mut command: Command) -> Command {
        if let Some(user) = &self.user {
            command.gid(user.gid.as_raw()).uid(user.uid.as_raw());
        }
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            // Ctrl-C is for us; the database goes down after we have drained.
            .process_group(0)
            .current_dir("/");
        command
    }

    fn own_folder(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        if let Some(user) = &self.user {
            std::os::unix::fs::chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        Ok(())
    }

    fn init(&self, base: &Path, data: &Path) -> Result<()> {
        // Made aside and renamed: a program that was killed half-way leaves nothing that looks finished.
        let aside = base.join("data.init");
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        let made = self
            .command("initdb")
            .arg("-D")
            .arg(&aside)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions"])
            .output()
            .context("running initdb")?;
        ensure!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr).trim());
        fs::rename(&aside, data)?;
        Ok(())
    }

    fn check_version(&self, data: &Path) -> Result<()> {
        let cluster = fs::read_to_string(data.join("PG_VERSION"))?;
        let printed = self.command("postgres").arg("--version").output()?;
        let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
        let program = printed
            .split_whitespace()
            .find_map(|word| word.split('.').next().filter(|major| major.parse::<u32>().is_ok()))
            .unwrap_or_default();
        ensure!(
            program == cluster.trim(),
            "the private database in {} was made by PostgreSQL {}, but the installed programs are {program}; install \
             PostgreSQL {} again, or move that folder away to start afresh",
            data.display(),
            cluster.trim(),
            cluster.trim()
        );
        Ok(())
    }

    fn run(
        &self,
        base: &Path,
        data: &Path,
        sockets: &Path,
        durability: Durability,
        lock: Flock<fs::File>,
    ) -> Result<Owned> {
        let path = base.join("postgres.log");
        let log = fs::OpenOptions::new().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("writing {}", path.display()))?;
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(data)
            .arg("-k")
            .arg(sockets)
            .args(["-h", "", "-c", "unix_socket_permissions=0700", "-c", "max_connections=200"])
            .args(["-c", "timezone=UTC"]);
        if durability == Durability::Scratch {
            command.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
        }
        let mut postgres = command.stdout(log.try_clone()?).stderr(log).spawn().context("starting postgres")?;
        // Its stdin is a pipe whose other end we hold. It closes when we end, also by SIGKILL.
        let watcher = self
            .shell("read -r _; kill -INT \"$1\"")
            .arg("watcher")
            .arg(postgres.id().to_string())
            .stdin(Stdio::piped())
            .spawn()
            .context("starting the watcher")?;
        wait_until_ready(data, sockets, &mut postgres, &path)?;
        Ok(Owned { postgres, watcher, _lock: lock })
    }
}

fn has_programs(folder: &Path) -> bool {
    folder.join("initdb").exists() && folder.join("postgres").exists()
}

/// Where `initdb` and `postgres` are: the newest under the usual roots, or on the `PATH`.
fn program_folder() -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for root in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr"] {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let version = name.trim_start_matches("postgresql@").trim_start_matches("pgsql-").parse();
            let folder = entry.path().join("bin");
            if let (Ok(version), true) = (version, has_programs(&folder)) {
                found.push((version, folder));
            }
        }
    }
    found.sort();
    if let Some((_, newest)) = found.pop() {
        return Ok(newest);
    }
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).find(|folder| has_programs(folder)).context(
        "no PostgreSQL server programs (initdb, postgres) were found. Install them (Debian: apt install \
             postgresql; macOS: brew install postgresql@17), name their folder in PG_BIN_DIR, or set DATABASE_URL \
             to a PostgreSQL that runs elsewhere",
    )
}

fn wait_until_ready(data: &Path, sockets: &Path, postgres: &mut Child, log: &Path) -> Result<()> {
    let since = Instant::now();
    loop {
        // Line 8 of postmaster.pid says "ready" once connections are taken.
        let says_ready = fs::read_to_string(data.join("postmaster.pid"))
            .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"));
        if says_ready && answers(sockets) {
            return Ok(());
        }
        if let Some(status) = postgres.try_wait()? {
            bail!("PostgreSQL did not start ({status}); see {}", log.display());
        }
        ensure!(
            since.elapsed() < Duration::from_mins(1),
            "PostgreSQL is not ready after a minute; see {}",
            log.display()
        );
        std::thread::sleep(POLL);
    }
}

/// We hold the lock, so no program of ours owns a server here. One that is left (its watcher was killed too) is told
/// to stop. What a dead one left behind is removed, since PostgreSQL would take a zombie's process id for a live server
/// and refuse to start for ever.
fn end_leftover(data: &Path, sockets: &Path) -> Result<()> {
    let pid_file = data.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&pid_file) else { return Ok(()) };
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok()).map(Pid::from_raw);
    let since = Instant::now();
    while answers(sockets) {
        if let Some(pid) = pid {
            let _ = kill(pid, Signal::SIGINT);
        }
        ensure!(
            since.elapsed() < Duration::from_secs(20),
            "a PostgreSQL without an owner still runs in {}",
            data.display()
        );
        std::thread::sleep(POLL);
    }
    for stale in [pid_file, sockets.join(".s.PGSQL.5432.lock"), sockets.join(".s.PGSQL.5432")] {
        drop(fs::remove_file(stale));
    }
    Ok(())
}

/// A live server answers the eight bytes of an SSL request with exactly one.
fn answers(sockets: &Path) -> bool {
    let Ok(mut socket) = UnixStream::connect(sockets.join(".s.PGSQL.5432")) else { return false };
    let mut answer = [0; 1];
    socket.set_read_timeout(Some(Duration::from_millis(500))).is_ok()
        && socket.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).is_ok()
        && socket.read_exact(&mut answer).is_ok()
}
