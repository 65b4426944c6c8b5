//! One stage, from the question whether it must run to its recorded outputs.

use crate::cache::Cache;
use crate::dvclock::DvcLocks;
use crate::env::Env;
use crate::error::{PathIo, StageError};
use crate::guard::Guard;
use crate::legacy;
use crate::observe::Event;
use crate::process::{Ended, run_command};
use crate::restore::restore;
use crate::runcache;
use crate::tree::{Content, Eyes};
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use tidegate_core::id::At;
use tidegate_core::pipeline::{Change, Identity, Observed, Reason, Recorded, StageSpec, reasons};
use tidegate_core::run::{FileFact, RestoredFrom, SkippedWhy};
use tidegate_wire::dvc::{parse_params, parse_params_as_written, select};

/// What a stage's work needs.
pub(crate) struct Job<'a> {
    pub(crate) spec: &'a StageSpec,
    pub(crate) recorded: Option<Recorded>,
    pub(crate) eyes: Eyes<'a>,
    pub(crate) cache: &'a Cache,
    pub(crate) env: Option<&'a Env>,
    pub(crate) guard: &'a Guard,
    pub(crate) cancel: &'a AtomicBool,
    pub(crate) force: bool,
    pub(crate) choices: Choices,
    pub(crate) locks: &'a DvcLocks,
    pub(crate) tell: &'a (dyn Fn(Event) + Sync),
}

/// How a stage may be brought up to date.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Choices {
    /// Do not look for earlier runs with the same inputs.
    pub(crate) no_run_cache: bool,
    /// A file that is missing but recorded counts as unchanged.
    pub(crate) allow_missing: bool,
}

/// How the work ended.
pub(crate) enum How {
    Skipped(SkippedWhy),
    Restored(RestoredFrom),
    Ran { duration_ms: u64 },
}

/// What the work found and did.
pub(crate) struct Done {
    pub(crate) how: How,
    pub(crate) reasons: Vec<Reason>,
    /// For the lock file; none when it need not change.
    pub(crate) recorded: Option<Recorded>,
    pub(crate) deps: IndexMap<String, FileFact>,
    pub(crate) outs: IndexMap<String, FileFact>,
}

/// What is there, by path as written in the stage.
pub(crate) struct Seen {
    pub(crate) deps: IndexMap<String, Option<Content>>,
    pub(crate) params: IndexMap<String, IndexMap<String, Option<Value>>>,
    pub(crate) outs: IndexMap<String, Option<Content>>,
    /// Paths that were looked at as DVC 2 does, and found unchanged.
    pub(crate) legacy: BTreeSet<String>,
}

impl Seen {
    pub(crate) fn observed(&self) -> Observed {
        let identities = |map: &IndexMap<String, Option<Content>>| -> IndexMap<String, Option<Identity>> {
            map.iter().map(|(path, content)| (path.clone(), content.as_ref().map(|c| c.identity.clone()))).collect()
        };
        let (deps, outs) = (identities(&self.deps), identities(&self.outs));
        Observed { deps, params: self.params.clone(), outs, legacy: self.legacy.clone() }
    }
}

/// Looks at all that the stage reads and writes.
pub(crate) fn look(spec: &StageSpec, recorded: Option<&Recorded>, eyes: &Eyes<'_>) -> Result<Seen, StageError> {
    let io = |error: PathIo| StageError::from_io(&spec.name, error);
    let mut seen = Seen { deps: IndexMap::new(), params: IndexMap::new(), outs: IndexMap::new(), legacy: BTreeSet::new() };
    let nothing = Recorded::default();
    let recorded = recorded.unwrap_or(&nothing);
    let mut see = |path: &String, then: &IndexMap<String, Identity>| -> Result<Option<Content>, StageError> {
        let relative = spec.from_workspace(path);
        let mut content = eyes.look(&relative).map_err(io)?;
        if let (Some(content), Some(then), true) = (&mut content, then.get(path), recorded.legacy.contains(path))
            && legacy::md5_of_content(eyes, &relative, content).map_err(io)? == then.md5
        {
            content.identity = then.clone();
            seen.legacy.insert(path.clone());
        }
        Ok(content)
    };
    // What a `.dvc` file was imported from is not looked at: bringing it up to date is a command of its own.
    for path in spec.deps.iter().filter(|_| !spec.is_data()) {
        seen.deps.insert(path.clone(), see(path, &recorded.deps)?);
    }
    for out in &spec.outs {
        seen.outs.insert(out.path.clone(), see(&out.path, &recorded.outs)?);
    }
    for (file, keys) in &spec.params {
        let path = eyes.root.join(spec.from_workspace(file));
        let values = match std::fs::read_to_string(&path) {
            Ok(text) => parse_params_as_written(file, &text).map_err(|source| StageError::Params { stage: spec.name.clone(), source })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Value::Null,
            Err(error) => return Err(io(PathIo::at("read", &path)(error))),
        };
        seen.params.insert(file.clone(), select(&values, keys));
    }
    Ok(seen)
}

