//! The command line: what can be said, and who answers it. One file a command; each prints for people, or JSON.

mod ab;
mod audit;
mod bounds;
mod breaker;
mod bundle;
mod change;
mod check;
mod config;
#[cfg(feature = "data")]
mod drift;
mod duty;
mod dvc;
mod events;
mod exp;
#[cfg(feature = "data")]
mod features;
mod federate;
mod freeze;
mod gate;
mod gateway;
mod gating;
mod image;
mod init;
mod journal;
mod judge;
mod may;
mod model;
mod notify;
mod people;
mod profile;
mod quantise;
mod recorder;
mod release;
mod report;
mod reproduce;
mod retrain;
mod risk;
mod run;
mod sim;
mod status;
mod tests;
mod token;
mod train;
mod train_order;
mod up;

#[cfg(feature = "data")]
pub use drift::word as drift_word;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// The release control plane for machine-learning systems.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// Directory of the workspace.
    #[arg(short = 'C', long = "dir", global = true, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Takes the workspace round the whole loop and stays up with gateway and console
    Up(up::UpArgs),
    /// Runs the pipeline; does nothing where nothing changed
    #[command(visible_alias = "repro")]
    Run(run::RunArgs),
    /// Lists, compares, applies and removes experiments
    #[command(subcommand, visible_alias = "experiments")]
    Exp(exp::ExpCommand),
    /// Runs a recorded run again, in its recorded code, environment and data, and names any byte that differs
    Reproduce(reproduce::ReproduceArgs),
    /// Checks datasets against their contracts
    Check(check::CheckArgs),
    /// Holds a table against a reference: which columns drifted, by the tests that Evidently chooses
    #[cfg(feature = "data")]
    Drift(drift::DriftArgs),
    /// Proposes a contract from data, every rule marked as inferred
    Profile(profile::ProfileArgs),
    /// Evaluates the gates of the newest run's model, releasing nothing
    Gate(gate::GateArgs),
    /// Writes a tidegate.yaml for an existing repository
    Init(init::InitArgs),
    /// Explains, checks or describes tidegate.yaml
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Lists and shows model versions
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Takes a version elsewhere as one file, with all that serves it; verifies and serves such a file
    Bundle(bundle::BundleArgs),
    /// Writes a container image as files, without a daemon
    Image(image::ImageArgs),
    /// Starts, watches and steers releases
    #[command(subcommand)]
    Release(release::ReleaseCommand),
    /// Judges counts or series of two arms; holds our verdict beside those of other tools
    #[command(subcommand)]
    Judge(judge::JudgeCommand),
    /// Shows which services are frozen, and when which will be
    Freeze(freeze::FreezeArgs),
    /// Shows circuit breakers; trips and closes them by hand
    #[command(subcommand)]
    Breaker(breaker::BreakerCommand),
    /// Shows trains; releases several services in order, and takes them back in reverse
    #[command(subcommand)]
    Train(train::TrainCommand),
    /// Compares versions on clients drawn by lot: starts, shows and ends such tests, and releases what was better
    #[command(subcommand)]
    Ab(ab::AbCommand),
    /// Shows who is on duty and who was called; answers for a decision against the judge
    #[command(subcommand)]
    Duty(duty::DutyCommand),
    /// Shows the two paths of a service's releases side by side; opts out of the one on trial
    #[command(subcommand)]
    Gating(gating::GatingCommand),
    /// Shows who is told what happens, and whether they were; tells one a test
    #[command(subcommand)]
    Notify(notify::NotifyCommand),
    /// Learns from a repository's history which changes hurt; says how likely a change is to
    #[command(subcommand)]
    Risk(risk::RiskCommand),
    /// Shows what other tools told of changes, and how delivery goes; takes such messages in from files
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Shows features of entities, now and as they were; makes training sets of them
    #[cfg(feature = "data")]
    #[command(subcommand)]
    Features(features::FeaturesCommand),
    /// Lets approvals and freezes of a service not count for a while, in an emergency; answers for it afterwards
    BreakGlass(people::BreakGlassArgs),
    /// Shows trainings that start by themselves; starts, approves, rejects and cancels them
    #[command(subcommand)]
    Retrain(retrain::RetrainCommand),
    /// Writes one report of the work tree against its base; posts it as a comment
    Report(report::ReportArgs),
    /// Takes in results of tests, and finds the flaky ones
    #[command(subcommand)]
    Tests(tests::TestsCommand),
    /// Shows where the loop and its services stand; in a DVC repository, what changed in data and pipeline
    Status(dvc::status::StatusArgs),
    #[command(flatten)]
    Dvc(dvc::DvcCommand),
    /// Verifies, proves, shows and exports the journal; recomputes verdicts
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Shows the newest records of the journal
    Journal(journal::JournalArgs),
    /// Runs a gateway that follows a control plane elsewhere; lists those that do
    #[command(subcommand)]
    Gateway(gateway::GatewayCommand),
    /// Makes, lists and ends credentials for the API
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Replays one seed of the simulated world and prints its story
    Sim(sim::SimArgs),
}

