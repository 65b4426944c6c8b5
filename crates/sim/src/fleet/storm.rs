//! What goes wrong with replicas, how it heals, and people who go on asking meanwhile.

use super::world::{Happening, Service, World};
use tidegate_core::id::At;
use tidegate_core::rollout::Command;
use tidegate_engine::rollouts::Input;
use tidegate_port::Beats as _;

impl World {
    /// People and the calendar: they ask one replica after the other until one takes it.
    pub(super) fn operate(&mut self, service: usize) {
        let at = At(self.now_ms);
        let (state, healed) = (self.state(service), self.healed_ms.is_some());
        let Service { id, scenario, operator, rules, .. } = &mut self.services[service];
        let (key, command) = match state.rollout() {
            None => ("start".to_owned(), Some(Command::Start { spec: Box::new(scenario.spec_of(&id.service)), at })),
            Some(r) => {
                let command = operator.calendar(r, scenario, at).or_else(|| operator.wants(r, healed, scenario, at, &mut self.rng));
                (format!("operator-{}", self.ticks), command)
            }
        };
        let (Some(command), rollout) = (command, id.clone()) else { return };
        if let Command::Promote { .. } = command {
            rules.person_promoted();
        }
        let freeze = if let Command::Freeze { until, .. } = &command { Some(*until) } else { None };
        let first = self.rng.below(self.hosts.len() as u64) as usize;
        for n in 0..self.hosts.len() {
            let host = (first + n) % self.hosts.len();
            if self.hosts[host].still_until.is_some() {
                continue;
            }
            if self.give(host, Input::Command { rollout: rollout.clone(), key: Some(key.clone()), command: command.clone() }) {
                freeze.into_iter().for_each(|until| self.services[service].rules.told_freeze(until));
                return;
            }
        }
    }

    /// One of the things that go wrong with a replica, at times.
    pub(super) fn storm(&mut self, host: usize) {
        if !self.hosts[host].sound() || !self.rng.chance(self.weather.trouble) {
            return;
        }
        self.checker.trouble(self.now_ms);
        let for_ms = 1 + self.rng.below(30_000) as i64;
        let (until, name) = (self.now_ms + for_ms, self.hosts[host].name.clone());
        let seconds = for_ms as f64 / 1e3;
        match self.rng.below(7) {
            0 => {
                self.tell(format!("  {name} crashes, for {seconds:.1} s"));
                self.hosts[host].replica = None;
                self.network.at(until, Happening::Up { host });
            }
            1 => self.leaves(host, until),
            2 => {
                self.tell(format!("  {name} stands still for {seconds:.1} s"));
                self.hosts[host].still_until = Some(until);
            }
            3 => {
                self.tell(format!("  the machine of {name} stands still for {seconds:.1} s, and its clock"));
                self.hosts[host].slept_at = self.hosts[host].uptime(self.now_ms);
                self.hosts[host].still_until = Some(until);
                self.hosts[host].stopped_ms += for_ms as u64;
                self.checker.slept(&name);
            }
            4 => {
                self.tell(format!("  {name} does not reach the journal for {seconds:.1} s"));
                self.hosts[host].set_cut(true);
                self.network.at(until, Happening::Reached { host });
            }
            5 => {
                self.tell(format!("  beats of {name} get lost for {seconds:.1} s, and the journal is in reach"));
                self.hosts[host].deaf_until = until;
            }
            _ => {
                self.hosts[host].skew_ms = self.rng.below(1_200_000) as i64 - 600_000;
                self.tell(format!("  the date of {name} jumps to {:+.0} s", self.hosts[host].skew_ms as f64 / 1e3));
            }
        }
    }

    /// A process ends as it should, and comes back later.
    fn leaves(&mut self, host: usize, until: i64) {
        self.tell(format!("  {} leaves", self.hosts[host].name));
        let now = self.hosts[host].now_to_act(self.now_ms, self.fault);
        let Some(replica) = self.hosts[host].replica.as_mut() else { return };
        let _ = replica.leave(now);
        let session = replica.session().clone();
        self.read_on(host);
        let _ = self.beats.forget(&session);
        self.checker.left(&session);
        self.hosts[host].replica = None;
        self.network.at(until, Happening::Up { host });
    }

    pub(super) fn heal(&mut self) {
        self.tell("  everything heals".to_owned());
        self.healed_ms = Some(self.now_ms);
        self.checker.trouble(self.now_ms);
        self.network.calm = true;
        self.journal.clear_fault_hook();
        for host in 0..self.hosts.len() {
            self.hosts[host].skew_ms = 0;
            self.hosts[host].deaf_until = self.now_ms;
            self.hosts[host].set_cut(false);
            self.up(host);
        }
        for service in &mut self.services {
            service.plane.gap = 0;
        }
    }
}
