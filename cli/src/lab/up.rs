//! `lab up`: makes a lab, or starts again what is off in one that is there.
//!
//! A lab that could not be finished is removed again, whether it failed or was interrupted. A lab that was
//! there before is never removed by a failure.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::base_image::Recipe;
use super::disk::{self, random_hex};
use super::error::{LabError, Result};
use super::host::Host;
use super::name::LabName;
use super::node::{Node, Power};
use super::state::{LabState, NodeState, Store, SwitchState, SystemChoice, make_private_folder};
use super::subnet::{self, Subnet};
use super::{Lab, down, interrupt, inventory, network, partition, power_switch, prerequisites, ssh};

/// What the user wants.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) name: LabName,
    pub(crate) nodes: u8,
    pub(crate) links: u8,
    pub(crate) system: SystemChoice,
    pub(crate) power_delay_ms: u64,
    /// How long a node may take to boot.
    pub(crate) timeout: Duration,
}

/// Returns the lab when each of its nodes has booted and its sshd answers.
pub(crate) fn up(store: &Store, wanted: &Wanted) -> Result<Lab> {
    prerequisites::check(store, &wanted.name)?;
    interrupt::watch().map_err(LabError::io("watch for", "the signals to stop".as_ref()))?;
    let _lock = store.lock_lab(&wanted.name)?;
    match store.lab(&wanted.name).load() {
        Ok(Some(state)) if state.is_complete => resume(store, wanted, state),
        Ok(None) => create(store, wanted),
        Ok(Some(_)) | Err(LabError::State { .. }) => {
            say("removing what an earlier `lab up` left unfinished");
            down::remove(store, &wanted.name)?;
            create(store, wanted)
        }
        Err(error) => Err(error),
    }
}

fn create(store: &Store, wanted: &Wanted) -> Result<Lab> {
    let recipe = Recipe::new(&wanted.system)?;
    let begun = Instant::now();
    let image = recipe.ensure(store, || say("base image: building it, once for each choice of packages"))?;
    done(&format!("base image {image}"), begun);
    build(store, wanted, image).map_err(|first| match down::remove(store, &wanted.name) {
        Ok(()) => first,
        Err(second) => LabError::AndCleanup { first: Box::new(first), second: Box::new(second) },
    })
}

fn build(store: &Store, wanted: &Wanted, image: String) -> Result<Lab> {
    let begun = Instant::now();
    let mut lab = Lab::with_state(store, plan(store, wanted, image)?)?;
    network::ensure(&lab)?;
    partition::apply(&lab)?;
    done("networks", begun);
    ssh::make_lab_key(&lab.files)?;
    power_switch::make_certificate(&lab.files, lab.state.gateway())?;
    for node in lab.nodes() {
        make_private_folder(node.files().path())?;
    }
    start(&mut lab, wanted, disk::create)?;
    lab.state.is_complete = true;
    lab.save()?;
    Ok(lab)
}

/// Decides everything about a new lab, and writes it down before anything of it is made.
fn plan(store: &Store, wanted: &Wanted, base_image: String) -> Result<LabState> {
    let host = Host::lock()?;
    // Those of labs that are not running since a reboot count too.
    let own = store.states().into_iter().flat_map(|lab| lab.links);
    let reserved: Vec<Subnet> = host.subnets().into_iter().chain(own).collect();
    let ports = power_switch::USUAL_PORTS;
    let state = LabState {
        name: wanted.name.clone(),
        is_complete: false,
        system: wanted.system.clone(),
        base_image,
        nodes: (1..=wanted.nodes).map(|number| NodeState { name: format!("n{number}"), number }).collect(),
        links: subnet::choose(wanted.links.into(), &reserved)?,
        mtu: network::outside_mtu()?,
        switch: SwitchState {
            https_port: ports.https,
            http_port: ports.http,
            username: "fence".into(),
            password: format!("fence-{}", random_hex(8)),
            delay_ms: wanted.power_delay_ms,
        },
        ops_password: format!("ops-{}", random_hex(8)),
        cuts: Vec::new(),
    };
    store.lab(&wanted.name).save(&state)?;
    host.admit(&store.label(&wanted.name), &state)?;
    Ok(state)
}

/// Brings back what a reboot of the host, a crash or a power switch has taken away.
fn resume(store: &Store, wanted: &Wanted, state: LabState) -> Result<Lab> {
    refuse_differences(wanted, &state)?;
    say(&format!("the lab `{}` is there; starting what is off", wanted.name));
    let mut lab = Lab::with_state(store, state)?;
    Host::lock()?.admit(&lab.label, &lab.state)?;
    network::ensure(&lab)?;
    partition::apply(&lab)?;
    start(&mut lab, wanted, |_| Ok(()))?;
    Ok(lab)
}

