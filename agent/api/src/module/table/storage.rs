//! Modules for disks: file systems, volume groups, logical volumes, partitions.

use super::super::ArgKind::{Bool, Int, ListOfStr, Path, Str};
use super::super::{ArgSpec, ModuleSpec};
use super::{NOTHING, arg};

const GENERAL: ModuleSpec = ModuleSpec { collection: "community.general", ..NOTHING };
const STATE: ArgSpec =
    arg("state", Str, "Whether it shall be there.").one_of(&["absent", "present"]).default("present");
const FORCE: ArgSpec = arg("force", Bool, "May destroy what is there.").default("false");

pub(super) const FILESYSTEM: ModuleSpec = ModuleSpec {
    name: "filesystem",
    summary: "Makes a file system on a device.",
    args: &[
        arg("dev", Path, "The device, or a file that stands for one.").or(&["device"]).required(),
        arg("fstype", Str, "The type of the file system.").or(&["type"]).one_of(&[
            "btrfs", "ext2", "ext3", "ext4", "ext4dev", "f2fs", "lvm", "ocfs2", "reiserfs", "xfs", "vfat",
            "swap", "ufs",
        ]),
        STATE,
        FORCE,
        arg("resizefs", Bool, "The file system grows to the size of its device.").default("false"),
        arg("opts", Str, "Options for the tool that makes it."),
    ],
    unsupported: &["uuid"],
    ..GENERAL
};

pub(super) const LVG: ModuleSpec = ModuleSpec {
    name: "lvg",
    summary: "Keeps a volume group of LVM.",
    args: &[
        arg("vg", Str, "The group.").required(),
        arg("pvs", ListOfStr, "Its devices."),
        STATE,
        FORCE,
        arg("pesize", Str, "The size of an extent.").default("\"4\""),
        arg("vg_options", Str, "Options for vgcreate.").default("\"\""),
        arg("remove_extra_pvs", Bool, "Devices that are not in `pvs` leave the group.").default("true"),
    ],
    unsupported: &["pv_options", "pvresize", "reset_vg_uuid", "reset_pv_uuid"],
    ..GENERAL
};

pub(super) const LVOL: ModuleSpec = ModuleSpec {
    name: "lvol",
    summary: "Keeps a logical volume of LVM.",
    args: &[
        arg("vg", Str, "The volume group.").required(),
        arg("lv", Str, "The volume.").required(),
        arg("size", Str, "Its size: `512`, `10g`, `100%FREE`."),
        STATE,
        FORCE,
        arg("shrink", Bool, "Whether it may become smaller.").default("true"),
        arg("resizefs", Bool, "The file system in it gets the new size.").default("false"),
        arg("opts", Str, "Options for lvcreate."),
        arg("pvs", ListOfStr, "The devices it is made on."),
    ],
    unsupported: &["active", "snapshot", "thinpool"],
    ..GENERAL
};

pub(super) const PARTED: ModuleSpec = ModuleSpec {
    name: "parted",
    summary: "Makes partitions, removes them and tells of them.",
    args: &[
        arg("device", Str, "The disk.").required(),
        arg("number", Int, "The partition's number."),
        arg("state", Str, "`info` only tells.").one_of(&["absent", "present", "info"]).default("info"),
        arg("label", Str, "The type of the partition table.")
            .one_of(&["aix", "amiga", "bsd", "dvh", "gpt", "loop", "mac", "msdos", "pc98", "sun"])
            .default("msdos"),
        arg("part_type", Str, "The type of the partition, in a table that has types.")
            .one_of(&["extended", "logical", "primary"])
            .default("primary"),
        arg("part_start", Str, "Where it begins.").default("\"0%\""),
        arg("part_end", Str, "Where it ends.").default("\"100%\""),
        arg("name", Str, "Its name, in a `gpt` table."),
        arg("fs_type", Str, "The file system it is meant for."),
        arg("flags", ListOfStr, "Its flags."),
        arg("align", Str, "How the partition is aligned.")
            .one_of(&["cylinder", "minimal", "none", "optimal", "undefined"])
            .default("optimal"),
        arg("unit", Str, "In which unit sizes are told.")
            .one_of(&[
                "s", "B", "KB", "KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB", "%", "cyl", "chs", "compact",
            ])
            .default("KiB"),
    ],
    unsupported: &["resize"],
    ..GENERAL
};
