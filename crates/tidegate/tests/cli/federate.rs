//! Three repositories train one model over real HTTP between real processes; everything that a site sends is recorded and looked
//! through. And what is refused.

use crate::risk::{git, history};
use crate::tls_front::Front;
use crate::world::{Started, World, free_port, in_order, wait_for};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

const SITES: [&str; 3] = ["ads", "pay", "web"];
const COMMITS: u64 = 700;

/// Three repositories, each with names of its own for paths and people.
fn world() -> World {
    let world = World::new();
    for (at, site) in SITES.into_iter().enumerate() {
        let root = world.path(site);
        std::fs::create_dir(&root).unwrap();
        git(&root, &["init", "-q", "-b", "main"], "");
        let text = history(0x9e37_79b9_7f4a_7c15 + at as u64 * 7_919, COMMITS);
        let text = text.replace("Author ", &format!("Ottokar of {site} ")).replace("<author", &format!("<ottokar-{site}"));
        git(&root, &["fast-import", "--quiet"], &text.replace("inline src/", &format!("inline {site}-vault/")));
        git(&root, &["reset", "--hard", "-q"], "");
    }
    world
}

/// Passes bytes on, and keeps those that go to the coordinator and those that come back.
struct Recorder {
    port: u16,
    sent: Arc<Mutex<Vec<u8>>>,
    told: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    fn before(coordinator: u16) -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sent, told) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let recorder = Recorder { port, sent: sent.clone(), told: told.clone() };
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let Ok(near) = near else { return };
                let Ok(far) = TcpStream::connect(("127.0.0.1", coordinator)) else { continue };
                for (from, to, kept) in [(&near, &far, &sent), (&far, &near, &told)] {
                    let (mut from, mut to, kept) = (from.try_clone().unwrap(), to.try_clone().unwrap(), kept.clone());
                    std::thread::spawn(move || {
                        let mut bytes = vec![0; 65_536];
                        while let Ok(count @ 1..) = from.read(&mut bytes) {
                            kept.lock().unwrap().extend_from_slice(&bytes[..count]);
                            if to.write_all(&bytes[..count]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        recorder
    }

    /// The numbers of each answer to a round, in the order in which they were sent.
    fn answers(&self) -> Vec<Vec<u64>> {
        let sent = self.sent.lock().unwrap();
        let (mut rest, mut answers) = (&sent[..], Vec::new());
        while let Some(at) = find(rest, b"POST /federation/v1/rounds/") {
            rest = &rest[at..];
            let end = find(rest, b"\r\n\r\n").unwrap() + 4;
            let head = String::from_utf8_lossy(&rest[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().trim().parse::<usize>().unwrap();
            answers.push(rest[end..end + length].chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect());
            rest = &rest[end + length..];
        }
        answers
    }

    /// All but the model at the end, in which shares of rows can be what a share in some row is.
    fn training(&self) -> Vec<u8> {
        let told = self.told.lock().unwrap();
        let end = find(&told, b"{\"model\":{").unwrap();
        [&self.sent.lock().unwrap()[..], &told[..end]].concat()
    }

    fn all(&self) -> Vec<u8> {
        [&self.sent.lock().unwrap()[..], &self.told.lock().unwrap()[..]].concat()
    }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let first = word.first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| byte == first) {
        if text[from + at..].starts_with(word) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// The first of many words that stands in a text.
fn first_of<'a>(text: &[u8], words: &'a [Vec<u8>]) -> Option<&'a [u8]> {
    const HEAD: usize = 8;
    let mut by_head: HashMap<&[u8], Vec<&'a [u8]>> = HashMap::new();
    for word in words {
        match word.get(..HEAD) {
            Some(head) => by_head.entry(head).or_default().push(word),
            None if find(text, word).is_some() => return Some(word),
            None => {}
        }
    }
    let at = |at: usize, head: &[u8]| by_head.get(head)?.iter().find(|word| text[at..].starts_with(word)).copied();
    text.windows(HEAD).enumerate().find_map(|(place, head)| at(place, head))
}

fn lead(world: &World, port: u16, more: &[&str]) -> Started {
    let listen = format!("127.0.0.1:{port}");
    let args =
        ["--json", "risk", "federate", "lead", "--sites", "ads,pay,web", "--listen", &listen, "--tokens", "tokens", "--out", "joint.json"];
    let started = world.start(&[&args[..], more].concat());
    wait_for("the coordinator", || TcpStream::connect(("127.0.0.1", port)).ok());
    started
}

fn join(world: &World, site: &str, port: u16, more: &[&str]) -> Started {
    join_at(world, site, &format!("http://127.0.0.1:{port}"), more)
}

fn join_at(world: &World, site: &str, url: &str, more: &[&str]) -> Started {
    let token = format!("tokens/{site}.token");
    let args = ["--json", "risk", "federate", "join", url, "--site", site, "--token-file", &token, "--repo", site];
    world.start(&[&args[..], more].concat())
}

/// One training; what each site sent and was told, and what the coordinator said.
fn trained(world: &World, more: &[&str]) -> (Vec<Recorder>, Value) {
    let port = free_port();
    let leading = lead(world, port, &["--trees", "8"]);
    let recorders: Vec<Recorder> = SITES.iter().map(|_| Recorder::before(port)).collect();
    let joining: Vec<Started> = SITES.iter().zip(&recorders).map(|(site, recorder)| join(world, site, recorder.port, more)).collect();
    let joined: Vec<Value> = joining.into_iter().map(|started| started.ended().well().json()).collect();
    let led = leading.ended().well().json();
    let rows: u64 = joined.iter().map(|one| one["rows"].as_u64().unwrap()).sum();
    assert_eq!(led["rows"].as_u64(), Some(rows), "{led}");
    assert!(joined.iter().all(|one| one["roster"] == led["roster"] && one["rounds"] == led["rounds"]), "{joined:?} {led}");
    let sent: u64 = joined.iter().map(|one| one["sent_bytes"].as_u64().unwrap()).sum();
    assert_eq!(led["received_bytes"].as_u64(), Some(sent));
    (recorders, led)
}

/// What names a change of a repository: ids, people, paths, words.
fn names(world: &World, site: &str) -> Vec<Vec<u8>> {
    let log = Command::new("git").arg("-C").arg(world.path(site)).args(["log", "--format=%H%n%T%n%s", "--all"]).output().unwrap();
    let mut names: Vec<Vec<u8>> = Vec::new();
    for line in String::from_utf8(log.stdout).unwrap().lines() {
        names.push(line.as_bytes().to_vec());
        if line.len() == 40 && line.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            names.push((0..20).map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16).unwrap()).collect());
            names.push(line.as_bytes()[..12].to_vec());
        }
    }
    names.extend(
        [format!("Ottokar of {site}"), format!("ottokar-{site}"), format!("{site}-vault"), "module".to_owned()].map(String::into_bytes),
    );
    names.sort();
    names.dedup();
    names
}

/// Values of changes that no two places have by chance: those with many digits, as the numbers and as the text that they are.
fn values(world: &World, site: &str) -> Vec<Vec<u8>> {
    let scored = world.run(&["--json", "risk", "score", "main~60..main", "--repo", site]).well().json();
    let mut values = Vec::new();
    for change in scored["changes"].as_array().unwrap() {
        for one in change["contributions"].as_array().unwrap() {
            let value = one["value"].as_f64().unwrap();
            // What is a setting, too, as 0.2, proves nothing.
            if value.to_string().len() >= 8 {
                values.extend([value.to_le_bytes().to_vec(), value.to_be_bytes().to_vec(), value.to_string().into_bytes()]);
            }
        }
    }
    assert!(values.len() > 60, "{scored}");
    values
}

#[test]
fn three_repositories_train_one_model_and_nothing_of_a_change_leaves_them() {
    let world = world();
    let (first, led) = trained(&world, &[]);
    let auc = led["held_auc"]["estimate"].as_f64().unwrap();
    assert!(auc > 0.75, "{led}");
    for site in SITES {
        assert_eq!(world.read("joint.json"), world.read(&format!("{site}/.tidegate/risk/model.json")));
    }
    let sent = u64::try_from(first[0].answers().iter().map(Vec::len).sum::<usize>() * 8).unwrap();
    assert_eq!(sent * 3, led["received_bytes"].as_u64().unwrap());

    // In all that any site said or was told: no id, no name, no path, no word of a message, no value of a row.
    for site in SITES {
        let (names, values) = (names(&world, site), values(&world, site));
        for recorder in &first {
            let (said, all) = (recorder.training(), recorder.all());
            assert!(first_of(&all, &[b"/federation/v1/agreed".to_vec()]).is_some(), "what stands there is found");
            let found = first_of(&all, &names).or_else(|| first_of(&said, &values));
            assert_eq!(found, None, "{site}: {}", String::from_utf8_lossy(found.unwrap_or_default()));
        }
    }

    // Behind other masks every number is another one, and none is near what it hides: sums lie within 2^56 of 0.
    world.write("phrase", "q8Zr3mVx0bTn5LwYc2Jk7GhEs9PdUaFi4RoXe6Nt1Mv=\n");
    let (second, _) = trained(&world, &["--phrase-file", "phrase"]);
    for (one, other) in first.iter().zip(&second) {
        let (one, other) = (one.answers(), other.answers());
        let alike = one.iter().zip(&other).take_while(|(one, other)| one.len() == other.len());
        let pairs: Vec<(u64, u64)> = alike.flat_map(|(one, other)| one.iter().copied().zip(other.iter().copied())).collect();
        assert!(pairs.len() > 10_000, "{}", pairs.len());
        assert!(pairs.iter().all(|(one, other)| one != other));
        let near = pairs.iter().filter(|(one, _)| one.cast_signed().unsigned_abs() < 1 << 56).count();
        assert!(near * 64 < pairs.len(), "{near} of {}", pairs.len());
    }
}

#[test]
fn sites_join_by_tls_where_its_authority_is_trusted() {
    let port = free_port();
    let Some(front) = Front::before(port) else { return };
    let world = world();
    let leading = lead(&world, port, &["--trees", "2"]);
    let url = format!("https://{}", front.address());
    // Another server of the same name is told nothing, not even the token.
    world.set("SSL_CERT_FILE", front.another().to_str().unwrap());
    join_at(&world, "ads", &url, &[]).ended().fails(3, &["call the coordinator", "certificate"]);
    world.set("SSL_CERT_FILE", front.certificate().to_str().unwrap());
    let joining: Vec<Started> = SITES.iter().map(|site| join_at(&world, site, &url, &[])).collect();
    let joined: Vec<Value> = joining.into_iter().map(|started| started.ended().well().json()).collect();
    let led = leading.ended().well().json();
    assert!(joined.iter().all(|one| one["roster"] == led["roster"] && one["rounds"] == led["rounds"]), "{joined:?} {led}");
    for site in SITES {
        assert_eq!(world.read("joint.json"), world.read(&format!("{site}/.tidegate/risk/model.json")));
    }
}

/// One request, as a site's; its status and body.
fn asked(port: u16, token: &str, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "{method} /federation/v1/{path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Who is refused before its body was read may not be able to send it.
    let _ = stream.write_all(body);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    (answer.split(' ').nth(1).unwrap_or("0").parse().unwrap(), answer.split_once("\r\n\r\n").unwrap_or_default().1.to_owned())
}

#[test]
fn what_does_not_belong_is_refused_and_a_site_that_is_lost_ends_it_for_all() {
    let world = world();
    let port = free_port();
    let leading = lead(&world, port, &["--trees", "2", "--answer-within", "30s"]);
    let token = |site: &str| world.read(&format!("tokens/{site}.token")).trim().to_owned();
    let refused = |got: (u16, String), status: u16, words: &[&str]| {
        assert_eq!(got.0, status, "{got:?}");
        in_order(&got.1, words);
    };
    // Nobody's token, and another site's.
    refused(asked(port, "tdg_site_nobody", "GET", "model", b""), 401, &["no site has this token"]);
    world.write("tokens/none.token", "tdg_site_0123456789abcdef");
    let none = world.start(&[
        "risk",
        "federate",
        "join",
        &format!("http://127.0.0.1:{port}"),
        "--site",
        "ads",
        "--token-file",
        "tokens/none.token",
        "--repo",
        "ads",
    ]);
    none.ended().fails(5, &["answers 401", "no site has this token"]);
    let other = [
        "risk",
        "federate",
        "join",
        &format!("http://127.0.0.1:{port}"),
        "--site",
        "ads",
        "--token-file",
        "tokens/pay.token",
        "--repo",
        "ads",
    ];
    world.run(&other).fails(5, &["answers 403", "the token is that of site `pay`, which calls itself `ads`"]);

    // A third site by hand, which knows nothing.
    let features = tidegate_features(&world, port);
    let hello = |key: &str, format: u64| json!({"format": format, "site": "web", "key": key, "features": features}).to_string();
    let (key, web) = (format!("09{}", "0".repeat(62)), token("web"));
    refused(asked(port, &web, "POST", "join", b"{}"), 400, &["not what is taken here"]);
    refused(asked(port, &web, "POST", "join", &vec![b' '; 300_000]), 413, &["longer than 262144 bytes"]);
    refused(asked(port, &web, "POST", "join", hello(&key, 9).as_bytes()), 409, &["speaks version 9"]);
    refused(asked(port, &web, "POST", "rounds/1", b"12345678"), 409, &["nothing is asked"]);
    refused(asked(port, &web, "GET", "rounds/7", b""), 409, &["asks for round 7, round 0 is asked"]);
    refused(asked(port, &web, "GET", "model", b""), 404, &["no model yet"]);
    assert_eq!(asked(port, &web, "POST", "join", hello(&key, 1).as_bytes()).0, 204);
    let sites: Vec<Started> = ["ads", "pay"].into_iter().map(|site| join(&world, site, port, &[])).collect();
    let (status, round) = wait_for("round 1", || Some(asked(port, &web, "GET", "rounds/1", b"")).filter(|(status, _)| *status == 200));
    let length = 8 * serde_json::from_str::<Value>(&round).unwrap()["values"].as_u64().unwrap();
    assert_eq!(status, 200);
    refused(asked(port, &web, "POST", "join", hello(&format!("08{}", "0".repeat(62)), 1).as_bytes()), 409, &["cannot come anew"]);
    refused(asked(port, &web, "POST", "rounds/1", b"12345678"), 409, &["site `web`", "8 bytes", &length.to_string()]);
    refused(asked(port, &web, "POST", "rounds/2", b"12345678"), 409, &["it is of round 2, round 1 is asked"]);
    // It never answers: nobody gets a sum, and everybody is told who is missing.
    let led = leading.ended().fails(3, &["round 1", "no answer of site web", "begin the training again"]);
    assert!(led.out.is_empty(), "{led:?}");
    for site in sites {
        site.ended().fails(3, &["answers 410", "no answer of site web"]);
    }
    assert!(!world.exists("joint.json") && !world.exists("ads/.tidegate/risk/model.json"));
}

/// Names of the features of this release, as the coordinator has them: it names the one that it misses.
fn tidegate_features(world: &World, port: u16) -> Vec<String> {
    let web = world.read("tokens/web.token").trim().to_owned();
    let mut features: Vec<String> = Vec::new();
    loop {
        let told: Vec<&str> = features.iter().map(String::as_str).chain(["?"]).collect();
        let hello = json!({"format": 1, "site": "web", "key": format!("09{}", "0".repeat(62)), "features": told}).to_string();
        let (_, said) = asked(port, &web, "POST", "join", hello.as_bytes());
        match said.split("where the plan has `").nth(1) {
            Some(name) => features.push(name.split('`').next().unwrap().to_owned()),
            None => return features,
        }
    }
}

#[test]
fn a_site_that_sends_noise_and_commands_that_mean_nothing_are_told() {
    let world = world();
    let port = free_port();
    let leading = lead(&world, port, &["--trees", "2"]);
    let web = world.read("tokens/web.token").trim().to_owned();
    let features = tidegate_features(&world, port);
    let hello = json!({"format": 1, "site": "web", "key": format!("09{}", "0".repeat(62)), "features": features}).to_string();
    assert_eq!(asked(port, &web, "POST", "join", hello.as_bytes()).0, 204);
    let sites: Vec<Started> = ["ads", "pay"].into_iter().map(|site| join(&world, site, port, &[])).collect();
    let (_, round) = wait_for("round 1", || Some(asked(port, &web, "GET", "rounds/1", b"")).filter(|(status, _)| *status == 200));
    let length = 8 * usize::try_from(serde_json::from_str::<Value>(&round).unwrap()["values"].as_u64().unwrap()).unwrap();
    assert_eq!(asked(port, &web, "POST", "rounds/1", &vec![7; length]).0, 204);
    leading.ended().fails(3, &["round 1", "masks do not cancel", "begin again"]);
    sites.into_iter().for_each(|site| drop(site.ended().fails(3, &["answers 410", "masks do not cancel"])));

    for (args, words) in [
        (&["lead", "--sites", "a,b", "--out", "m.json"][..], "name 3 to 64 different sites"),
        (&["lead", "--sites", "a,b,b", "--out", "m.json"], "name 3 to 64 different sites"),
        (&["lead", "--sites", "a,b,../c", "--out", "m.json"], "`../c` is no name of a site"),
        (&["lead", "--sites", "a,b,c", "--out", "m.json", "--bins", "1"], "`bins` of the plan"),
        (&["lead", "--sites", "a,b,c", "--out", "m.json", "--answer-within", "soon"], "--answer-within"),
        (&["join", "http://192.0.2.1:1", "--site", "a", "--token-file", "tokens/web.token"], "--plain-http"),
        (&["join", "http://127.0.0.1:1/x", "--site", "a", "--token-file", "tokens/web.token"], "address alone"),
        (&["join", "http://me:word@127.0.0.1:1", "--site", "a", "--token-file", "tokens/web.token"], "no secret stands in an address"),
        (&["lead", "--sites", "a,b,c", "--out", "tokens"], "it is a folder"),
        (&["lead", "--sites", "a,b,c", "--out", "m.json", "--site-rows-most", "1"], "`site_rows_most` of the plan"),
    ] {
        world.run(&[&["risk", "federate"], args].concat()).fails(2, &[words]);
    }
    world.write("tokens/bad.token", "short");
    world
        .run(&["risk", "federate", "join", "http://127.0.0.1:1", "--site", "a", "--token-file", "tokens/bad.token"])
        .fails(2, &["it stands there alone"]);
    world.write("phrase", "thought-up-by-people\n");
    world
        .run(&[
            "risk",
            "federate",
            "join",
            "http://127.0.0.1:1",
            "--site",
            "a",
            "--token-file",
            "tokens/web.token",
            "--phrase-file",
            "phrase",
        ])
        .fails(2, &["20 characters, 24 are the least", "head -c 32 /dev/urandom | base64"]);
    // Where the model cannot be written is told before anybody joins.
    let nowhere = world.run(&["risk", "federate", "lead", "--sites", "a,b,c", "--out", "no/such/folder/m.json"]);
    assert!(nowhere.err.contains("try --out") && !nowhere.err.contains("sites join at"), "{nowhere:?}");
    // Nobody listens.
    let nobody = free_port();
    join(&world, "ads", nobody, &[]).ended().fails(3, &["call the coordinator", "begin again on all sides"]);
}
