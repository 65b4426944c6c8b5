//! A bar for work on many objects: how far, how fast, how long still. Plain lines without a terminal, nothing for JSON.

use crate::show;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidegate_build::remote::Progress;

/// The bar.
pub struct Bar {
    live: bool,
    quiet: bool,
    bar: Mutex<Option<ProgressBar>>,
    done: AtomicU64,
    wanted: AtomicU64,
}

impl Bar {
    /// A bar where there is a terminal.
    pub fn new(json: bool) -> Bar {
        let live = !json && std::io::stderr().is_terminal();
        Bar { live, quiet: json, bar: Mutex::new(None), done: AtomicU64::new(0), wanted: AtomicU64::new(0) }
    }

    fn with(&self, act: impl FnOnce(&ProgressBar)) {
        if let Ok(bar) = self.bar.lock()
            && let Some(bar) = bar.as_ref()
        {
            act(bar);
        }
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, objects: u64, bytes: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.wanted.store(objects, Ordering::Relaxed);
        if !self.live {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let template = "{spinner} {prefix} {msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        bar.set_message(format!("0/{objects}"));
        bar.enable_steady_tick(Duration::from_millis(120));
        if let Ok(mut held) = self.bar.lock() {
            *held = Some(bar);
        }
    }

    fn bytes(&self, n: u64) {
        self.with(|bar| {
            bar.inc(n);
            // What is known of sizes before may be too little.
            if bar.length().is_some_and(|length| length < bar.position()) {
                bar.set_length(bar.position());
            }
        });
    }

    fn object(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.with(|bar| bar.set_message(format!("{done}/{}", self.wanted.load(Ordering::Relaxed))));
    }

    fn note(&self, text: &str) {
        if self.quiet {
            return;
        }
        match self.bar.lock().ok().and_then(|bar| bar.clone()) {
            Some(bar) => bar.suspend(|| show::note(text)),
            None => show::note(text),
        }
    }

    fn end(&self) {
        if let Ok(mut held) = self.bar.lock()
            && let Some(bar) = held.take()
        {
            bar.finish_and_clear();
        }
    }
}