/// A lab is never changed into another one behind its user's back.
fn refuse_differences(wanted: &Wanted, state: &LabState) -> Result<()> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, is: String, wanted: String| {
        if is != wanted {
            differences.push(format!("{what}: {is}, wanted {wanted}"));
        }
    };
    let packages = |system: &SystemChoice| {
        let mut packages = system.packages.clone();
        packages.sort();
        if packages.is_empty() { "none".to_owned() } else { packages.join(",") }
    };
    compare("nodes", state.nodes.len().to_string(), wanted.nodes.to_string());
    compare("links", state.links.len().to_string(), wanted.links.to_string());
    compare("python", state.system.python.to_string(), wanted.system.python.to_string());
    compare("packages", packages(&state.system), packages(&wanted.system));
    compare("power delay", state.switch.delay_ms.to_string(), wanted.power_delay_ms.to_string());
    if differences.is_empty() {
        return Ok(());
    }
    Err(LabError::Differs { lab: wanted.name.to_string(), differences: differences.join("; ") })
}

/// Starts the switch and all nodes, and waits until they are ready.
fn start(lab: &mut Lab, wanted: &Wanted, prepare: impl Fn(&Node<'_>) -> Result<()> + Sync) -> Result<()> {
    let begun = Instant::now();
    lab.group.make()?;
    if !power_switch::is_running(lab) {
        let ports = power_switch::start(lab)?;
        (lab.state.switch.https_port, lab.state.switch.http_port) = (ports.https, ports.http);
        lab.save()?;
        done("power switch", begun);
    }
    in_parallel(lab, |node| {
        prepare(node)?;
        interrupt::check()?;
        let was_off = node.power() == Power::Off;
        let begun = Instant::now();
        node.power_on()?;
        wait_until_ready(node, wanted.timeout)?;
        if was_off {
            done(&format!("{} booted", node.name()), begun);
        }
        Ok(())
    })?;
    ssh::write_client_files(lab)?;
    inventory::write(lab)
}

/// Does the same for every node at once; gives back the first failure.
fn in_parallel(lab: &Lab, act: impl Fn(&Node<'_>) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let act = &act;
        let threads: Vec<_> = lab.nodes().map(|node| scope.spawn(move || act(&node))).collect();
        let results =
            threads.into_iter().map(|thread| thread.join().expect("the work on a node does not panic"));
        results.collect::<Vec<_>>().into_iter().collect()
    })
}

fn wait_until_ready(node: &Node<'_>, timeout: Duration) -> Result<()> {
    wait_for(node, timeout, "boot", || node.run().is_some_and(|run| run.is_booted))?;
    let address = node.state().address(node.lab().state.first_link());
    wait_for(node, timeout, "answer on its SSH port", || answers_ssh(address))
}

fn wait_for(node: &Node<'_>, timeout: Duration, what: &'static str, ready: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + timeout;
    while !ready() {
        interrupt::check()?;
        if Instant::now() >= deadline || node.power() == Power::Off {
            let (node, console) = (node.name().to_owned(), node.files().console());
            return Err(LabError::NotInTime { node, what, waited: timeout, console });
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn answers_ssh(address: Ipv4Addr) -> bool {
    const PATIENCE: Duration = Duration::from_millis(500);
    let mut banner = [0; 4];
    TcpStream::connect_timeout(&SocketAddr::from((address, 22)), PATIENCE)
        .and_then(|stream| stream.set_read_timeout(Some(PATIENCE)).map(|()| stream))
        .and_then(|mut stream| stream.read_exact(&mut banner))
        .is_ok_and(|()| banner == *b"SSH-")
}

fn say(text: &str) {
    anstream::eprintln!("{text}");
}

fn done(what: &str, begun: Instant) {
    say(&format!("{what}: {:.2} s", begun.elapsed().as_secs_f64()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::test_lab;

    fn wanted(nodes: u8, packages: &[&str]) -> Wanted {
        Wanted {
            name: "test".parse().unwrap(),
            nodes,
            links: 1,
            system: SystemChoice { python: false, packages: packages.iter().map(|p| (*p).into()).collect() },
            power_delay_ms: 0,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_same_lab_again_is_no_difference() {
        assert!(refuse_differences(&wanted(2, &[]), &test_lab(2, 1)).is_ok());
    }

    #[test]
    fn another_number_of_nodes_and_other_packages_are_named() {
        let error = refuse_differences(&wanted(3, &["chrony"]), &test_lab(2, 1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the lab `test` is there already, with other settings: nodes: 2, wanted 3; packages: none, wanted chrony"
        );
    }
}