/// Brings a stage up to date.
pub(crate) fn work(job: &Job<'_>) -> Result<Done, StageError> {
    let spec = job.spec;
    let io = |error: PathIo| StageError::from_io(&spec.name, error);
    let seen = look(spec, job.recorded.as_ref(), &job.eyes)?;
    let mut reasons = reasons(spec, job.recorded.as_ref(), &seen.observed(), job.force);
    if job.choices.allow_missing {
        reasons.retain(|reason| !is_missing(reason) || job.recorded.is_none());
    }
    if spec.is_data() || spec.frozen {
        return verify(job, seen, reasons);
    }
    if reasons.is_empty() {
        keep_in_cache(job, &seen).map_err(io)?;
        return Ok(done(job, &seen, How::Skipped(SkippedWhy::Unchanged), reasons, None));
    }
    let _entered = enter(job)?;
    let inputs = inputs(spec, &seen)?;
    if !job.force {
        let restored = restore(job, &seen, job.recorded.as_ref(), &reasons, &inputs);
        if let Some((recorded, from)) = restored.map_err(io)? {
            (job.tell)(Event::StageRestored { stage: spec.name.clone(), from, reasons: reasons.clone() });
            let seen = Seen { outs: look(spec, Some(&recorded), &job.eyes)?.outs, ..seen };
            return Ok(done(job, &seen, How::Restored(from), reasons, Some(recorded)));
        }
    }
    if job.cancel.load(Ordering::Relaxed) {
        return Err(StageError::Cancelled { stage: spec.name.clone() });
    }
    (job.tell)(Event::StageStarted { stage: spec.name.clone(), reasons: reasons.clone() });
    let began = (job.eyes.clock)();
    execute(job)?;
    let duration_ms = (job.eyes.clock)().since_ms(began);
    let outs = take_outputs(job)?;
    let identities = outs.iter().filter_map(|(path, c)| Some((path.clone(), c.as_ref()?.identity.clone()))).collect();
    let recorded = Recorded { outs: identities, ..inputs };
    if runcache::keeps(spec) {
        runcache::save(job.cache, spec, &recorded).map_err(io)?;
    }
    let seen = Seen { outs, ..seen };
    Ok(done(job, &seen, How::Ran { duration_ms }, reasons, Some(recorded)))
}

fn is_missing(reason: &Reason) -> bool {
    matches!(reason, Reason::Dependency { change: Change::Removed, .. } | Reason::Output { change: Change::Removed, .. })
}

/// Tells DVC what the stage reads and writes, once no process of DVC is in the way.
fn enter<'a>(job: &Job<'a>) -> Result<crate::dvclock::Entry<'a>, StageError> {
    let spec = job.spec;
    let absolute = |path: &str| job.eyes.root.join(spec.from_workspace(path)).to_string_lossy().into_owned();
    let reads = spec.deps.iter().chain(spec.params.keys()).map(|p| absolute(p)).collect();
    let writes = spec.outs.iter().map(|o| absolute(&o.path)).collect();
    let mut tell = |holder| (job.tell)(Event::WaitingForLock { holder });
    let entered = job.locks.enter(reads, writes, job.cancel, &mut tell);
    let entered = entered.map_err(|e| StageError::from_io(&spec.name, e))?;
    entered.ok_or_else(|| StageError::Cancelled { stage: spec.name.clone() })
}

