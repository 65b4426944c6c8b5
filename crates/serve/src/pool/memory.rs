//! Memory that versions take, as the system tells it: each process's share of what it holds, and the most that it held.
//!
//! Where the system does not tell, nothing is known and no limit is held. Not here: what is done about it.

use std::path::Path;

/// Processes of the system that are looked through.
const PROCESSES_MAX: usize = 65_536;

/// Bytes that a process holds now, pages that it shares divided by those who share them; none where the system does not say.
pub fn held(process: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok();
    rollup.and_then(|text| kib_of(&text, "Pss:")).or_else(|| kib_of(&status(process)?, "VmRSS:"))
}

/// The most that it held, shared pages counted whole.
pub fn peak(process: u32) -> Option<u64> {
    kib_of(&status(process)?, "VmHWM:")
}

/// Bytes that can be had without taking them from others.
pub fn available() -> Option<u64> {
    kib_of(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

fn status(process: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{process}/status")).ok()
}

/// A line `NAME   123 kB`, in bytes.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The processes of these groups: what a server started is its own too.
pub fn of_groups(groups: &[u32]) -> Vec<u32> {
    if groups.is_empty() {
        return Vec::new();
    }
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).take(PROCESSES_MAX);
    numbers.filter(|process| group_of(*process).is_some_and(|group| groups.contains(&group))).collect()
}

fn group_of(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    // The name in parentheses may hold anything; behind it: state, parent, group.
    stat.rsplit_once(") ")?.1.split(' ').nth(2)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_system_is_read_in_bytes() {
        let text = "Rss:  2048 kB\nPss:   1024 kB\nPss_Dirty:  12 kB\n";
        assert_eq!(kib_of(text, "Pss:"), Some(1_048_576));
        assert_eq!(kib_of(text, "Swap:"), None);
        assert_eq!(kib_of("Pss: many kB", "Pss:"), None);
    }

    #[test]
    fn this_process_holds_memory_and_is_of_its_group() {
        let own = std::process::id();
        let (now, most) = (held(own).unwrap(), peak(own).unwrap());
        assert!(now > 100_000 && most > 100_000, "{now} {most}");
        assert!(of_groups(&[group_of(own).unwrap()]).contains(&own));
        assert_eq!(held(u32::MAX), None);
        assert!(available().unwrap() > 0);
    }
}
