//! What Linux counts of processes: processor time and memory; and what machine it is. Must not know whose processes they are.

use std::fs;

/// Ticks of `/proc/<pid>/stat` in a second, as on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// The machine that a run was made on.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub kernel: String,
    pub postgresql: String,
    /// How many processes wanted a core, in the minute before the run: other people's.
    pub load_before: String,
    pub profile: &'static str,
}

impl Machine {
    pub fn look(postgresql: String) -> Self {
        let line = |path: &str, name: &str| {
            let text = fs::read_to_string(path).expect("Linux");
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
            line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let text = |path: &str| fs::read_to_string(path).expect("Linux").trim().to_owned();
        let memory: f64 = line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().expect("a number");
        Self {
            processor: line("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory / 1024.0 / 1024.0,
            kernel: text("/proc/sys/kernel/osrelease"),
            postgresql,
            load_before: text("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            profile: match option_env!("CARGO_PROFILE_BENCH_LTO") {
                None => "release, as it is shipped",
                // Builds in a third of the time, and is a quarter slower.
                Some(_) => "release, with other link-time optimisation than what is shipped: a trial",
            },
        }
    }

    pub fn told(&self) -> String {
        let Self { processor, cores, memory_gib, kernel, postgresql, load_before, profile } = self;
        format!(
            "{cores} cores ({processor}), {memory_gib:.0} GiB, Linux {kernel}, PostgreSQL {postgresql}; load before the run {load_before}; \
             profile {profile}"
        )
    }
}

/// Fields of `/proc/<pid>/stat` behind the name, which may hold spaces: the parent, then processor times; `None` once it is gone.
fn stat(pid: u32) -> Option<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split(' ').skip(1).map(|field| field.parse().unwrap_or(0)).collect())
}

fn children(parent: u32) -> Vec<u32> {
    let pids =
        fs::read_dir("/proc").expect("Linux").flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|fields| fields[0] == u64::from(parent))).collect()
}

/// Seconds of a core that a process used so far, all of its threads, and its children that ended.
#[expect(clippy::cast_precision_loss, reason = "a count of ticks")]
pub fn cpu(pid: u32) -> f64 {
    // utime, stime, cutime, cstime are the fields 14 to 17 of proc(5); the parent is the fourth.
    let ticks = |fields: Vec<u64>| fields[10..14].iter().sum::<u64>();
    stat(pid).map_or(0.0, |fields| ticks(fields) as f64 / TICKS)
}

/// The same of a process and its children, those that run and those that ended.
pub fn cpu_of_family(parent: u32) -> f64 {
    loop {
        let family = children(parent);
        let used = cpu(parent) + family.iter().copied().map(cpu).sum::<f64>();
        // One that ended in between would be missed, or counted twice.
        if children(parent) == family {
            return used;
        }
    }
}

fn mebibytes(path: &str, name: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Memory that a process has now, and the most that it had, in MiB.
pub fn memory(pid: u32) -> [f64; 2] {
    ["VmRSS", "VmHWM"].map(|name| mebibytes(&format!("/proc/{pid}/status"), name))
}

/// Memory of a process and its children in MiB, what they share counted once.
pub fn memory_of_family(parent: u32) -> f64 {
    let pss = |pid| mebibytes(&format!("/proc/{pid}/smaps_rollup"), "Pss");
    pss(parent) + children(parent).into_iter().map(pss).sum::<f64>()
}
