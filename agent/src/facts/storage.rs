//! Mounted file systems and block devices.

use super::facts;
use crate::worker::View;
use crate::worker::mounts::unescaped;
use serde_json::{Map, Value, json};
use std::path::Path;

pub(super) fn mounts(view: &View<'_>) -> Map<String, Value> {
    let text = view.mounts();
    let mounts: Vec<Value> = text.lines().filter_map(|line| mount(line, view)).collect();
    facts! { "mounts": mounts }
}

/// A line of /proc/self/mounts that is a device or a network share.
fn mount(line: &str, view: &View<'_>) -> Option<Value> {
    let words: Vec<String> = line.split_whitespace().map(unescaped).collect();
    let [device, place, kind, options, dump, pass] = words.first_chunk::<6>()?;
    if !device.starts_with('/') && !device.contains(":/") && !device.starts_with("\\") {
        return None;
    }
    let mut told = json!({
        "device": device,
        "mount": place,
        "fstype": kind,
        "options": options,
        "dump": dump.parse::<u64>().unwrap_or(0),
        "passno": pass.parse::<u64>().unwrap_or(0),
        "uuid": uuid(device, view),
    });
    if let Ok(size) = rustix::fs::statvfs(place.as_str()) {
        let sizes = json!({
            "block_size": size.f_bsize,
            "block_total": size.f_blocks,
            "block_available": size.f_bavail,
            "block_used": size.f_blocks.saturating_sub(size.f_bavail),
            "inode_total": size.f_files,
            "inode_available": size.f_favail,
            "inode_used": size.f_files.saturating_sub(size.f_favail),
            "size_total": size.f_blocks * size.f_frsize,
            "size_available": size.f_bavail * size.f_frsize,
        });
        if let (Value::Object(told), Value::Object(sizes)) = (&mut told, sizes) {
            told.extend(sizes);
        }
    }
    Some(told)
}

fn uuid(device: &str, view: &View<'_>) -> String {
    let folder = Path::new("/dev/disk/by-uuid");
    let wanted = std::fs::canonicalize(device).ok();
    let names = view.list(folder).unwrap_or_default();
    let found = names
        .into_iter()
        .find(|name| wanted.is_some() && std::fs::canonicalize(folder.join(name)).ok() == wanted);
    found.map_or_else(|| "N/A".to_owned(), |name| name.to_string_lossy().into_owned())
}

pub(super) fn devices(view: &View<'_>) -> Map<String, Value> {
    let folder = Path::new("/sys/block");
    let names = view.list(folder).unwrap_or_default();
    let names = names.into_iter().map(|name| name.to_string_lossy().into_owned());
    // Loops and memory disks that nothing uses are noise.
    let real = names.filter(|name| {
        !(name.starts_with("ram") || name.starts_with("loop") && sectors(&folder.join(name), view) == 0)
    });
    let devices: Map<String, Value> = real.map(|name| (name.clone(), device(&name, view))).collect();
    facts! { "devices": devices }
}

fn read(path: &Path, name: &str, view: &View<'_>) -> String {
    view.text(&path.join(name).to_string_lossy()).trim().to_owned()
}

fn sectors(path: &Path, view: &View<'_>) -> u64 {
    read(path, "size", view).parse().unwrap_or(0)
}

fn device(name: &str, view: &View<'_>) -> Value {
    let path = Path::new("/sys/block").join(name);
    let text = |file: &str| {
        let text = read(&path, file, view);
        if text.is_empty() { Value::Null } else { text.into() }
    };
    let parts =
        view.list(&path).unwrap_or_default().into_iter().map(|part| part.to_string_lossy().into_owned());
    let partitions: Map<String, Value> = parts
        .filter(|part| part.starts_with(name) && view.exists(&path.join(part).join("partition")))
        .map(|part| {
            let inner = path.join(&part);
            let told = json!({
                "start": read(&inner, "start", view),
                "sectors": sectors(&inner, view),
                "sectorsize": 512,
                "size": size(sectors(&inner, view) * 512),
                "uuid": uuid(&format!("/dev/{part}"), view),
            });
            (part, told)
        })
        .collect();
    json!({
        "vendor": text("device/vendor"),
        "model": text("device/model"),
        "serial": text("device/serial"),
        "removable": read(&path, "removable", view),
        "rotational": read(&path, "queue/rotational", view),
        "sectors": sectors(&path, view),
        "sectorsize": read(&path, "queue/logical_block_size", view),
        "size": size(sectors(&path, view) * 512),
        "partitions": partitions,
    })
}

/// `20.00 GB`, where a GB has 2^30 bytes.
fn size(bytes: u64) -> String {
    let units = [("TB", 1_u64 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.2} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes}.00 bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_told_as_a_person_reads_them() {
        assert_eq!((size(20 << 30).as_str(), size(1536).as_str()), ("20.00 GB", "1.50 KB"));
    }
}
