//! The number that a new user or group gets: shadow's useradd(8) and groupadd(8) choose it from the ranges of login.defs(5),
//! and a plan must come to the same one.

use super::Args;
use crate::worker::View;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Whose number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Group,
}

/// The number that is free for a new account, as the arguments want it; `preferred` is taken where nobody has it.
pub(super) fn next(kind: Kind, preferred: Option<u32>, args: &Args<'_>, view: &View<'_>) -> u32 {
    let taken: BTreeSet<u32> = match kind {
        Kind::User => view.users().into_iter().map(|user| user.uid).collect(),
        Kind::Group => view.groups().into_iter().map(|group| group.gid).collect(),
    };
    let is_system = args.flag("system");
    let range = range(kind, is_system, args, &view.text("/etc/login.defs"));
    // It may be below the range, which is only for who has no wish.
    let wish = preferred.filter(|number| (1..=*range.end()).contains(number) && !taken.contains(number));
    wish.or_else(|| free(&taken, &range, is_system)).unwrap_or(*range.end())
}

/// The range of login.defs(5), or what shadow takes where that says nothing.
fn range(kind: Kind, is_system: bool, args: &Args<'_>, login_defs: &str) -> RangeInclusive<u32> {
    let (name, argument) = match kind {
        Kind::User => ("UID", "uid"),
        Kind::Group => ("GID", "gid"),
    };
    let setting = |name: String| {
        let mut lines = login_defs.lines().map(str::split_whitespace);
        lines
            .find_map(|mut words| (words.next() == Some(&name)).then(|| words.next()?.parse::<u32>().ok())?)
    };
    let asked =
        |end: &str| args.int(&format!("{argument}_{end}")).and_then(|number| u32::try_from(number).ok());
    let first = asked("min").or_else(|| setting(format!("{name}_MIN"))).unwrap_or(1000);
    if is_system {
        let last = setting(format!("SYS_{name}_MAX")).unwrap_or(first.saturating_sub(1));
        return setting(format!("SYS_{name}_MIN")).unwrap_or(101)..=last;
    }
    first..=asked("max").or_else(|| setting(format!("{name}_MAX"))).unwrap_or(60_000)
}

/// For a system account the one below the lowest that is taken, else the one above the highest; where the range ends there,
/// the first free one from its other end.
fn free(taken: &BTreeSet<u32>, range: &RangeInclusive<u32>, is_system: bool) -> Option<u32> {
    let is_free = |number: &u32| !taken.contains(number);
    let mut in_range = taken.range(range.clone());
    if is_system {
        let below = in_range.next().map_or(Some(*range.end()), |lowest| lowest.checked_sub(1));
        return below.filter(|number| range.contains(number)).or_else(|| range.clone().rev().find(is_free));
    }
    let above = in_range.next_back().map_or(Some(*range.start()), |highest| highest.checked_add(1));
    above.filter(|number| range.contains(number)).or_else(|| range.clone().find(is_free))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_accounts_grow_downwards_and_all_others_upwards_until_the_range_is_at_its_end() {
        let free =
            |taken: &[u32], range, is_system| free(&taken.iter().copied().collect(), &range, is_system);
        assert_eq!(free(&[0, 42, 100, 65_534], 101..=999, true), Some(999), "100 is below the range");
        assert_eq!(free(&[998, 500, 100], 101..=999, true), Some(499));
        assert_eq!(free(&[999, 101], 101..=999, true), Some(998));
        assert_eq!(free(&[0, 999], 1000..=60_000, false), Some(1000));
        assert_eq!(free(&[1000, 4002, 61_000], 1000..=60_000, false), Some(4003));
        assert_eq!(free(&[1000, 60_000], 1000..=60_000, false), Some(1001));
        assert_eq!(free(&[7], 7..=7, false), None);
    }
}
