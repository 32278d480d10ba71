//! A PgBouncer before the private PostgreSQL, where `FRONTDESK_TEST_POOLER=pgbouncer` says so: then the server's own connections
//! go through it, in session mode, and every test sees what an operator behind a pooler sees. Migrations and looks behind the
//! scenes go past it, as they do there.

use std::{
    os::unix::{fs::chown, process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use nix::unistd::{User, geteuid};

/// Runs until the test program ends: its shell waits for the end of a pipe that we hold.
pub struct Pooler {
    folder: PathBuf,
    _shell: Child,
}

impl Pooler {
    /// Before the server whose sockets are there; `None` where nobody asks for it.
    pub fn start(sockets: &str) -> Option<Self> {
        let wanted = std::env::var("FRONTDESK_TEST_POOLER").ok()?;
        assert_eq!(wanted, "pgbouncer", "the only pooler that is known here");
        let folder = PathBuf::from("/tmp").join(format!("frontdesk-pooler-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let at = folder.display();
        let settings = format!(
            "[databases]\n* = host={sockets}\n\n[pgbouncer]\npool_mode = session\nlisten_addr =\nlisten_port = 6432\n\
             unix_socket_dir = {at}\nauth_type = trust\nauth_file = {at}/users.txt\nlogfile = {at}/log\nmax_client_conn = 5000\n\
             default_pool_size = 50\nserver_idle_timeout = 2\n"
        );
        std::fs::write(folder.join("pgbouncer.ini"), settings).expect("written");
        std::fs::write(folder.join("users.txt"), "\"frontdesk_app\" \"\"\n").expect("written");
        let mut shell = Command::new("sh");
        let program = if PathBuf::from("/usr/sbin/pgbouncer").exists() { "/usr/sbin/pgbouncer" } else { "pgbouncer" };
        shell
            .args(["-c", &format!("{program} {at}/pgbouncer.ini & read _; kill $!; rm -rf {at}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // It refuses to run as root.
        if geteuid().is_root() {
            let user = User::from_name("postgres").expect("users").expect("Debian's user of PostgreSQL");
            for path in [folder.clone(), folder.join("pgbouncer.ini"), folder.join("users.txt")] {
                chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("given");
            }
            shell.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let shell = shell.spawn().expect("pgbouncer; scripts/setup test installs it");
        let pooler = Self { folder, _shell: shell };
        while std::os::unix::net::UnixStream::connect(pooler.folder.join(".s.PGSQL.6432")).is_err() {
            std::thread::yield_now();
        }
        Some(pooler)
    }

    /// The plain login role's way through it.
    pub fn url(&self, database: &str) -> String {
        format!("host={} port=6432 user=frontdesk_app dbname={database} sslmode=disable", self.folder.display())
    }
}
