//! `tidegate image`: a container image as an OCI layout, made without a daemon: a control plane, or a bundle that serves itself.

use super::Context;
use super::bundle::{self, MakeArgs};
use crate::pack::image::{self, Made, Wanted};
use crate::pack::layout::Layer;
use crate::pack::opened::Opened;
use crate::{exit, show, surroundings};
use anyhow::{Context as _, Result};
use clap::Args;
use std::path::PathBuf;

/// Which image.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// Model whose version the image serves, as for `bundle`; without one, and without --bundle, it is a control plane
    #[arg(value_name = "MODEL[@VERSION|:ALIAS]", conflicts_with = "bundle")]
    model: Option<String>,
    /// Bundle that the image serves
    #[arg(long, value_name = "FILE|DIR")]
    bundle: Option<PathBuf>,
    /// Folder that is written: an OCI image layout
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// OCI image layout to stack on, in place of the libraries of this system
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Program; this one when not given
    #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
    program: Option<PathBuf>,
    /// ONNX Runtime; with a model, the one of this workspace when not given
    #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
    library: Option<PathBuf>,
    /// Name of the image in the layout
    #[arg(long, value_name = "NAME", default_value = "latest")]
    tag: String,
    /// Leave layers as they are, for digests that no other version of a packer changes
    #[arg(long)]
    plain: bool,
}

/// Carries it out.
pub fn image(context: &Context, args: &ImageArgs) -> Result<u8> {
    let folder = tempfile::tempdir().context("make a folder for a bundle")?;
    let bundle = match (&args.bundle, &args.model) {
        (Some(path), _) => Some(Opened::open(path, None)?),
        (None, Some(model)) => {
            let output = folder.path().join("bundle.tar");
            let make = MakeArgs { model: model.clone(), output, program: args.program.clone(), library: args.library.clone() };
            Some(bundle::written(context, &make)?.opened)
        }
        (None, None) => None,
    };
    let program = match &args.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().context("find this program, which goes into the image")?,
    };
    let wanted = Wanted {
        bundle: bundle.as_ref(),
        program,
        library: args.library.clone(),
        base: args.base.clone(),
        tag: args.tag.clone(),
        packed: !args.plain,
        time_s: surroundings::source_date_epoch()?,
    };
    let made = image::write(&wanted, &args.output)?;
    told(context, args, &made)?;
    Ok(exit::OK)
}

fn told(context: &Context, args: &ImageArgs, made: &Made) -> Result<()> {
    let platform = format!("{}/{}", made.platform.os, made.platform.architecture);
    if context.json {
        let layer = |(what, layer): &(&str, Layer)| serde_json::json!({ "what": what, "digest": layer.descriptor.digest, "bytes": layer.descriptor.size, "unpacked_bytes": layer.unpacked });
        let layers: Vec<_> = made.layers.iter().map(layer).collect();
        return show::json(&serde_json::json!({
            "layout": args.output, "tag": args.tag, "digest": made.digest, "platform": platform, "base_layers": made.base_layers, "layers": layers
        }));
    }
    let rows = made.layers.iter().map(|(what, layer)| {
        let digest = layer.descriptor.digest.chars().take("sha256:".len() + 12).collect();
        vec![(*what).to_owned(), layer.descriptor.size.to_string(), layer.unpacked.to_string(), digest]
    });
    show::line(&show::table(&["Layer", "Bytes", "Unpacked", "Digest"], rows.collect()))?;
    if made.base_layers > 0 {
        show::line(&format!("on {} layers of {}", made.base_layers, args.base.as_deref().unwrap_or(&args.output).display()))?;
    }
    show::line(&format!("{}:{} for {platform}: {}", args.output.display(), args.tag, made.digest))
}
