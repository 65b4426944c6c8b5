//! A watchdog: when this process dies, however it dies, it kills the process groups of the stages that run.
//!
//! It is a shell that reads from a pipe: `+ 12` when a group starts, `- 12` when it has ended. The end of the pipe is the
//! end of us. A stage's command does not start before its group stands in that pipe (see `process`), so none is missed.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

const SCRIPT: &str = r#"
groups=
while read -r sign group; do
  if [ "$sign" = + ]; then
    groups="$groups $group"
  else
    rest=
    for g in $groups; do [ "$g" = "$group" ] || rest="$rest $g"; done
    groups=$rest
  fi
done
for g in $groups; do kill -s KILL -- "-$g" 2>/dev/null; done
exit 0
"#;

/// The watchdog of a run; started with the first stage.
#[derive(Default)]
pub(crate) struct Guard {
    shell: Mutex<Option<(Child, ChildStdin)>>,
}

impl Guard {
    /// The group will be killed if we die.
    pub(crate) fn watch(&self, group: u32) -> std::io::Result<()> {
        self.tell('+', group)
    }

    /// The group has ended.
    pub(crate) fn release(&self, group: u32) {
        let _ = self.tell('-', group);
    }

    fn tell(&self, sign: char, group: u32) -> std::io::Result<()> {
        let mut shell = self.shell.lock().map_err(|_| std::io::Error::other("the watchdog's lock is poisoned"))?;
        if shell.is_none() {
            *shell = Some(start()?);
        }
        match shell.as_mut() {
            Some((_, pipe)) => pipe.write_all(format!("{sign} {group}\n").as_bytes()),
            None => Ok(()),
        }
    }
}

/// In a group of its own, so that what ends us from the terminal does not end it first.
fn start() -> std::io::Result<(Child, ChildStdin)> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()?;
    let pipe = child.stdin.take().ok_or_else(|| std::io::Error::other("the watchdog has no pipe"))?;
    Ok((child, pipe))
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Ok(shell) = self.shell.get_mut()
            && let Some((mut child, pipe)) = shell.take()
        {
            drop(pipe);
            let _ = child.wait();
        }
    }
}
