//! Names of Kubernetes Services in values of environments and arguments: `ranker`, `ranker.shop`, `ranker.shop.svc.cluster.local`.

/// A Service, by which pods are reached under a name.
pub(super) struct Service {
    pub name: String,
    pub namespace: String,
    /// Labels of the pods behind it.
    pub selector: Vec<(String, String)>,
}

/// The Service that a text names, as seen from a namespace; the first one.
pub(super) fn named<'s>(text: &str, from: &str, services: &'s [Service]) -> Vec<&'s Service> {
    hosts(text).into_iter().filter_map(|host| services.iter().find(|service| is_named(host, from, service))).collect()
}

fn is_named(host: &str, from: &str, service: &Service) -> bool {
    let mut parts = host.split('.');
    if parts.next() != Some(service.name.as_str()) {
        return false;
    }
    match (parts.next(), parts.next()) {
        (None, _) => service.namespace == from,
        // Where a manifest names no namespace, whoever applies it does.
        (Some(namespace), None | Some("svc")) => service.namespace.is_empty() || service.namespace == namespace,
        _ => false,
    }
}

/// Words of a text that stand where hosts do: all of it, behind `://` or `@`, before a port, or with a dot in them.
fn hosts(text: &str) -> Vec<&str> {
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
        if !host.is_empty()
            && (word.len() == text.trim().len() || before.ends_with("://") || before.ends_with('@') || port || host.contains('.'))
        {
            found.push(host);
        }
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_stand_where_hosts_do() {
        assert_eq!(hosts("ranker"), ["ranker"]);
        assert_eq!(hosts("http://ranker/v2"), ["ranker"]);
        assert_eq!(hosts("--upstream=ranker:8080,features:9"), ["ranker", "features"]);
        assert_eq!(hosts("postgres://u:p@db.shop.svc.cluster.local:5432/x"), ["u", "db.shop.svc.cluster.local"]);
        assert_eq!(hosts("the ranker is slow"), Vec::<&str>::new());
        assert_eq!(hosts("é://ranker"), ["ranker"]);
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
            ("db.anything", "", "", true),
        ] {
            assert_eq!(named(host, from, &service(namespace)).len(), usize::from(is), "{host} from {from}");
        }
    }
}
