//! How far a transfer is, for whoever watches.

/// Hears how far long work is; from several threads.
pub trait Progress: Sync {
    /// Work begins: what is done, how many objects, how many bytes as far as is known.
    fn begin(&self, what: &str, objects: u64, bytes: u64);
    /// Bytes went through.
    fn bytes(&self, n: u64);
    /// An object is done.
    fn object(&self);
    /// Something worth a line.
    fn note(&self, text: &str);
    /// The work that began is over.
    fn end(&self);
}

/// Nobody watches.
#[derive(Clone, Copy, Debug)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _: &str, _: u64, _: u64) {}
    fn bytes(&self, _: u64) {}
    fn object(&self) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
}
