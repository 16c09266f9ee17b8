//! Resources, in the terms of Pacemaker Explained.

use crate::id::ResourceId;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Add, Neg};
use serde::{Deserialize, Serialize};

pub use crate::constraint::{Constraint, OrderKind};

/// A score: an integer between -INFINITY and INFINITY (±1,000,000); sums stay inside, and -INFINITY wins over
/// INFINITY (Pacemaker Explained, "Scores").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Score(pub i32);

impl Score {
    /// Must.
    pub const INFINITY: Self = Self(1_000_000);
    /// Must not.
    pub const MINUS_INFINITY: Self = Self(-1_000_000);

    /// Whether it is a must or a must not.
    pub const fn is_infinite(self) -> bool {
        self.0 >= Self::INFINITY.0 || self.0 <= Self::MINUS_INFINITY.0
    }

    /// A score as written: a whole number, `INFINITY`, `+INFINITY` or `-INFINITY`; larger numbers are cut.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "INFINITY" | "+INFINITY" => Some(Self::INFINITY),
            "-INFINITY" => Some(Self::MINUS_INFINITY),
            number => number.parse::<i64>().ok().map(Self::clamped),
        }
    }

    fn clamped(number: i64) -> Self {
        let bounded = number.clamp(i64::from(Self::MINUS_INFINITY.0), i64::from(Self::INFINITY.0));
        Self(i32::try_from(bounded).unwrap_or(0))
    }
}

impl Add for Score {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        if self <= Self::MINUS_INFINITY || other <= Self::MINUS_INFINITY {
            return Self::MINUS_INFINITY;
        }
        if self >= Self::INFINITY || other >= Self::INFINITY {
            return Self::INFINITY;
        }
        Self::clamped(i64::from(self.0) + i64::from(other.0))
    }
}

impl Neg for Score {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INFINITY => formatter.write_str("INFINITY"),
            Self::MINUS_INFINITY => formatter.write_str("-INFINITY"),
            Self(number) => number.fmt(formatter),
        }
    }
}

/// Which agent runs a resource: `ocf:heartbeat:IPaddr2`, `systemd:nginx`, `lsb:foo`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentName {
    /// The standard.
    pub class: AgentClass,
    /// The provider: OCF only.
    pub provider: Option<String>,
    /// The agent's or the unit's name.
    pub name: String,
}

/// The standard that an agent follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AgentClass {
    /// Open Cluster Framework scripts.
    Ocf,
    /// systemd units.
    Systemd,
    /// Init scripts.
    Lsb,
    /// `service:NAME`: systemd where there is such a unit, else an init script.
    Service,
    /// A fence device that is placed like a resource. Only a CIB has such primitives; elsewhere a device is a
    /// [`crate::fencing::FenceDevice`].
    Stonith,
}

impl AgentClass {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ocf => "ocf",
            Self::Systemd => "systemd",
            Self::Lsb => "lsb",
            Self::Service => "service",
            Self::Stonith => "stonith",
        }
    }
}

impl AgentName {
    /// Whether it is the connection to a node that is no member (`ocf:pacemaker:remote`).
    pub fn is_connection(&self) -> bool {
        self.class == AgentClass::Ocf
            && self.provider.as_deref() == Some("pacemaker")
            && self.name == "remote"
    }

    /// Reads `class:provider:name` or `class:name`.
    ///
    /// # Errors
    ///
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (class, provider, name) = match parts.as_slice() {
            ["ocf", provider, name] => (AgentClass::Ocf, Some(String::from(*provider)), *name),
            ["systemd", name] => (AgentClass::Systemd, None, *name),
            ["lsb", name] => (AgentClass::Lsb, None, *name),
            ["service", name] => (AgentClass::Service, None, *name),
            _ => return Err(Self::expected(text)),
        };
        if name.is_empty() || provider.as_deref() == Some("") {
            return Err(Self::expected(text));
        }
        Ok(Self { class, provider, name: name.into() })
    }

    fn expected(text: &str) -> String {
        format!(
            "`{text}` is not a resource agent: expected `ocf:PROVIDER:NAME`, `systemd:UNIT`, `lsb:SCRIPT` or \
             `service:NAME`"
        )
    }
}

