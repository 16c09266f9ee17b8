//! What goes to a playbook and back is the same again.

use super::*;
use crate::cluster::desired::Desired;
use std::path::Path;

/// A CIB as a playbook, and that as a CIB again.
struct Round {
    playbook: String,
    cib: String,
    desired: Desired,
}

fn arguments(to_run: bool) -> ImportArgs {
    ImportArgs { file: "cib.xml".into(), name: None, hosts: "cluster".to_string(), to_run, out: None }
}

fn round(cib: &str) -> Result<Round, String> {
    let (playbook, _) = imported(cib, &arguments(false)).map_err(|why| why.join("; "))?;
    let desired = of_playbook(Path::new("cluster.yml"), playbook.clone(), None)
        .map_err(|mistakes| format!("{mistakes}\n{playbook}"))?;
    let cib = cib::write(&desired).map_err(|why| why.join("; "))?;
    Ok(Round { playbook, cib, desired })
}

/// Why it is not the same a second time.
fn difference(cib: &str) -> Result<(), String> {
    let first = round(cib)?;
    let second = round(&first.cib)?;
    if first.desired != second.desired {
        return Err(format!("{:#?}\n---\n{:#?}", first.desired, second.desired));
    }
    if first.playbook != second.playbook {
        return Err(similar::TextDiff::from_lines(&first.playbook, &second.playbook)
            .unified_diff()
            .to_string());
    }
    // What the playbook says is what the CIB says.
    let (mut directly, _) = cib::read_desired(cib).map_err(|error| error.to_string())?;
    drop_own_notes(&mut directly.config, &mut Vec::new());
    let name = first.desired.config.properties.get("cluster-name").cloned().unwrap_or_default();
    directly.config.properties.entry("cluster-name".to_string()).or_insert(name);
    for (place, node) in directly.nodes.iter_mut().enumerate() {
        node.id.take_if(|id| *id == (place + 1).to_string());
    }
    if directly != first.desired {
        return Err(format!("{directly:#?}\n---\n{:#?}", first.desired));
    }
    Ok(())
}

fn cibs_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "xml"));
    files.sort();
    files
}

fn hold(folder: &Path) -> usize {
    let files = cibs_in(folder);
    let mut broken = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("the case can be read");
        if let Err(why) = difference(&text) {
            broken.push(format!("{}: {why}", file.display()));
        }
    }
    assert!(broken.is_empty(), "{} of {}:\n{}", broken.len(), files.len(), broken.join("\n\n"));
    files.len()
}

#[test]
fn every_cib_of_the_tree_is_the_same_after_import_and_export() {
    let count = hold(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cib"));
    assert!(count > 0, "there are cases");
}

#[test]
fn every_outside_case_is_the_same_after_import_and_export() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/scheduler-cases");
    let folder = std::env::var_os("MUSTER_SCHEDULER_CASES").map_or(beside, PathBuf::from).join("xml");
    if folder.is_dir() {
        assert!(hold(&folder) > 0, "there are cases");
    } else {
        eprintln!(
            "no scheduler cases beside the tree, and MUSTER_SCHEDULER_CASES names none: none are compared"
        );
    }
}

#[test]
fn what_is_imported_to_run_is_taken_by_the_cluster_task() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cib/two_nodes_with_a_web_server.xml");
    let cib = std::fs::read_to_string(file).expect("the case can be read");
    let (text, notes) = imported(&cib, &arguments(true)).expect("it can be imported");
    let node = yaml::parse_text("cluster.yml", &text).expect("it is YAML");
    let task = &cluster_tasks(&node)[0];
    let args = task.args.to_json();
    let nodes = ["left", "right"].map(Into::into);
    let declared =
        playbook_form::read(args.as_object().expect("a mapping"), &nodes).expect("agents can run it");
    assert_eq!(declared.config.fence_devices.len(), 1);
    assert_eq!(
        notes,
        [
            "`dc-version`, `have-watchdog` left out: a cluster writes that itself",
            "the ids of nodes are left out: they are `nodeid` in corosync.conf",
            "the operations of `power-left` are left out: muster asks a device when it fences",
            "the constraint `power-left-elsewhere` is left out: a fence device is used by any member and is not placed",
        ]
    );
}
