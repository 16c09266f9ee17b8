//! The built-in `ocf:heartbeat:IPaddr2`: an address that moves between nodes.

use super::announce::announce;
use super::route::{self, Place};
use super::{actions, defaulted, parameter};
use crate::host::{self, OwnAddress};
use crate::log;
use crate::resource::ended::Ended;
use crate::resource::meta_data::MetaData;
use futures_util::TryStreamExt;
use muster_api::duration;
use muster_api::history::{ResourceAction, rc};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};
use rtnetlink::Handle;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::sync::watch;

/// The longest name of an address label (IFNAMSIZ without its end).
const LABEL_MAX: usize = 15;

/// What the parameters say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IpAddress {
    address: IpAddr,
    interface: Option<String>,
    prefix: Option<u8>,
    broadcast: Option<Ipv4Addr>,
    label: Option<String>,
    announcements: u32,
    announcement_interval: Duration,
}

/// What it says about itself.
pub(crate) fn meta_data() -> MetaData {
    MetaData {
        summary: "An IP address that moves between nodes (built in)".into(),
        parameters: vec![
            parameter("ip", true, "The address"),
            parameter("nic", false, "The interface; found by the address's network where it is not given"),
            parameter(
                "cidr_netmask",
                false,
                "Bits of the network; those of the interface's network where not given",
            ),
            parameter("broadcast", false, "The broadcast address; computed where it is not given"),
            parameter("iflabel", false, "A label for the address: it becomes `NIC:LABEL`"),
            defaulted("arp_count", "5", "How often the neighbours are told"),
            defaulted("arp_interval", "200", "Milliseconds between two such announcements"),
        ],
        actions: actions(20_000, 20_000),
    }
}

impl IpAddress {
    /// Reads the parameters.
    pub(crate) fn parse(params: &BTreeMap<String, String>) -> Result<Self, String> {
        let get = |name: &str| params.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let ip = get("ip").ok_or("the parameter `ip` is missing")?;
        let address = ip.parse().map_err(|_| format!("`ip` is `{ip}`, an IP address was expected"))?;
        Ok(Self {
            address,
            interface: get("nic").map(str::to_owned),
            prefix: get("cidr_netmask").map(|mask| parse_mask(mask, address)).transpose()?,
            broadcast: get("broadcast").map(parse_broadcast).transpose()?,
            label: get("iflabel").map(str::to_owned),
            announcements: number("arp_count", get("arp_count"), 5)?,
            announcement_interval: interval(get("arp_interval"))?,
        })
    }

    /// Runs one action.
    pub(crate) async fn run(&self, action: &ResourceAction) -> Ended {
        match action.operation.as_str() {
            "start" => self.start().await,
            "stop" => self.stop().await,
            "monitor" => self.monitor(),
            other => Ended::with(rc::UNIMPLEMENTED, format!("the built-in IPaddr2 has no action `{other}`")),
        }
    }

