//! A stream of NATS, message by message: how far it was read is kept by its durable consumer.

use super::{Retry, Taker};
use tidegate_adapters::nats::{Entry, Stream};
use tidegate_port::Failure;
use tidegate_wire::config::{NatsEntry, NatsStream};

/// Reads it for as long as this process lives.
pub(super) async fn follow(taker: Taker, stream: NatsStream) {
    let mut retry = Retry::default();
    loop {
        let Err(failure) = read(&taker, &stream).await;
        // What went well until now is tried again at once.
        if taker.fails("stream", &failure.to_string()) {
            retry = Retry::default();
        }
        retry.wait().await;
    }
}

async fn read(taker: &Taker, stream: &NatsStream) -> Result<std::convert::Infallible, Failure> {
    let mut consumer = opened(taker, stream)?.open().await?;
    loop {
        let message = consumer.next().await?;
        taker.works("stream");
        if let Some(message) = message {
            taker.take(&message.headers, &message.body).await;
            taker.settle().await;
            consumer.done(&message).await?;
        }
    }
}

fn opened(taker: &Taker, stream: &NatsStream) -> Result<Stream, Failure> {
    let entry = match &stream.entry {
        NatsEntry::Open => Entry::Open,
        NatsEntry::Login { login, password } => Entry::Login(login.clone(), taker.secret(password)?),
        NatsEntry::Token(variable) => Entry::Token(taker.secret(variable)?),
        NatsEntry::Credentials(variable) => Entry::Credentials(taker.secret(variable)?),
    };
    Ok(Stream {
        servers: stream.servers.clone(),
        name: stream.stream.clone(),
        subject: stream.subject.clone(),
        durable: stream.durable.clone(),
        tls: stream.tls,
        entry,
    })
}