impl TryFrom<String> for AgentName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<AgentName> for String {
    fn from(agent: AgentName) -> Self {
        format!("{agent}")
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.class.name();
        match &self.provider {
            Some(provider) => write!(formatter, "{class}:{provider}:{}", self.name),
            None => write!(formatter, "{class}:{}", self.name),
        }
    }
}

/// One thing that the cluster runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Primitive {
    /// Its id.
    pub id: ResourceId,
    /// What runs it.
    pub agent: AgentName,
    /// Instance attributes: the agent's parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Meta attributes (`target-role`, `is-managed`, `resource-stickiness`, …).
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
    /// Operations with other values than the agent's own.
    #[serde(default)]
    pub operations: Vec<Operation>,
}

/// `<op>`: an operation of a primitive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// `start`, `stop`, `monitor`, …
    pub name: String,
    /// `interval` in milliseconds; zero is not recurring.
    #[serde(default)]
    pub interval_ms: u64,
    /// `timeout` in milliseconds, where it is set.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// `on-fail`, where it is set.
    #[serde(default)]
    pub on_fail: Option<OnFail>,
    /// `role`, where it is set (`Started`, `Stopped`, …).
    #[serde(default)]
    pub role: Option<String>,
    /// `enabled`.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// `on-fail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFail {
    /// Pretend that it did not fail.
    Ignore,
    /// Do nothing more to the resource.
    Block,
    /// Stop it and leave it stopped.
    Stop,
    /// Stop it and start it again, maybe elsewhere.
    Restart,
    /// Fence the node.
    Fence,
    /// Move everything away from the node.
    Standby,
    /// Demote it and leave it unpromoted where it is; for what is not promotable a restart.
    Demote,
    /// Stop the container that it runs in and start it again.
    #[serde(rename = "restart-container")]
    RestartContainer,
}

impl OnFail {
    const NAMES: [(&'static str, Self); 8] = [
        ("ignore", Self::Ignore),
        ("block", Self::Block),
        ("stop", Self::Stop),
        ("restart", Self::Restart),
        ("fence", Self::Fence),
        ("standby", Self::Standby),
        ("demote", Self::Demote),
        ("restart-container", Self::RestartContainer),
    ];

    /// Reads it as it is written.
    pub fn parse(text: &str) -> Option<Self> {
        let named = Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, on_fail)| *on_fail);
        // The old word for it.
        named.or_else(|| (text == "nothing").then_some(Self::Ignore))
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, on_fail)| *on_fail == self).map_or("restart", |(name, _)| name)
    }
}

/// A list of primitives that run on one node and start in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: ResourceId,
    /// Its members in starting order.
    pub members: Vec<Primitive>,
    /// Meta attributes, inherited by the members.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
}

/// What a clone has copies of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Of a primitive.
    Primitive(Primitive),
    /// Of a group.
    Group(Group),
}

impl Content {
    /// The primitives in it.
    pub fn primitives(&self) -> &[Primitive] {
        match self {
            Self::Primitive(primitive) => core::slice::from_ref(primitive),
            Self::Group(group) => &group.members,
        }
    }

    /// The primitives in it, to be changed.
    pub fn primitives_mut(&mut self) -> &mut [Primitive] {
        match self {
            Self::Primitive(primitive) => core::slice::from_mut(primitive),
            Self::Group(group) => &mut group.members,
        }
    }

    /// Its id.
    pub fn id(&self) -> &ResourceId {
        match self {
            Self::Primitive(primitive) => &primitive.id,
            Self::Group(group) => &group.id,
        }
    }
}