/// What runs nothing, a `.dvc` file or a frozen stage: its outputs are put back where they are missing, and recorded as they
/// are where they changed.
fn verify(job: &Job<'_>, seen: Seen, reasons: Vec<Reason>) -> Result<Done, StageError> {
    let spec = job.spec;
    let io = |error: PathIo| StageError::from_io(&spec.name, error);
    let why = if spec.frozen { SkippedWhy::Frozen } else { SkippedWhy::Unchanged };
    if reasons.is_empty() {
        keep_in_cache(job, &seen).map_err(io)?;
        return Ok(done(job, &seen, How::Skipped(why), reasons, None));
    }
    let _entered = enter(job)?;
    if let Some(recorded) = job.recorded.as_ref().filter(|r| !r.outs.is_empty())
        && restore_missing(job, &seen, recorded).map_err(io)?
        && reasons.iter().all(is_missing)
    {
        let from = RestoredFrom::Lock;
        (job.tell)(Event::StageRestored { stage: spec.name.clone(), from, reasons: reasons.clone() });
        let seen = Seen { outs: look(spec, Some(recorded), &job.eyes)?.outs, ..seen };
        return Ok(done(job, &seen, How::Restored(from), reasons, None));
    }
    for out in &spec.outs {
        let path = spec.from_workspace(&out.path);
        if !job.eyes.root.join(&path).exists() {
            return Err(StageError::MissingData { stage: spec.name.clone(), path });
        }
    }
    // A source elsewhere says what an import is: another content here is the user's to sort out.
    if spec.is_data() && !spec.deps.is_empty() {
        return Ok(done(job, &seen, How::Skipped(SkippedWhy::Frozen), reasons, None));
    }
    (job.tell)(Event::StageStarted { stage: spec.name.clone(), reasons: reasons.clone() });
    let inputs = if spec.is_data() { Recorded::default() } else { inputs(spec, &seen)? };
    let outs = take_outputs(job)?;
    let identities = outs.iter().filter_map(|(path, c)| Some((path.clone(), c.as_ref()?.identity.clone()))).collect();
    let recorded = Recorded { outs: identities, ..inputs };
    Ok(done(job, &Seen { outs, ..seen }, How::Ran { duration_ms: 0 }, reasons, Some(recorded)))
}

