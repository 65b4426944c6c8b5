//! Bodies on their way through the gateway: JSON with bytes behind it, packed and plain. The gateway reads none of them.

use crate::client::{Client, Got};
use crate::world::{INFER, World, candidate, control, pool_settings, route, stable};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder, ZlibDecoder, ZlibEncoder};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::io::Read;
use tidegate_serve::limits::UNPACK_AT_ONCE_BYTES_MAX;

const JSON_BYTES: &str = "inference-header-content-length";

async fn send(client: &mut Client, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Got {
    client.headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    client.ask("POST", INFER, body.into()).await.unwrap()
}

fn all(mut reader: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

fn packed(coding: &str, plain: &[u8]) -> Vec<u8> {
    if coding == "gzip" { all(GzEncoder::new(plain, Compression::fast())) } else { all(ZlibEncoder::new(plain, Compression::fast())) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_behind_the_json_reach_the_worker_and_the_client() {
    let world = World::with_stable().await;
    let mut client = world.client();
    let json = json!({ "x": 1, "bytes": 5 }).to_string();
    let length = json.len().to_string();
    let got = send(&mut client, &[(JSON_BYTES, &length)], [json.as_bytes(), &[0, 255, 7]].concat()).await;
    assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, "application/octet-stream"));
    let (answer, rest) = got.parts();
    assert_eq!((&answer["behind"], rest), (&json!(3), &[7_u8; 5][..]));
    let got = send(&mut client, &[], json!({ "x": 1 }).to_string()).await;
    assert_eq!((got.header("content-type"), got.header(JSON_BYTES)), ("application/json", ""));
    assert_eq!(send(&mut client, &[("content-type", "text/plain")], json!({ "x": 1 }).to_string()).await.status, StatusCode::OK);

    let asked = world.gateway.totals("late-arrival").remove(0).1.requests;
    for (said, says) in [
        ("12", "inference header size should be in range (0, 11), got: 12"),
        ("-1", "inference header size should be in range (0, 11), got: -1"),
        ("18446744073709551617", "inference header size should be in range (0, 11), got: 18446744073709551617"),
        ("many", "unable to parse Inference-Header-Content-Length, got: many"),
    ] {
        let got = send(&mut client, &[(JSON_BYTES, said)], r#"{"x": 10.5}"#).await;
        assert_eq!((got.status, got.error().as_str()), (StatusCode::BAD_REQUEST, says));
    }
    assert_eq!(world.gateway.totals("late-arrival").remove(0).1.requests, asked, "no worker was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_gets_the_bytes_too() {
    let mut world = World::new().await;
    world.load(&[stable(), candidate(), control()]).await;
    world.apply(route(&[(stable(), 10_000)], 10_000));
    let json = json!({ "id": "a", "x": 0.5, "bytes": 4 }).to_string();
    let got = send(&mut world.client(), &[(JSON_BYTES, &json.len().to_string())], [json.as_bytes(), b"not JSON"].concat()).await;
    assert_eq!(got.status, StatusCode::OK);
    let pair = world.outputs.pairs.recv().await.unwrap();
    assert_eq!((pair.live.score, pair.candidate.score, pair.control.score), (Some(0.5), Some(0.5), Some(0.5)));
    assert_eq!((pair.record_id.as_str(), pair.candidate.inputs.as_slice()), ("a", &[0.5_f32][..]));
    let record = world.outputs.records.recv().await.unwrap();
    assert_eq!((record.score, record.inputs.as_slice()), (Some(0.5), &[0.5_f32][..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packed_requests() {
    let mut world = World::with(pool_settings(), |s| {
        s.body_bytes_max = 20_000;
        s.unpacked_bytes_max = 50_000;
    })
    .await;
    world.load(&[stable()]).await;
    world.apply(route(&[(stable(), 10_000)], 0));
    let mut client = world.client();
    let json = json!({ "x": 2 }).to_string();
    // Of incompressible bytes the packed body is too long for the spot and is left to another thread.
    let steps = std::iter::successors(Some(1_u64), |n| Some(n.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1)));
    let noise: Vec<u8> = steps.take(9_000).map(|n| (n >> 56) as u8).collect();
    for coding in ["gzip", "deflate"] {
        for behind in [&b"abc"[..], &noise] {
            let body = packed(coding, &[json.as_bytes(), behind].concat());
            assert_eq!(body.len() > UNPACK_AT_ONCE_BYTES_MAX, behind.len() > 3, "{}", body.len());
            let got = send(&mut client, &[("content-encoding", coding), (JSON_BYTES, &json.len().to_string())], body).await;
            assert_eq!((got.status, &got.json()["behind"]), (StatusCode::OK, &json!(behind.len())), "{coding}");
        }
        let got = send(&mut client, &[("content-encoding", coding)], packed(coding, &vec![b' '; 50_001])).await;
        assert_eq!(
            (got.status, got.error().as_str()),
            (StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 50000 bytes when it is unpacked")
        );
        let got = send(&mut client, &[("content-encoding", coding)], json.clone()).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{got:?}");
        assert!(got.error().starts_with(&format!("the body is no {coding}: ")), "{got:?}");
    }
    let bomb = packed("deflate", &vec![0; 1_000_000]);
    assert!(bomb.len() < 20_000, "{}", bomb.len());
    assert_eq!(send(&mut client, &[("content-encoding", "deflate")], bomb).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    for wrong in ["br", "gzip, gzip", "zstd"] {
        let got = send(&mut client, &[("content-encoding", wrong)], json.clone()).await;
        assert_eq!((got.status, got.header("accept-encoding")), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "gzip, deflate"));
        assert_eq!(got.error(), format!("content-encoding `{wrong}` is not understood: send gzip, deflate, or plain"));
    }
    assert_eq!(send(&mut client, &[("content-encoding", "identity")], json).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packed_answers() {
    let world = World::with_stable().await;
    let mut client = world.client();
    let asked = |pad: usize, bytes: Option<usize>| json!({ "x": 1, "pad": pad, "bytes": bytes }).to_string();
    for (accepted, pad) in [("gzip", 2_000), ("gzip, deflate", 100_000), ("deflate", 2_000), ("deflate;q=0.9, gzip;q=0.1", 100_000)] {
        let got = send(&mut client, &[("accept-encoding", accepted)], asked(pad, Some(9))).await;
        let plain = if accepted.starts_with("gzip") {
            assert_eq!(got.header("content-encoding"), "gzip");
            all(GzDecoder::new(&got.body[..]))
        } else {
            assert_eq!(got.header("content-encoding"), "deflate");
            all(ZlibDecoder::new(&got.body[..]))
        };
        assert!(got.body.len() < plain.len() && got.header("vary") == "accept-encoding", "{got:?}");
        let (json, rest) = plain.split_at(got.header(JSON_BYTES).parse().unwrap());
        let answer: Value = serde_json::from_slice(json).unwrap();
        assert_eq!((answer["pad"].as_str().map(str::len), rest), (Some(pad), &[7_u8; 9][..]));
    }
    for (accepted, body) in [("gzip", asked(1, None)), ("br", asked(2_000, None)), ("gzip;q=0", asked(2_000, None))] {
        let got = send(&mut client, &[("accept-encoding", accepted)], body).await;
        assert_eq!((got.status, got.header("content-encoding"), got.who().as_str()), (StatusCode::OK, "", "1/stable"));
    }
}