    /// Returns when the address has gone, with a sentence about it.
    pub(crate) async fn gone(&self, mut changes: watch::Receiver<u64>) -> String {
        loop {
            if matches!(self.monitor().rc, Some(rc::NOT_RUNNING)) {
                return format!("the address {} was removed", self.address);
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn monitor(&self) -> Ended {
        match host::own_addresses() {
            Ok(own) if self.held(&own).is_some() => Ended::ok(),
            Ok(_) => Ended::not_running(),
            Err(error) => Ended::failed(format!("cannot list this host's addresses: {error}")),
        }
    }

    fn held<'a>(&self, own: &'a [OwnAddress]) -> Option<&'a OwnAddress> {
        own.iter().find(|own| {
            own.address == self.address && self.interface.as_ref().is_none_or(|nic| *nic == own.interface)
        })
    }

    async fn start(&self) -> Ended {
        let own = match host::own_addresses() {
            Ok(own) => own,
            Err(error) => return Ended::failed(format!("cannot list this host's addresses: {error}")),
        };
        let interface = match self.held(&own) {
            Some(held) => held.interface.clone(),
            None => match self.add(&own).await {
                Ok(interface) => interface,
                Err(ended) => return ended,
            },
        };
        tokio::spawn(self.clone().tell_neighbours(interface));
        Ended::ok()
    }

    async fn add(&self, own: &[OwnAddress]) -> Result<String, Ended> {
        let place = self.place(own).map_err(|why| Ended::with(rc::CONFIGURED, why))?;
        let failed = |error: &dyn std::fmt::Display| {
            Ended::failed(format!(
                "cannot add {}/{} to {}: {error}",
                self.address, place.prefix, place.interface
            ))
        };
        let (connection, handle, _) = rtnetlink::new_connection().map_err(|error| failed(&error))?;
        let connection = tokio::spawn(connection);
        let added = self.request(&handle, &place).await;
        connection.abort();
        added.map_err(|error| failed(&error))?;
        Ok(place.interface)
    }

    async fn request(&self, handle: &Handle, place: &Place) -> Result<(), rtnetlink::Error> {
        let links = handle.link().get().match_name(place.interface.clone()).execute();
        let link = Box::pin(links).try_next().await?.ok_or(rtnetlink::Error::RequestFailed)?;
        let mut request = handle.address().add(link.header.index, self.address, place.prefix);
        self.refine(request.message_mut(), &place.interface);
        request.execute().await
    }

    fn refine(&self, message: &mut AddressMessage, interface: &str) {
        if let Some(broadcast) = self.broadcast {
            message.attributes.retain(|attribute| !matches!(attribute, AddressAttribute::Broadcast(_)));
            message.attributes.push(AddressAttribute::Broadcast(broadcast));
        }
        if let Some(label) = &self.label {
            message.attributes.push(AddressAttribute::Label(format!("{interface}:{label}")));
        }
        if self.address.is_ipv6() {
            // The cluster knows that nobody else holds it; duplicate detection would cost a second of service.
            message.header.flags |= AddressHeaderFlags::Nodad;
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
    }

    /// Where the address belongs, or why that cannot be told.
    fn place(&self, own: &[OwnAddress]) -> Result<Place, String> {
        let found = match &self.interface {
            Some(nic) => {
                let on_nic: Vec<OwnAddress> =
                    own.iter().filter(|own| own.interface == *nic).cloned().collect();
                let prefix = route::by_network(self.address, &on_nic).map_or(0, |place| place.prefix);
                Some(Place { interface: nic.clone(), prefix })
            }
            None => route::by_network(self.address, own).or_else(|| route::by_route(self.address)),
        };
        let found = found.ok_or_else(|| {
            format!(
                "no interface of this host has a network with {}: set `nic` and `cidr_netmask`",
                self.address
            )
        })?;
        let prefix = self.prefix.unwrap_or(found.prefix);
        if prefix == 0 {
            return Err(format!(
                "the network of {} on {} is not known: set `cidr_netmask`",
                self.address, found.interface
            ));
        }
        let label_length = self.label.as_ref().map_or(0, |label| found.interface.len() + 1 + label.len());
        if label_length > LABEL_MAX {
            return Err(format!(
                "`iflabel` is too long: with the interface's name it may have {LABEL_MAX} characters"
            ));
        }
        Ok(Place { interface: found.interface, prefix })
    }

    async fn stop(&self) -> Ended {
        match self.remove().await {
            Ok(()) => Ended::ok(),
            Err(error) => Ended::failed(format!("cannot remove {}: {error}", self.address)),
        }
    }

    async fn remove(&self) -> Result<(), String> {
        let own = host::own_addresses().map_err(|error| error.to_string())?;
        if self.held(&own).is_none() {
            return Ok(());
        }
        let (connection, handle, _) = rtnetlink::new_connection().map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let removed = self.remove_with(&handle).await;
        connection.abort();
        removed.map_err(|error| error.to_string())
    }

    async fn remove_with(&self, handle: &Handle) -> Result<(), rtnetlink::Error> {
        let index = match &self.interface {
            Some(nic) => {
                let links = handle.link().get().match_name(nic.clone()).execute();
                Box::pin(links).try_next().await?.map(|link| link.header.index)
            }
            None => None,
        };
        let found = handle.address().get().set_address_filter(self.address).execute();
        let found: Vec<AddressMessage> = found.try_collect().await?;
        for message in found.into_iter().filter(|found| index.is_none_or(|index| found.header.index == index))
        {
            handle.address().del(message).execute().await?;
        }
        Ok(())
    }

    /// In the background: the address serves from the first announcement on, the others are for packets that got lost.
    async fn tell_neighbours(self, interface: String) {
        for count in 0..self.announcements {
            if count > 0 {
                tokio::time::sleep(self.announcement_interval).await;
            }
            let is_here = host::own_addresses().is_ok_and(|own| self.held(&own).is_some());
            if !is_here {
                return;
            }
            if let Err(error) = announce(self.address, &interface) {
                log::warning(format!("cannot announce {} on {interface}: {error}", self.address));
                return;
            }
        }
    }
}

fn parse_mask(mask: &str, address: IpAddr) -> Result<u8, String> {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let dotted = mask
        .parse::<Ipv4Addr>()
        .ok()
        .filter(|mask| mask.to_bits().leading_ones() == mask.to_bits().count_ones());
    let prefix =
        dotted.map_or_else(|| mask.parse().ok(), |mask| u8::try_from(mask.to_bits().count_ones()).ok());
    prefix
        .filter(|prefix| (1..=bits).contains(prefix))
        .ok_or_else(|| format!("`cidr_netmask` is `{mask}`, 1 to {bits} was expected"))
}

fn parse_broadcast(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| format!("`broadcast` is `{text}`, an IPv4 address was expected"))
}

fn number(name: &str, text: Option<&str>, default: u32) -> Result<u32, String> {
    let parsed = text.map_or(Ok(default), str::parse);
    parsed.map_err(|_| format!("`{name}` is `{}`, a whole number was expected", text.unwrap_or_default()))
}

fn interval(text: Option<&str>) -> Result<Duration, String> {
    // A bare number is milliseconds here, by the script's own definition.
    let ms = text.map_or(Some(200), |text| text.parse().ok().or_else(|| duration::parse_ms(text)));
    let ms = ms.ok_or_else(|| {
        format!("`arp_interval` is `{}`, milliseconds were expected", text.unwrap_or_default())
    })?;
    Ok(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(params: &[(&str, &str)]) -> Result<IpAddress, String> {
        IpAddress::parse(&params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    fn own(interface: &str, address: &str, prefix: u8) -> OwnAddress {
        let address = address.parse().expect("an address");
        OwnAddress { address, prefix, interface: interface.into(), is_running: true, is_loopback: false }
    }

    #[test]
    fn the_interface_and_the_netmask_come_from_the_network_that_has_the_address() {
        let vip = parse(&[("ip", "10.0.0.100")]).expect("it is well formed");
        let place = vip.place(&[own("eth0", "10.0.0.1", 24)]);
        assert_eq!(place, Ok(Place { interface: "eth0".into(), prefix: 24 }));
    }

    #[test]
    fn what_is_written_out_wins() {
        let vip = parse(&[("ip", "192.0.2.1"), ("nic", "eth1"), ("cidr_netmask", "255.255.255.255")]);
        let place = vip.expect("it is well formed").place(&[own("eth0", "192.0.2.9", 24)]);
        assert_eq!(place, Ok(Place { interface: "eth1".into(), prefix: 32 }));
    }

    #[test]
    fn a_network_that_cannot_be_told_is_asked_for() {
        let vip = parse(&[("ip", "192.0.2.1"), ("nic", "eth1")]).expect("it is well formed");
        assert!(vip.place(&[]).expect_err("nothing says how wide it is").contains("cidr_netmask"));
    }

    #[test]
    fn ill_formed_parameters_are_named() {
        for params in [&[("ip", "web")][..], &[], &[("ip", "10.0.0.1"), ("cidr_netmask", "33")]] {
            assert!(parse(params).is_err(), "{params:?}");
        }
    }
}