/// Where a command works and how it prints.
#[derive(Clone, Debug)]
pub struct Context {
    /// Directory of the workspace.
    pub dir: PathBuf,
    /// JSON instead of text.
    pub json: bool,
}

/// Carries out the command line; the answer is the exit code.
///
/// # Errors
/// With a message that says what to do; `exit::code_of` tells its code.
pub fn dispatch(cli: Cli) -> anyhow::Result<u8> {
    let context = Context { dir: cli.dir, json: cli.json };
    match cli.command {
        Command::Up(args) => up::up(&context, &args),
        Command::Run(args) => run::run(&context, &args),
        Command::Reproduce(args) => reproduce::reproduce(&context, &args),
        Command::Exp(command) => exp::exp(&context, &command),
        Command::Check(args) => check::check(&context, &args),
        #[cfg(feature = "data")]
        Command::Drift(args) => drift::drift(&context, &args),
        Command::Profile(args) => profile::profile(&context, &args),
        Command::Gate(args) => gate::gate(&context, &args),
        Command::Init(args) => init::init(&context, &args),
        Command::Config(command) => config::config(&context, &command),
        Command::Model(command) => model::model(&context, &command),
        Command::Bundle(args) => bundle::bundle(&context, &args),
        Command::Image(args) => image::image(&context, &args),
        Command::Release(command) => release::release(&context, &command),
        Command::Judge(command) => judge::judge(&context, &command),
        Command::Freeze(args) => freeze::freeze(&context, &args),
        Command::Breaker(command) => breaker::breaker(&context, &command),
        Command::Train(command) => train::train(&context, &command),
        Command::Ab(command) => ab::ab(&context, &command),
        Command::Duty(command) => duty::duty(&context, &command),
        Command::Gating(command) => gating::gating(&context, &command),
        Command::Notify(command) => notify::notify(&context, &command),
        Command::Risk(command) => risk::risk(&context, &command),
        Command::Events(command) => events::events(&context, &command),
        #[cfg(feature = "data")]
        Command::Features(command) => features::features(&context, &command),
        Command::BreakGlass(args) => people::break_glass(&context, &args),
        Command::Retrain(command) => retrain::retrain(&context, &command),
        Command::Report(args) => report::report(&context, &args),
        Command::Tests(command) => tests::tests(&context, &command),
        Command::Status(args) => status::status(&context, &args),
        Command::Dvc(command) => dvc::dvc(&context, &command),
        Command::Audit(command) => audit::audit(&context, &command),
        Command::Journal(args) => journal::journal(&context, &args),
        Command::Gateway(command) => gateway::gateway(&context, &command),
        Command::Token(command) => token::token(&context, &command),
        Command::Sim(args) => sim::sim(&context, &args),
    }
}