/// `<clone>`: copies of a primitive or a group, one for each node unless `clone-max` says otherwise. With `promotable`
/// some of them are promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneSet {
    /// Its id.
    pub id: ResourceId,
    /// What there are copies of.
    pub content: Content,
    /// Meta attributes (`clone-max`, `promotable`, `interleave`, …), inherited by what it has copies of.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
}

/// `<bundle>`: replicas of a container with its address and storage, and a resource that runs inside of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Its id.
    pub id: ResourceId,
    /// `docker` or `podman`.
    pub technology: String,
    /// The attributes of the container (`image`, `replicas`, `replicas-per-host`, `promoted-max`, `run-command`, …).
    pub container: BTreeMap<String, String>,
    /// The attributes of `<network>` (`ip-range-start`, `control-port`, …).
    #[serde(default)]
    pub network: BTreeMap<String, String>,
    /// `<port-mapping>` and `<storage-mapping>`, each with its attributes.
    #[serde(default)]
    pub mappings: Vec<BTreeMap<String, String>>,
    /// The resource inside, where there is one.
    #[serde(default)]
    pub primitive: Option<Primitive>,
    /// Meta attributes, inherited by the containers and by what runs in them.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
}

/// A resource at the top level of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// A primitive of its own.
    Primitive(Primitive),
    /// A group.
    Group(Group),
    /// A clone.
    Clone(CloneSet),
    /// A bundle.
    Bundle(Bundle),
}

impl Resource {
    /// Its id.
    pub fn id(&self) -> &ResourceId {
        match self {
            Self::Primitive(primitive) => &primitive.id,
            Self::Group(group) => &group.id,
            Self::Clone(clone) => &clone.id,
            Self::Bundle(bundle) => &bundle.id,
        }
    }

    /// Its own meta attribute of that name.
    pub fn meta_value(&self, name: &str) -> Option<&str> {
        self.meta().get(name).map(String::as_str)
    }

