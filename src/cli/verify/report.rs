//! What came of the checks: a line each, as they are made, and a summary. Must not know what is checked.

/// What a check came to: nothing to say, or what was seen and what should have been.
pub(super) type Verdict<T = ()> = Result<T, String>;

/// Counts and prints. A line that can't be printed does not stop the checks: what was made must be cleaned up.
#[derive(Default)]
pub(super) struct Report {
    group: &'static str,
    passed: usize,
    failed: usize,
}

impl Report {
    /// The checks from here on belong together.
    pub(super) fn group(&mut self, name: &'static str) {
        self.group = name;
    }

    /// Notes a check.
    pub(super) fn check(&mut self, name: &str, verdict: Verdict) {
        let group = self.group;
        let _ = match verdict {
            Ok(()) => {
                self.passed += 1;
                crate::cli::say(&format!("ok    {group}: {name}"))
            }
            Err(wrong) => {
                self.failed += 1;
                crate::cli::say(&format!("FAIL  {group}: {name}: {wrong}"))
            }
        };
    }

    /// Says how it went.
    pub(super) fn summary(&self) {
        let all = self.passed + self.failed;
        let _ = crate::cli::say(&match self.failed {
            0 => format!("All {all} checks passed."),
            failed => format!("{failed} of {all} checks FAILED."),
        });
    }

    /// Whether there is nothing to worry about.
    pub(super) fn all_passed(&self) -> bool {
        self.failed == 0
    }
}