/// Puts back what is missing. False when the cache does not have it.
fn restore_missing(job: &Job<'_>, seen: &Seen, recorded: &Recorded) -> Result<bool, PathIo> {
    for out in &job.spec.outs {
        let is_there = seen.outs.get(&out.path).is_some_and(Option::is_some);
        let Some(identity) = recorded.outs.get(&out.path).filter(|_| !is_there) else { continue };
        let legacy = recorded.legacy.contains(&out.path);
        if legacy || !out.cache || !job.cache.put(&job.eyes, &job.spec.from_workspace(&out.path), identity)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn done(job: &Job<'_>, seen: &Seen, how: How, reasons: Vec<Reason>, recorded: Option<Recorded>) -> Done {
    let facts = |map: &IndexMap<String, Option<Content>>| {
        map.iter().filter_map(|(path, c)| Some((job.spec.from_workspace(path), c.as_ref()?.fact()))).collect()
    };
    let (mut deps, mut outs): (IndexMap<_, _>, IndexMap<_, _>) = (facts(&seen.deps), facts(&seen.outs));
    if job.spec.is_data() {
        // Nothing made it here: it is what all else is made from.
        deps.append(&mut outs);
    }
    Done { how, reasons, recorded, deps, outs }
}

/// What the stage reads, all of it there; outputs not yet known.
fn inputs(spec: &StageSpec, seen: &Seen) -> Result<Recorded, StageError> {
    let mut deps = IndexMap::new();
    for (path, content) in &seen.deps {
        let missing = || StageError::MissingDependency { stage: spec.name.clone(), path: spec.from_workspace(path) };
        deps.insert(path.clone(), content.as_ref().ok_or_else(missing)?.identity.clone());
    }
    let mut params = IndexMap::new();
    for (file, values) in &seen.params {
        let mut known = IndexMap::new();
        for (key, value) in values {
            let missing = || StageError::MissingParameter { stage: spec.name.clone(), file: file.clone(), key: key.clone() };
            known.insert(key.clone(), value.clone().ok_or_else(missing)?);
        }
        params.insert(file.clone(), known);
    }
    let legacy = seen.legacy.iter().filter(|path| spec.deps.contains(path)).cloned().collect();
    Ok(Recorded { cmd: spec.cmd.clone(), deps, params, outs: IndexMap::new(), legacy })
}

/// Makes sure that the cache has what the lock file says it has.
fn keep_in_cache(job: &Job<'_>, seen: &Seen) -> Result<(), PathIo> {
    for out in job.spec.outs.iter().filter(|o| o.cache) {
        if let Some(Some(content)) = seen.outs.get(&out.path)
            && !seen.legacy.contains(&out.path)
            && !job.cache.has_content(content)
        {
            job.cache.take_single(&job.eyes.root.join(job.spec.from_workspace(&out.path)), content)?;
        }
    }
    Ok(())
}

fn execute(job: &Job<'_>) -> Result<(), StageError> {
    let spec = job.spec;
    let io = |error: PathIo| StageError::from_io(&spec.name, error);
    let directory = job.eyes.root.join(&spec.wdir);
    if !directory.is_dir() {
        return Err(StageError::NoDirectory { stage: spec.name.clone(), wdir: spec.wdir.clone() });
    }
    for out in spec.outs.iter().filter(|o| !o.persist) {
        let path = job.eyes.root.join(spec.from_workspace(&out.path));
        crate::atomic::remove(&path).map_err(PathIo::at("remove the old", &path)).map_err(io)?;
    }
    let environment = environment(job);
    for line in spec.cmd.iter().flat_map(|cmd| cmd.lines()) {
        (job.tell)(Event::StageCommand { stage: spec.name.clone(), command: line.to_owned() });
        let mut hear = |stream, line| (job.tell)(Event::StageLine { stage: spec.name.clone(), stream, line });
        let run = run_command(line, &directory, &environment, job.guard, job.cancel, &mut hear);
        let (ended, tail) = run.map_err(PathIo::at("run a shell in", &directory)).map_err(io)?;
        let (stage, command) = (spec.name.clone(), line.to_owned());
        match ended {
            Ended::Well => {}
            Ended::Code(code) => return Err(StageError::Exit { stage, command, code, tail }),
            Ended::Signal(signal) => return Err(StageError::Killed { stage, command, signal, tail }),
            Ended::Stopped => return Err(StageError::Cancelled { stage }),
        }
    }
    Ok(())
}

fn environment(job: &Job<'_>) -> Vec<(String, OsString)> {
    let mut variables = vec![
        ("DVC_STAGE".to_owned(), job.spec.name.clone().into()),
        ("DVC_ROOT".to_owned(), job.eyes.root.into()),
        // Python holds back what it writes to a pipe; lines should be seen when they are written.
        ("PYTHONUNBUFFERED".to_owned(), "1".into()),
    ];
    if let Some(env) = job.env {
        variables.extend(env.variables());
    }
    variables
}

/// Takes what the stage wrote into the cache. What the cache does not own is taken too where the run-cache needs it.
fn take_outputs(job: &Job<'_>) -> Result<IndexMap<String, Option<Content>>, StageError> {
    let spec = job.spec;
    let for_runs = runcache::keeps(spec);
    let mut outs = IndexMap::new();
    for out in &spec.outs {
        let relative = spec.from_workspace(&out.path);
        let found = if out.cache || for_runs { job.cache.take(&job.eyes, &relative) } else { job.eyes.look(&relative) };
        let content = found.map_err(|e| StageError::from_io(&spec.name, e))?;
        if content.is_none() {
            return Err(StageError::NoOutput { stage: spec.name.clone(), path: relative });
        }
        outs.insert(out.path.clone(), content);
    }
    Ok(outs)
}

/// The parameters that stages read, by file and key, as far as they can be read now.
pub(crate) fn all_params<'a>(stages: impl Iterator<Item = &'a StageSpec>, root: &std::path::Path) -> Value {
    let mut files = serde_json::Map::new();
    for stage in stages {
        for (file, keys) in &stage.params {
            let path = stage.from_workspace(file);
            let Ok(text) = std::fs::read_to_string(root.join(&path)) else { continue };
            let Ok(values) = parse_params(file, &text) else { continue };
            let entry = files.entry(path).or_insert_with(|| Value::Object(serde_json::Map::new()));
            if let Some(map) = entry.as_object_mut() {
                map.extend(select(&values, keys).into_iter().filter_map(|(k, v)| Some((k, v?))));
            }
        }
    }
    Value::Object(files)
}

/// When a stage was taken up and when it ended.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) started: At,
    pub(crate) ended: At,
}
