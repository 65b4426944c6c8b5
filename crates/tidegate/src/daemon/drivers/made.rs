//! Drivers made from their configuration. No secret is read here: a token is read when it is used.

use super::named_secret;
use std::path::Path;
use std::sync::Arc;
use tidegate_adapters::curl::CurlTrusting;
use tidegate_adapters::gateway_api::Routed;
use tidegate_adapters::gitops::Committed;
use tidegate_adapters::kserve::Served;
use tidegate_adapters::kubernetes::Cluster;
use tidegate_adapters::traffic::Traffic;
use tidegate_wire::config::{ApiServer, Driver, GitOps};

/// Address of the API server in any cluster.
const OWN_CLUSTER: &str = "https://kubernetes.default.svc";
/// What a pod is given to speak to it.
const OWN_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const OWN_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// The driver of a service; `work` is a folder for what it derives.
pub fn traffic((workspace, service): (&str, &str), driver: &Driver, root: &Path, work: &Path) -> Arc<dyn Traffic> {
    match driver {
        Driver::GatewayApi(to) => Arc::new(Routed { cluster: cluster(&to.server, root), to: (**to).clone() }),
        Driver::KServe(to) => Arc::new(Served { cluster: cluster(&to.server, root), to: (**to).clone() }),
        Driver::GitOps(to) => {
            let variable = to.token.clone();
            let repository = repository(&to.repository, root);
            Arc::new(Committed {
                workspace: workspace.to_owned(),
                clone: work.join(format!("{service}.git")),
                applier: to
                    .argo_cd
                    .as_ref()
                    .map(|argo| &argo.server)
                    .or(to.flux.as_ref().map(|flux| &flux.server))
                    .map(|of| cluster(of, root)),
                to: GitOps { repository, ..(**to).clone() },
                token: Box::new(move || named_secret(variable.as_ref())),
            })
        }
    }
}

/// A path is taken from the workspace's folder; an address, as `https://..` or `host:path`, as it is.
fn repository(text: &str, root: &Path) -> String {
    let address = text.contains("://") || text.split_once(':').is_some_and(|(host, _)| !host.contains('/'));
    if address { text.to_owned() } else { root.join(text).display().to_string() }
}

fn cluster(server: &ApiServer, root: &Path) -> Cluster {
    let own = server.url.is_none();
    let ca = match &server.ca {
        Some(path) => Some(root.join(path).display().to_string()),
        None => own.then(|| OWN_CA.to_owned()),
    };
    let variable = server.token.clone();
    Cluster {
        http: Box::new(CurlTrusting { ca }),
        server: server.url.clone().unwrap_or_else(|| OWN_CLUSTER.to_owned()),
        token: Box::new(move || if own { own_token().map(Some) } else { named_secret(variable.as_ref()) }),
    }
}

/// A pod's token is replaced while it runs.
fn own_token() -> Result<String, String> {
    let read = std::fs::read_to_string(OWN_TOKEN).map(|token| token.trim().to_owned());
    read.map_err(|e| format!("read {OWN_TOKEN}: {e}: outside a cluster name the `server` of the driver, and its `token`"))
}
