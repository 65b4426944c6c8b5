//! Ports of the loopback for servers that the gateway starts: each is given once until it is given back.

use crate::limits::CHILD_PORTS;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A port that nobody else of this process is given.
#[derive(Debug)]
pub struct Port(u16);

#[derive(Default)]
struct Given {
    ports: BTreeSet<u16>,
    /// Where the next search begins, so that a port is not given again at once: old connections to it may still be closing.
    next: Option<u16>,
}

static GIVEN: Mutex<Given> = Mutex::new(Given { ports: BTreeSet::new(), next: None });

fn given() -> MutexGuard<'static, Given> {
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Port {
    /// One that nobody listens on.
    ///
    /// # Errors
    /// A sentence, when there is none.
    pub fn free() -> Result<Port, String> {
        let mut given = given();
        let (first, last) = (*CHILD_PORTS.start(), *CHILD_PORTS.end());
        // Gateways of one machine begin at different places.
        let spread = u16::try_from(std::process::id() * 131 % u32::from(last - first)).unwrap_or_default();
        let from = given.next.unwrap_or(first + spread);
        let free = |port: &u16| !given.ports.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
        let port = (from..=last).chain(first..from).find(free);
        let port = port.ok_or_else(|| format!("no port of 127.0.0.1 from {first} to {last} is free: end what listens there"))?;
        given.ports.insert(port);
        given.next = Some(if port == last { first } else { port + 1 });
        Ok(Port(port))
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.0
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        given().ports.remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_none_that_somebody_listens_on() {
        let one = Port::free().unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, one.number())).unwrap();
        let number = one.number();
        drop(one);
        let more: Vec<Port> = (0..50).map(|_| Port::free().unwrap()).collect();
        let numbers: BTreeSet<u16> = more.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), 50);
        assert!(!numbers.contains(&number) && numbers.iter().all(|port| CHILD_PORTS.contains(port)));
        drop(taken);
    }
}
