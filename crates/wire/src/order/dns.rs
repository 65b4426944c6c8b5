//! Names of Kubernetes Services in values of environments and arguments: `ranker`, `ranker.shop`, `ranker.shop.svc.cluster.local`.
//!
//! A word with a dot is not yet a name: `1.2`, `model.onnx` and `org.example.Main` have some. It is one where an address stands (behind
//! `://` or `@`, before a port, in a variable that is called after addresses), in its long form with `.svc`, or where the whole value
//! is `SERVICE.NAMESPACE` of a Service whose manifest says that namespace.

/// A Service, by which pods are reached under a name.
pub(super) struct Service {
    pub name: String,
    pub namespace: String,
    /// Labels of the pods behind it.
    pub selector: Vec<(String, String)>,
}

/// Last words of names of variables that hold addresses.
const ADDRESSES: &[&str] = &["host", "hostname", "addr", "address", "url", "uri", "dsn", "endpoint", "server", "upstream", "broker"];

/// Whether a variable holds addresses by its name: `RANKER_HOST`, `upstreams`.
pub(super) fn holds_addresses(variable: &str) -> bool {
    let last = variable.rsplit(['_', '-', '.']).next().unwrap_or_default().to_ascii_lowercase();
    ADDRESSES.iter().any(|word| last == *word || last.strip_suffix("es") == Some(word) || last.strip_suffix('s') == Some(word))
}

/// How a word stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// Where addresses stand.
    Address,
    /// Alone.
    Alone,
    /// Among others.
    Among,
}

/// The Services that a text names, as seen from a namespace; of each word the first one.
pub(super) fn named<'s>(text: &str, is_address: bool, from: &str, services: &'s [Service]) -> Vec<&'s Service> {
    let of = |(host, stands)| services.iter().find(|service| is_named(host, stands, from, service));
    hosts(text, is_address).into_iter().filter_map(of).collect()
}

fn is_named(host: &str, stands: Stands, from: &str, service: &Service) -> bool {
    let mut parts = host.split('.');
    if parts.next() != Some(service.name.as_str()) {
        return false;
    }
    // Where a manifest names no namespace, whoever applies it does.
    let fits = |namespace: &str| service.namespace.is_empty() || service.namespace == namespace;
    match (parts.next(), parts.next()) {
        (None, _) => stands != Stands::Among && service.namespace == from,
        (Some(namespace), None) => match stands {
            Stands::Address => fits(namespace),
            Stands::Alone => service.namespace == namespace,
            Stands::Among => false,
        },
        (Some(namespace), Some("svc")) => fits(namespace),
        _ => false,
    }
}

/// Words of a text, and how each stands.
fn hosts(text: &str, is_address: bool) -> Vec<(&str, Stands)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let mut found = vec![];
    let mut rest = text;
    let mut before = "";
    while let Some(start) = rest.find(is_part) {
        let (_, word_on) = rest.split_at(start);
        before = text.get(..text.len() - word_on.len()).unwrap_or(before);
        let (word, after) = word_on.split_at(word_on.find(|c| !is_part(c)).unwrap_or(word_on.len()));
        let port = after.strip_prefix(':').is_some_and(|port| port.starts_with(|c: char| c.is_ascii_digit()));
        let host = word.trim_matches('.');
        let stands = match () {
            () if is_address || before.ends_with("://") || before.ends_with('@') || port => Stands::Address,
            () if word.len() == text.trim().len() => Stands::Alone,
            () => Stands::Among,
        };
        if !host.is_empty() {
            found.push((host, stands));
        }
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_where_addresses_do_alone_or_among_others() {
        let address = |text| hosts(text, false).into_iter().filter(|(_, s)| *s == Stands::Address).map(|(h, _)| h).collect::<Vec<_>>();
        assert_eq!(hosts("ranker", false), [("ranker", Stands::Alone)]);
        assert_eq!(hosts("ranker", true), [("ranker", Stands::Address)]);
        assert_eq!(address("http://ranker/v2"), ["ranker"]);
        assert_eq!(address("--upstream=ranker:8080,features:9"), ["ranker", "features"]);
        assert_eq!(address("postgres://u:p@db.shop.svc.cluster.local:5432/x"), ["u", "db.shop.svc.cluster.local"]);
        assert!(hosts("the ranker is slow", false).iter().all(|(_, stands)| *stands == Stands::Among));
        assert_eq!(address("é://ranker"), ["ranker"]);
        for (variable, holds) in [
            ("RANKER_HOST", true),
            ("kafka.brokers", true),
            ("ADDRESSES", true),
            ("DATABASE_URL", true),
            ("HOSTILE", false),
            ("MODEL", false),
        ] {
            assert_eq!(holds_addresses(variable), holds, "{variable}");
        }
    }

    #[test]
    fn a_name_is_that_of_its_namespace() {
        let service = |namespace: &str| [Service { name: "db".to_owned(), namespace: namespace.to_owned(), selector: vec![] }];
        for (host, from, namespace, is) in [
            ("db", "shop", "shop", true),
            ("db", "shop", "other", false),
            ("db.other", "shop", "other", true),
            ("db.other.svc", "shop", "other", true),
            ("db.other.svc.cluster.local", "shop", "other", true),
            ("db.example.org", "shop", "example", false),
            ("dbs", "shop", "shop", false),
            ("http://db.anything", "", "", true),
            ("db.anything.svc", "", "", true),
        ] {
            assert_eq!(named(host, false, from, &service(namespace)).len(), usize::from(is), "{host} from {from}");
        }
    }

    #[test]
    fn a_word_with_a_dot_is_not_yet_a_name() {
        let of = |name: &str| [Service { name: name.to_owned(), namespace: String::new(), selector: vec![] }];
        for (text, name) in [
            ("model.onnx", "model"),
            ("/models/model.onnx", "model"),
            ("--model=model.onnx", "model"),
            ("com.example.Main", "com"),
            ("ranker.yaml and others", "ranker"),
        ] {
            assert!(named(text, false, "", &of(name)).is_empty(), "{text}");
        }
        assert_eq!(named("model.shop", true, "", &of("model")).len(), 1, "its variable says that it is an address");
        assert_eq!(named("--peers a,model.shop.svc", false, "", &of("model")).len(), 1, "its long form");
    }
}
