//! One peer: its session, the paths to it, and the two streams.

use super::Heard;
use super::path::Path;
use super::stream::{Inbound, Outbound};
use super::timing::LinkTiming;
use crate::message::{Beat, Body, Message, Packet, Speaks};
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use muster_api::cluster::LinkMode;
use muster_api::id::NodeId;

#[derive(Debug)]
pub(crate) struct Peer {
    /// The incarnation that is believed; zero where none was heard yet.
    session: u64,
    /// The incarnation that is known to be off or gone.
    buried: Option<u64>,
    /// The last proof of a round trip, until the peer is lost.
    last_alive: Option<Instant>,
    /// What it was when the peer was lost.
    silent_since: Option<Instant>,
    /// A link was up in this session, and the peer was not silent for the token time since.
    is_linked: bool,
    /// This node is the end that usually pings.
    is_initiator: bool,
    paths: BTreeMap<u8, Path>,
    beat: Option<Beat>,
    /// The beat is a new one.
    pub(super) has_told: bool,
    outbound: Outbound,
    inbound: Inbound,
    is_ack_due: bool,
    /// Answers that go back on the link of the question.
    answers: Vec<(u8, Answer)>,
    /// Which link is next in round robin.
    turn: usize,
    /// The versions that it speaks, once it was heard.
    pub(super) speaks: Option<Speaks>,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Pong { echo: u64 },
    Proof { echo: u64 },
}

/// What one packet told, before it is known whose it was.
#[expect(clippy::large_enum_variant, reason = "each lives for one step")]
pub(super) enum News {
    Message(Message),
    Restarted,
    Bye,
    LinkUp(u8),
}

impl News {
    pub(super) fn of(self, peer: NodeId) -> Heard {
        match self {
            Self::Message(message) => Heard::Message(peer, message),
            Self::Restarted => Heard::Restarted(peer),
            Self::Bye => Heard::Bye(peer),
            Self::LinkUp(link) => Heard::Link { peer, link, is_up: true },
        }
    }
}

impl Peer {
    /// A peer of which nothing is known, and to which no link leads yet.
    pub(super) fn new(is_initiator: bool) -> Self {
        Self {
            session: 0,
            buried: None,
            last_alive: None,
            silent_since: None,
            is_linked: false,
            is_initiator,
            paths: BTreeMap::new(),
            beat: None,
            has_told: false,
            outbound: Outbound::default(),
            inbound: Inbound::default(),
            is_ack_due: false,
            answers: Vec::new(),
            turn: 0,
            speaks: None,
        }
    }

    /// These are the links to it now; those that stay keep their state.
    pub(super) fn set_links(&mut self, now: Instant, timings: BTreeMap<u8, LinkTiming>) {
        self.paths.retain(|link, _| timings.contains_key(link));
        for (link, timing) in timings {
            self.paths.entry(link).or_insert_with(|| Path::new(now, timing)).set_timing(timing);
        }
    }

    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// The version to speak to it.
    pub(super) fn version(&self, speaks: Speaks) -> u8 {
        self.speaks.and_then(|theirs| speaks.common(theirs)).unwrap_or(speaks.oldest)
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.is_linked
    }

    pub(crate) fn beat(&self) -> Option<&Beat> {
        self.beat.as_ref()
    }

    /// When it was alive last, as far as was proven.
    pub(crate) fn last_alive(&self) -> Option<Instant> {
        self.last_alive.or(self.silent_since)
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = u8> {
        self.paths.keys().copied()
    }

    pub(crate) fn link_state(&self, link: u8) -> Option<(bool, Option<Duration>)> {
        self.paths.get(&link).map(|path| (path.is_up(), path.rtt()))
    }

    /// Silent for the token time, or never heard.
    pub(crate) fn is_lost(&self, now: Instant, token: Duration) -> bool {
        self.last_alive.is_none_or(|alive| now >= alive + token)
    }

    /// It has missed a heartbeat: it may be dead already.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        let interval = self.paths.values().map(Path::interval).min().unwrap_or_default();
        self.last_alive.is_none_or(|alive| now >= alive + interval * 3 / 2)
    }