    /// Its own meta attributes.
    pub fn meta(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Primitive(primitive) => &primitive.meta,
            Self::Group(group) => &group.meta,
            Self::Clone(clone) => &clone.meta,
            Self::Bundle(bundle) => &bundle.meta,
        }
    }

    /// Lets `act` change the attributes of this resource and of those inside, outer ones first.
    pub fn for_each_attributes(&mut self, act: &mut dyn FnMut(AttributesOf<'_>)) {
        match self {
            Self::Primitive(primitive) => primitive.lend_attributes(None, act),
            Self::Group(group) => group.lend_attributes(None, act),
            Self::Clone(clone) => {
                act(AttributesOf::outside(&clone.id, &mut clone.meta, None));
                match &mut clone.content {
                    Content::Primitive(primitive) => primitive.lend_attributes(Some(&clone.meta), act),
                    Content::Group(group) => group.lend_attributes(Some(&clone.meta), act),
                }
            }
            Self::Bundle(bundle) => {
                act(AttributesOf::outside(&bundle.id, &mut bundle.meta, None));
                let inside = bundle.primitive.iter_mut();
                inside.for_each(|primitive| primitive.lend_attributes(Some(&bundle.meta), act));
            }
        }
    }

    /// The primitives in it.
    pub fn primitives(&self) -> &[Primitive] {
        match self {
            Self::Primitive(primitive) => core::slice::from_ref(primitive),
            Self::Group(group) => &group.members,
            Self::Clone(clone) => clone.content.primitives(),
            Self::Bundle(bundle) => bundle.primitive.as_slice(),
        }
    }

    /// The primitives in it, to be changed.
    pub fn primitives_mut(&mut self) -> &mut [Primitive] {
        match self {
            Self::Primitive(primitive) => core::slice::from_mut(primitive),
            Self::Group(group) => &mut group.members,
            Self::Clone(clone) => clone.content.primitives_mut(),
            Self::Bundle(bundle) => bundle.primitive.as_mut_slice(),
        }
    }

    /// The group in it, where there is one.
    pub fn group(&self) -> Option<&Group> {
        match self {
            Self::Group(group) | Self::Clone(CloneSet { content: Content::Group(group), .. }) => Some(group),
            _ => None,
        }
    }

    /// Meta attributes by the id of what they are of: its own, its group's, its primitives'.
    pub fn metas(&self) -> Vec<(&ResourceId, &BTreeMap<String, String>)> {
        let mut metas = Vec::new();
        match self {
            Self::Clone(clone) => metas.push((&clone.id, &clone.meta)),
            Self::Bundle(bundle) => metas.push((&bundle.id, &bundle.meta)),
            Self::Primitive(_) | Self::Group(_) => {}
        }
        metas.extend(self.group().map(|group| (&group.id, &group.meta)));
        metas.extend(self.primitives().iter().map(|primitive| (&primitive.id, &primitive.meta)));
        metas
    }

    /// The meta attributes of what has that id in it, to be changed.
    pub fn meta_mut(&mut self, id: &ResourceId) -> Option<&mut BTreeMap<String, String>> {
        if self.group().is_some_and(|group| group.id == *id) {
            return self.group_mut().map(|group| &mut group.meta);
        }
        if self.id() == id && !matches!(self, Self::Primitive(_)) {
            return self.outer_meta_mut();
        }
        let named = self.primitives_mut().iter_mut().find(|primitive| primitive.id == *id);
        named.map(|primitive| &mut primitive.meta)
    }

    fn outer_meta_mut(&mut self) -> Option<&mut BTreeMap<String, String>> {
        match self {
            Self::Clone(clone) => Some(&mut clone.meta),
            Self::Bundle(bundle) => Some(&mut bundle.meta),
            Self::Group(_) | Self::Primitive(_) => None,
        }
    }

    fn group_mut(&mut self) -> Option<&mut Group> {
        match self {
            Self::Group(group) | Self::Clone(CloneSet { content: Content::Group(group), .. }) => Some(group),
            _ => None,
        }
    }
}

/// The attributes of one resource, to be changed.
#[derive(Debug)]
pub struct AttributesOf<'a> {
    /// Whose.
    pub id: &'a ResourceId,
    /// Its agent, where it is a primitive.
    pub agent: Option<&'a AgentName>,
    /// Its instance attributes, where it has some.
    pub params: Option<&'a mut BTreeMap<String, String>>,
    /// Its meta attributes.
    pub meta: &'a mut BTreeMap<String, String>,
    /// Meta attributes of what it is inside of.
    pub outer: Option<&'a BTreeMap<String, String>>,
}

impl<'a> AttributesOf<'a> {
    /// Those of what has no agent of its own.
    fn outside(
        id: &'a ResourceId,
        meta: &'a mut BTreeMap<String, String>,
        outer: Option<&'a BTreeMap<String, String>>,
    ) -> Self {
        Self { id, agent: None, params: None, meta, outer }
    }
}

impl Primitive {
    fn lend_attributes(
        &mut self,
        outer: Option<&BTreeMap<String, String>>,
        act: &mut dyn FnMut(AttributesOf<'_>),
    ) {
        act(AttributesOf {
            id: &self.id,
            agent: Some(&self.agent),
            params: Some(&mut self.params),
            meta: &mut self.meta,
            outer,
        });
    }
}

impl Group {
    fn lend_attributes(
        &mut self,
        outer: Option<&BTreeMap<String, String>>,
        act: &mut dyn FnMut(AttributesOf<'_>),
    ) {
        act(AttributesOf::outside(&self.id, &mut self.meta, outer));
        let mut inherited = outer.cloned().unwrap_or_default();
        inherited.extend(self.meta.clone());
        self.members.iter_mut().for_each(|member| member.lend_attributes(Some(&inherited), act));
    }
}