    pub(super) fn send(&mut self, message: &Message) {
        if self.is_linked {
            self.outbound.push(&message.encode());
        }
    }

    pub(super) fn hurry_news(&mut self, now: Instant) {
        self.paths.values_mut().for_each(|path| path.hurry_news(now));
    }

    pub(super) fn set_usable(&mut self, now: Instant, link: u8, is_usable: bool) {
        match self.paths.get_mut(&link) {
            Some(path) if is_usable => path.hurry(now),
            Some(path) => path.reset(now),
            None => {}
        }
    }

    pub(super) fn bury(&mut self, now: Instant, session: u64) {
        self.buried = Some(session);
        if self.session == session {
            self.forget(now, 0);
            self.silent_since = self.last_alive.take().or(self.silent_since);
        }
    }

    pub(super) fn distrust(&mut self, now: Instant) {
        let session = self.session;
        self.forget(now, session);
        self.last_alive = self.last_alive.map(|_| now);
    }

    pub(super) fn receive(
        &mut self,
        now: Instant,
        link: u8,
        packet: Packet,
        my_session: u64,
        token: Duration,
    ) -> Vec<News> {
        let mut news = Vec::new();
        if !self.adopt_session(now, packet.from_session, token, &mut news) {
            return news;
        }
        let is_for_this_life = packet.to_session == my_session;
        match packet.body {
            Body::Ping { at, beat } => self.on_ping(now, link, at, beat),
            Body::Pong { echo, at, beat } if is_for_this_life => {
                self.learn(beat);
                self.answers.push((link, Answer::Proof { echo: at }));
                news.extend(self.on_proof(now, link, Instant(echo), token));
            }
            Body::Proof { echo } if is_for_this_life => {
                news.extend(self.on_proof(now, link, Instant(echo), token));
            }
            Body::Data { stream, seq, is_last, bytes } if is_for_this_life => {
                if let Some(complete) = self.inbound.receive(stream, seq, is_last, bytes) {
                    self.is_ack_due = true;
                    let messages = complete.iter().filter_map(|bytes| Message::decode(bytes));
                    news.extend(messages.map(News::Message));
                }
            }
            Body::Ack { stream, next, ahead } if is_for_this_life => {
                self.outbound.acknowledge(stream, next, ahead);
            }
            Body::Bye => {
                self.bury(now, packet.from_session);
                news.push(News::Bye);
            }
            Body::Pong { .. } | Body::Proof { .. } | Body::Data { .. } | Body::Ack { .. } => {}
        }
        news
    }

    /// Whether a packet of that session is to be believed; begins anew where it is a later one than the known.
    fn adopt_session(&mut self, now: Instant, session: u64, token: Duration, news: &mut Vec<News>) -> bool {
        if session == 0 || self.buried == Some(session) {
            return false;
        }
        if session == self.session {
            return true;
        }
        // A smaller one is a late packet of a former life, unless the known life has gone silent: a wiped disk and a clock
        // that was set back can make a new life smaller.
        if session < self.session && !self.is_lost(now, token) {
            return false;
        }
        if self.session != 0 {
            news.push(News::Restarted);
        }
        self.forget(now, session);
        self.last_alive = Some(now);
        true
    }

    fn forget(&mut self, now: Instant, session: u64) {
        if session != self.session {
            self.inbound = Inbound::default();
            self.beat = None;
        }
        self.session = session;
        self.is_linked = false;
        self.outbound.restart();
        self.answers.clear();
        self.paths.values_mut().for_each(|path| path.start_over(now));
    }

    fn on_ping(&mut self, now: Instant, link: u8, at: u64, beat: Beat) {
        self.learn(beat);
        self.answers.push((link, Answer::Pong { echo: at }));
        let is_new = |path: &&mut Path| !path.is_up() && path.last_proof().is_none();
        if let Some(path) = self.paths.get_mut(&link).filter(is_new) {
            path.hurry(now);
        }
    }

    /// `echo` is this node's own clock, so that a late pong proves nothing.
    fn on_proof(&mut self, now: Instant, link: u8, echo: Instant, token: Duration) -> Option<News> {
        let rtt = now.since(echo);
        let is_fresh = echo <= now && rtt < token;
        let path = self.paths.get_mut(&link).filter(|_| is_fresh)?;
        self.last_alive = Some(now);
        let came_up = path.prove(now, Some(rtt), self.is_initiator);
        self.is_linked |= came_up;
        came_up.then_some(News::LinkUp(link))
    }

    fn learn(&mut self, beat: Beat) {
        if self.beat.as_ref().is_none_or(|known| beat.number > known.number) {
            self.beat = Some(beat);
            self.has_told = true;
        }
    }

    /// Takes expired links down, and gives the peer up where it was silent for the token time. Returns the links that went
    /// down.
    pub(super) fn expire(&mut self, now: Instant, token: Duration) -> Vec<u8> {
        let down: Vec<u8> =
            self.paths.iter_mut().filter_map(|(link, path)| path.expire(now).then_some(*link)).collect();
        if self.last_alive.is_some() && self.is_lost(now, token) {
            self.silent_since = self.last_alive.take();
            self.is_linked = false;
            self.outbound.restart();
        }
        down
    }

    /// What is to be sent now, with the link that it goes out on.
    pub(super) fn flush(&mut self, now: Instant, mode: LinkMode, beat: &Beat) -> Vec<(u8, Body)> {
        let mut bodies = Vec::new();
        for (link, answer) in core::mem::take(&mut self.answers) {
            bodies.push((
                link,
                match answer {
                    Answer::Pong { echo } => Body::Pong { echo, at: now.0, beat: beat.clone() },
                    Answer::Proof { echo } => Body::Proof { echo },
                },
            ));
        }
        for (link, path) in &mut self.paths {
            if path.take_ping(now) {
                bodies.push((*link, Body::Ping { at: now.0, beat: beat.clone() }));
            }
        }
        let ack = core::mem::take(&mut self.is_ack_due).then(|| self.inbound.acknowledgement());
        let data = if self.is_linked { self.outbound.due(now, self.rtt()) } else { Vec::new() };
        for body in ack.into_iter().chain(data) {
            let links = self.choose(mode);
            bodies.extend(links.into_iter().map(|link| (link, body.clone())));
        }
        bodies
    }

    fn choose(&mut self, mode: LinkMode) -> Vec<u8> {
        let up: Vec<u8> = self.paths.iter().filter(|(_, path)| path.is_up()).map(|(link, _)| *link).collect();
        if up.is_empty() {
            return self.paths.keys().copied().collect();
        }
        self.turn = self.turn.wrapping_add(1);
        let best = up
            .iter()
            .copied()
            .min_by_key(|link| (self.paths.get(link).map(|path| core::cmp::Reverse(path.priority())), *link));
        match mode {
            LinkMode::Active => up,
            LinkMode::Rr => alloc::vec![up[self.turn % up.len()]],
            LinkMode::Passive => best.into_iter().collect(),
        }
    }

    fn rtt(&self) -> Duration {
        let up = self.paths.values().filter(|path| path.is_up());
        up.filter_map(Path::rtt).max().unwrap_or_default()
    }

    pub(super) fn deadline(&self, token: Duration) -> Instant {
        let paths = self.paths.values().map(Path::deadline);
        let lost_at = self.last_alive.map(|alive| alive + token);
        let resend = self.outbound.deadline(self.rtt()).filter(|_| self.is_linked);
        paths.chain(lost_at).chain(resend).min().unwrap_or(Instant(u64::MAX))
    }
}
